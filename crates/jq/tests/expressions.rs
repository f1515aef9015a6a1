//! What expressions lead to, and that none of them can do harm.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "tests fail by panicking")]

use serde_json::{Value, json};
use tiphys_jq::{Error, Found, Job, Jq, Step, evaluate};

fn object() -> Value {
    json!({
        "metadata": {"name": "web", "annotations": {"a.b/c": "x", "d": "y"}},
        "spec": {
            "replicas": 2,
            "containers": [
                {"name": "app", "image": "a:1", "env": [{"name": "A", "value": "1"}]},
                {"name": "sidecar", "image": "b:1", "resources": {"limits": {"cpu": 1}}},
            ],
        },
    })
}

fn found(expression: &str) -> Found {
    let job = Job { expressions: vec![expression.to_owned()], objects: vec![object()] };
    evaluate(&job, &|_| {}).unwrap().remove(0)
}

fn text(found: &Found) -> Vec<String> {
    let step = |step: &Step| match step {
        Step::Index(index) => index.to_string(),
        Step::Field(name) => name.clone(),
    };
    found.paths.iter().map(|path| path.iter().map(step).collect::<Vec<_>>().join("|")).collect()
}

#[test]
fn expressions_lead_to_fields() {
    for (expression, expected) in [
        (".spec.replicas", vec!["spec|replicas"]),
        (".spec.missing.below", vec!["spec|missing|below"]),
        (r#".metadata.annotations["a.b/c"]"#, vec!["metadata|annotations|a.b/c"]),
        (
            r#".spec.containers[] | select(.name=="sidecar") | .resources"#,
            vec!["spec|containers|1|resources"],
        ),
        (r#".spec.containers[] | select(.name | test("^side")).image"#, vec!["spec|containers|1|image"]),
        (".spec.containers[].image", vec!["spec|containers|0|image", "spec|containers|1|image"]),
        (".spec.containers[-1].image", vec!["spec|containers|1|image"]),
        (".spec.replicas, .metadata.name # both", vec!["spec|replicas", "metadata|name"]),
        (".nothing[]?", vec![]),
        (r#"def theirs: select(.name == "app"); .spec.containers[] | theirs"#, vec!["spec|containers|0"]),
        (".", vec![""]),
    ] {
        let found = found(expression);
        assert_eq!(
            (text(&found), found.failure),
            (expected.iter().map(ToString::to_string).collect(), None),
            "{expression}"
        );
    }
}

#[test]
fn what_ends_in_an_error_says_so_and_keeps_what_it_gave() {
    for (expression, paths, wanted) in [
        (".spec.replicas, .spec.replicas[]", 1, "no such field"),
        (".spec.replicas + 1", 0, "no path to a field"),
        (".spec.containers[0:1]", 0, "slice"),
        ("env", 0, "not available"),
        (".spec | select(env | true)", 0, "not available"),
        (".spec | select(now > 1)", 0, "not available"),
        ("error(.spec.containers[0].image)", 0, "ended in an error"),
    ] {
        let found = found(expression);
        assert_eq!(found.paths.len(), paths, "{expression}");
        assert!(found.failure.as_ref().is_some_and(|it| it.contains(wanted)), "{expression}: {found:?}");
        assert!(!found.failure.unwrap_or_default().contains("a:1"), "it holds a value: {expression}");
    }
}

#[test]
fn what_cannot_be_compiled_is_refused_with_its_place() {
    for (expression, wanted) in [
        (".spec.", "character"),
        (".a | (", "character 7: expected closing parenthesis"),
        (".a | nonsense", "character 6: there is no filter nonsense"),
        (".a | $x", "there is no variable $x"),
        ("input", "there is no filter input"),
        (r#"import "a" as a; .a"#, "not supported"),
        (".a)|(.b", "character"),
        ("", "character 1"),
    ] {
        let job = Job { expressions: vec![expression.to_owned()], objects: Vec::new() };
        let error = evaluate(&job, &|_| {}).expect_err(expression);
        assert!(error.to_string().contains(wanted), "{expression}: {error}");
        assert_eq!(error.expression, expression);
    }
}

#[tokio::test]
async fn nothing_that_an_expression_does_passes_its_limits() {
    let jq = Jq::new(env!("CARGO_BIN_EXE_tiphys-jq-probe").into());
    let ask = async |expression: &str| {
        jq.find(&Job { expressions: vec![expression.to_owned()], objects: vec![object()] }).await
    };
    for expression in [
        "def f: f; f",
        "def f: 1 + f; f",
        "[range(1e12)]",
        r#""x" * 1000000000"#,
        "last(repeat(1))",
        "..,(..|..|..|..|..|..|..|..|..)",
        "halt",
    ] {
        let asked = ask(expression).await;
        match &asked {
            // It was ended, or it gave up by itself.
            Err(error @ Error::Worker { source }) => {
                assert!(!error.is_transient(), "{source}");
                assert!(error.to_string().contains(&format!("{expression:?}")), "{expression}: {error}");
            }
            Err(Error::Unusable(unusable)) => assert_eq!(unusable.expression, expression),
            Ok(found) => assert!(found[0].failure.is_some(), "{expression}: {found:?}"),
            Err(other) => panic!("{expression}: {other}"),
        }
        let after = ask(".spec.replicas").await.unwrap();
        assert_eq!(text(&after[0]), ["spec|replicas"], "after {expression}");
    }
}
