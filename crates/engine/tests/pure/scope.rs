use serde_json::Value;
use tiphys_api::ProjectSpec;
use tiphys_engine::scope::{self, ScopeInput, check};
use tiphys_manifest::ObjectId;

use crate::data::{check_all, text};

/// A file has the Application's namespace `from`, its `project` (a name) and that Project's `spec` (absent: there is
/// none), its destination `to`, its `source`, its `account`, its `objects`, and the `violations`. The installation lives in `tiphys`.
#[test]
fn applications_stay_where_they_may_be() {
    check_all("scope", |case| {
        let project: Option<ProjectSpec> =
            case.get("spec").map(|spec| serde_json::from_value(spec.clone()).unwrap());
        let objects: Vec<ObjectId> = list(case, "objects").map(|id| id.parse().unwrap()).collect();
        let or = |field: &str, otherwise: &'static str| -> String {
            let text = text(case, field);
            if text.is_empty() { otherwise } else { text }.to_owned()
        };
        let found: Vec<_> = check(&ScopeInput {
            application_namespace: text(case, "from"),
            installation_namespace: "tiphys",
            project_name: &or("project", "default"),
            project: project.as_ref(),
            source: &or("source", "https://git.example.com/acme/deploy.git"),
            cluster: &or("cluster", "in-cluster"),
            namespace: text(case, "to"),
            account: account(case, project.as_ref()).as_deref(),
            objects: &objects,
        })
        .iter()
        .map(ToString::to_string)
        .collect();
        let expected: Vec<_> = list(case, "violations").collect();
        if found != expected {
            return Err(format!("expected {expected:#?}, found {found:#?}"));
        }
        Ok(())
    });
}

/// The account that counts: the one that the Application names, or else that of the Project.
fn account(case: &Value, project: Option<&ProjectSpec>) -> Option<String> {
    let source = serde_json::json!({ "repo": "deploy" });
    let spec = serde_json::json!({ "source": source, "serviceAccountName": case.get("account") });
    scope::account(&serde_json::from_value(spec).unwrap(), project)
}

fn list<'a>(case: &'a Value, field: &str) -> impl Iterator<Item = &'a str> {
    case.get(field).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}
