//! ServiceAccounts that Applications of a test work with.

use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::{DeleteParams, PostParams};
use serde_json::{Value, json};
use tiphys_tests::eventually;

use super::LONG;
use super::stage::Stage;

/// What an account may that deploys ConfigMaps.
pub fn config_maps() -> Value {
    json!([{ "apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "create", "patch", "delete"] }])
}

impl Stage<'_> {
    /// Creates an account of the stage's namespace.
    pub async fn account(&self, name: &str) {
        let account = json!({
            "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": name },
        });
        let account: ServiceAccount = serde_json::from_value(account).expect("a ServiceAccount");
        let accounts = self.namespace.api::<ServiceAccount>();
        accounts.create(&PostParams::default(), &account).await.expect("it can be created");
    }

    /// Deletes an account; roles stay bound to its name.
    pub async fn delete_account(&self, name: &str) {
        let accounts = self.namespace.api::<ServiceAccount>();
        accounts.delete(name, &DeleteParams::default()).await.expect("it can be deleted");
    }

    /// Lets an account of this name do this in the stage's namespace, whether it exists or not, and returns when it may.
    pub async fn grant(&self, name: &str, rules: Value) {
        self.bind(name, &json!({ "kind": "ServiceAccount", "name": name, "namespace": self.ns() }), &rules);
        let Some(first) = rules.pointer("/0") else { return };
        let text =
            |pointer: &str| first.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (group, resource) = (text("/apiGroups/0"), text("/resources/0"));
        let resource = if group.is_empty() { resource } else { format!("{resource}.{group}") };
        self.may(name, &text("/verbs/0"), &resource, true).await;
    }

    /// Lets all accounts of the stage's namespace do this there.
    pub fn grant_to_all(&self, rules: &Value) {
        let group = format!("system:serviceaccounts:{}", self.ns());
        self.bind("everybody", &json!({ "kind": "Group", "name": group }), rules);
    }

    /// Takes away what [`Self::grant`] granted, and returns when that is in effect.
    pub async fn revoke(&self, name: &str, verb: &str, resource: &str) {
        self.namespace.kubectl(&["delete", "rolebinding", name]);
        self.may(name, verb, resource, false).await;
    }

    fn bind(&self, name: &str, subject: &Value, rules: &Value) {
        let role = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": { "name": name },
            "rules": rules,
        });
        let binding = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": { "name": name },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name },
            "subjects": [subject],
        });
        let list = json!({ "apiVersion": "v1", "kind": "List", "items": [role, binding] });
        self.namespace.apply(&list.to_string());
    }

    async fn may(&self, name: &str, verb: &str, resource: &str, expected: bool) {
        let account = format!("--as=system:serviceaccount:{}:{name}", self.ns());
        eventually(&format!("whether {name} may {verb} {resource} is {expected}"), LONG, || async {
            let arguments = ["auth", "can-i", verb, resource, "-n", self.ns(), &account];
            let (may, answer) = self.access.try_kubectl(&self.access.admin_identity(), arguments, "");
            if may == expected { Ok(()) } else { Err(answer) }
        })
        .await;
    }
}
