//! The rules and the exact messages as case files: a new case is a new file in `tests/data`.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, reason = "tests fail by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tiphys_api::{Application, NotificationSpec, Phase, Sync};
use tiphys_notify::{Facts, Message, Rules, SecretValues, Subject, destination, mail, moment, request};

fn cases<T: DeserializeOwned>(folder: &str) -> Vec<(String, T)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(folder);
    let mut cases: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|it| it.unwrap().path())
        .map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            let case = serde_yaml::from_str(&text).unwrap_or_else(|it| panic!("{}: {it}", path.display()));
            (path.file_stem().unwrap().to_string_lossy().into_owned(), case)
        })
        .collect();
    assert!(!cases.is_empty());
    cases.sort_by(|a, b| a.0.cmp(&b.0));
    cases
}

/// A Sync and its Application as they are unless a case says otherwise.
#[derive(Deserialize)]
struct World {
    #[serde(default)]
    application: Value,
    #[serde(default)]
    sync: Value,
}

impl World {
    fn objects(&self) -> (Application, Sync) {
        let mut application: Value = serde_yaml::from_str(
            "{apiVersion: tiphys.dev/v1alpha1, kind: Application, metadata: {namespace: team-a, name: web},
              spec: {source: {repo: 'https://git.example.com/acme/deploy.git', path: apps/web}}}",
        )
        .unwrap();
        let mut sync: Value = serde_yaml::from_str(
            "{apiVersion: tiphys.dev/v1alpha1, kind: Sync,
              metadata: {namespace: team-a, name: web-3, uid: 11111111-2222-3333-4444-555555555555},
              spec: {application: web, initiatedBy: {user: ann}},
              status: {phase: Succeeded, number: 3, by: ann, message: 'main is live and healthy: 1 changed',
                revision: 'main@sha1:0123456789abcdef0123456789abcdef01234567',
                startedAt: '2026-11-29T10:00:00Z', finishedAt: '2026-11-29T10:00:05Z'}}",
        )
        .unwrap();
        merge(&mut application, &self.application);
        merge(&mut sync, &self.sync);
        (serde_json::from_value(application).unwrap(), serde_json::from_value(sync).unwrap())
    }
}

fn merge(value: &mut Value, patch: &Value) {
    match (value, patch) {
        (_, Value::Null) => {}
        (Value::Object(fields), Value::Object(changes)) => {
            for (key, change) in changes {
                merge(fields.entry(key).or_insert(Value::Null), change);
            }
        }
        (value, patch) => *value = patch.clone(),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleCase {
    #[serde(default = "team")]
    namespace: String,
    spec: NotificationSpec,
    #[serde(default)]
    application: Value,
    #[serde(default)]
    sync: Value,
    /// What comes of it: `fires`, `silent`, `not concerned`, or why it cannot be used.
    expected: String,
    #[serde(default)]
    words: Option<String>,
}

fn team() -> String {
    "team-a".to_owned()
}

fn outcome(case: &RuleCase) -> (String, Option<String>) {
    let (application, sync) =
        World { application: case.application.clone(), sync: case.sync.clone() }.objects();
    let rules = match Rules::compile(&case.spec, &case.namespace, "tiphys") {
        Ok(rules) => rules,
        Err(problem) => return (problem, None),
    };
    if !rules.concerns(&application) {
        return ("not concerned".to_owned(), None);
    }
    let phase = sync.status.as_ref().unwrap().phase;
    let facts = Facts::new(&application, &sync, phase).unwrap();
    match rules.fires(&facts, phase) {
        Ok(true) => match rules.words(&facts) {
            Ok(words) => ("fires".to_owned(), words),
            Err(problem) => (problem, None),
        },
        Ok(false) => ("silent".to_owned(), None),
        Err(problem) => (problem, None),
    }
}

#[test]
fn rules() {
    for (name, case) in cases::<RuleCase>("rules") {
        let (seen, words) = outcome(&case);
        let fits = match case.expected.strip_suffix('…') {
            Some(start) => seen.starts_with(start),
            None => seen == case.expected,
        };
        assert!(fits, "{name}: {seen}\nexpected: {}", case.expected);
        assert_eq!(words, case.words, "{name}");
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PayloadCase {
    spec: NotificationSpec,
    #[serde(default)]
    secret: BTreeMap<String, String>,
    #[serde(default)]
    application: Value,
    #[serde(default)]
    sync: Value,
    /// The address of the repository; absent: that of the Application.
    #[serde(default)]
    repository: Option<String>,
    #[serde(default)]
    phase: Option<Phase>,
    expected: Expected,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Expected {
    request: Option<String>,
    headers: BTreeMap<String, String>,
    body: Value,
    subject: Option<String>,
    text: Option<String>,
    id: Option<String>,
    problem: Option<String>,
}

fn message_of(case: &PayloadCase) -> Message {
    let (application, sync) =
        World { application: case.application.clone(), sync: case.sync.clone() }.objects();
    let phase = case.phase.unwrap_or(sync.status.as_ref().unwrap().phase);
    let facts = Facts::new(&application, &sync, phase).unwrap();
    let words = Rules::compile(&case.spec, "team-a", "tiphys").unwrap().words(&facts).unwrap();
    let repository = case.repository.clone().unwrap_or_else(|| application.spec.source.repo.clone());
    let notification = Subject { namespace: "team-a".to_owned(), name: "tell".to_owned() };
    Message::new((notification, "uid-of-tell"), &application, repository, &sync, phase, words)
}

fn produced(case: &PayloadCase) -> Expected {
    let message = message_of(case);
    let data = case.secret.iter().map(|(key, value)| (key.clone(), value.clone().into_bytes()));
    let secret = SecretValues::new("tell", data).unwrap();
    let target = destination(&case.spec).unwrap();
    if case.spec.email.is_some() {
        let mail = mail(&message);
        return Expected {
            subject: Some(mail.subject),
            text: Some(mail.body),
            id: Some(mail.id),
            ..Expected::default()
        };
    }
    match target.check(&secret).and_then(|()| request(target, &secret, &message)) {
        Err(problem) => Expected { problem: Some(problem), ..Expected::default() },
        Ok(request) => {
            assert!(!format!("{request:?}").contains("canary"), "it prints no secrets");
            Expected {
                request: Some(format!("{} {}", request.method, request.url.reveal())),
                headers: request
                    .headers
                    .iter()
                    .map(|(name, value)| (name.clone(), value.reveal().to_owned()))
                    .collect(),
                body: serde_json::from_slice(&request.body).unwrap(),
                ..Expected::default()
            }
        }
    }
}

#[test]
fn payloads() {
    for (name, case) in cases::<PayloadCase>("payloads") {
        assert_eq!(produced(&case), case.expected, "{name}");
    }
}

#[test]
fn a_sync_that_has_not_started_is_nothing_to_tell() {
    let (_, mut sync) = World { application: Value::Null, sync: Value::Null }.objects();
    assert_eq!(moment(&sync).unwrap().0, Phase::Succeeded);
    sync.status = None;
    assert!(moment(&sync).is_none());
}
