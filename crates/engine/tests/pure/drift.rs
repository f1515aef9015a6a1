use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tiphys_api::DriftOutcome;
use tiphys_engine::drift::{By, Fights, Log, MAX_RECORDS, PATIENCE, ROUNDS, Sighting, WINDOW, sightings};
use tiphys_engine::fields::{FieldPath, Manager, Operation};
use tiphys_engine::plan::Policy;
use tiphys_manifest::ObjectId;

use crate::data::check_all;
use crate::plan::{list, world};
use crate::server::Stored;

/// A file says what was `applied` and what happened to it, as those of plans do. What is `seen` are the fields of each
/// object and who changed them.
#[test]
fn who_changed_what_is_seen() {
    check_all("drift", |case| {
        let world = world(case);
        let draft = world.draft(list(case, "applied"), &[], &[], Policy::default());
        let plan = draft.finish(&world.server.check(&draft));
        let seen = plan.steps.iter().flat_map(|step| {
            let wanted = step.manifest.and_then(|it| draft.manifests().get(it));
            let wanted = wanted.map(|it| Value::Object(it.object().clone()));
            let live = world.server.objects.get(&step.id).map(Stored::value);
            sightings(step, wanted.as_ref(), live.as_ref())
        });
        let found: Vec<_> = seen.map(|it| format!("{}: {} by {}", it.id, it.fields_text(3), it.by)).collect();
        let expected: Vec<_> = list(case, "seen").iter().filter_map(Value::as_str).collect();
        if found != expected {
            return Err(format!("expected {expected:?}, found {found:?}"));
        }
        Ok(())
    });
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_secs(1_000_000 + seconds)
}

fn id() -> ObjectId {
    "ConfigMap web/a".parse().unwrap()
}

fn manager(name: &str, time: Option<Timestamp>) -> By {
    By::Manager(Manager { name: name.to_owned(), operation: Operation::Update, subresource: None, time })
}

fn sighting(fields: &[&str], by: By) -> Sighting {
    let fields = fields.iter().map(|it| FieldPath::default().field("data").field(it)).collect();
    Sighting { id: id(), fields, by }
}

fn object(value: &str, manager: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "a", "namespace": "web", "managedFields": [
            {"manager": manager, "operation": "Update", "fieldsV1": {"f:data": {"f:k": {}}}}]},
        "data": {"k": value},
    })
}

/// Corrects a field as often as that is done before it is left alone; gives the time after that.
fn fight(fights: &mut Fights, seen: &[Sighting]) -> Timestamp {
    for round in 0..ROUNDS {
        let now = at(i64::try_from(round).unwrap());
        assert_eq!(fights.recognise(seen, now), [], "round {round}");
        fights.corrected(seen, now);
    }
    at(60)
}

#[test]
fn a_field_that_comes_back_after_each_correction_is_left_alone_and_no_other() {
    let mut fights = Fights::default();
    assert_eq!(fights.review("1", at(0), &|_| None), []);
    let stubborn = sighting(&["k"], manager("operator", None));
    let now = fight(&mut fights, std::slice::from_ref(&stubborn));
    let both = [sighting(&["k", "other"], manager("operator", None))];
    assert_eq!(fights.recognise(&both, now), [stubborn]);
    assert_eq!(fights.fields()[&id()].iter().map(ToString::to_string).collect::<Vec<_>>(), ["data.k"]);
    assert_eq!(fights.text_of(&id()).unwrap(), "left alone: operator keeps changing data.k");
    assert!(fights.text().unwrap().contains("spec.ignoreDifferences"));
    assert_eq!(fights.next_end(), Some(now + PATIENCE));
    assert!(!fights.leaves_whole(&id()));
}

#[test]
fn corrections_of_long_ago_do_not_count() {
    let mut fights = Fights::default();
    let seen = [sighting(&["k"], By::Webhook)];
    fight(&mut fights, &seen);
    assert_eq!(fights.recognise(&seen, at(0) + WINDOW + WINDOW), []);
}

#[test]
fn what_is_deleted_again_and_again_is_left_alone_as_a_whole() {
    let mut fights = Fights::default();
    let gone = [Sighting { id: id(), fields: vec![FieldPath::default()], by: By::Nobody }];
    let now = fight(&mut fights, &gone);
    assert_eq!(fights.recognise(&gone, now).len(), 1);
    assert!(fights.leaves_whole(&id()) && fights.fields().is_empty());
    let back = |_: &ObjectId| Some((object("ours", "x"), Some(object("ours", "x"))));
    assert_eq!(fights.review("", now, &|_| None).len(), 1, "other inputs");
    fight(&mut fights, &gone);
    fights.recognise(&gone, now);
    assert!(fights.review("", now, &back)[0].gave_in);
}

#[test]
fn what_is_left_alone_has_an_end() {
    let left_alone = || {
        let mut fights = Fights::default();
        fights.review("1", at(0), &|_| None);
        let seen = [sighting(&["k"], manager("operator", None))];
        let now = fight(&mut fights, &seen);
        assert_eq!(fights.recognise(&seen, now).len(), 1);
        (fights, now)
    };
    let theirs = |_: &ObjectId| Some((object("ours", "x"), Some(object("theirs", "operator"))));
    for (what, inputs, after, live, expected) in [
        ("nothing happens", "1", 1, ("theirs", "operator"), None),
        ("it changes again", "1", 1, ("theirs too", "operator"), None),
        ("something else is asked for", "2", 1, ("theirs", "operator"), Some(false)),
        ("time", "1", PATIENCE.as_secs(), ("theirs", "operator"), Some(false)),
        ("another one changes it", "1", 1, ("theirs", "kubectl-edit"), Some(false)),
        ("it is as it should be", "1", 1, ("ours", "operator"), Some(true)),
    ] {
        let (mut fights, now) = left_alone();
        assert_eq!(fights.review("1", now, &theirs), [], "{what}");
        let look = |_: &ObjectId| Some((object("ours", "x"), Some(object(live.0, live.1))));
        let ended = fights.review(inputs, now + SignedDuration::from_secs(after), &look);
        assert_eq!(ended.first().map(|it| it.gave_in), expected, "{what}");
        assert_eq!(fights.fields().is_empty(), expected.is_some(), "{what}");
        assert_eq!(
            fights.recognise(&[sighting(&["k"], manager("operator", None))], now),
            [],
            "{what}: from the start"
        );
    }
}

#[test]
fn the_same_drift_is_one_record() {
    let mut records = Vec::new();
    let mut log = Log(&mut records);
    let seen = |time| [sighting(&["k"], manager("kubectl-edit", Some(at(time))))];
    assert_eq!(log.see(&seen(0), at(5)).len(), 1);
    assert_eq!(log.see(&seen(0), at(6)), [], "it stays");
    log.correct(&BTreeSet::from([id()]), "web-2");
    assert_eq!((log.0[0].outcome, log.0[0].sync.as_deref()), (DriftOutcome::Corrected, Some("web-2")));
    assert_eq!(log.see(&seen(20), at(20)).len(), 1);
    assert_eq!(log.see(&seen(30), at(30)).len(), 1, "written again before it was corrected");
    let record = log.0[0].clone();
    assert_eq!((log.0.len(), record.count, record.outcome), (1, 3, DriftOutcome::Open));
    assert_eq!((record.first_seen.0, record.last_seen.0), (at(0), at(30)));
    assert_eq!(
        (record.fields, record.by.as_str(), record.operation.as_deref()),
        (vec!["data.k".to_owned()], "kubectl-edit", Some("Update"))
    );
    log.see(&[sighting(&["k"], manager("another", None))], at(40));
    log.see(&[sighting(&["k", "other"], manager("another", None))], at(41));
    assert_eq!(log.0.len(), 3, "others, or other fields, are other records");
}

#[test]
fn what_became_of_drift_is_known() {
    let mut records = Vec::new();
    let mut log = Log(&mut records);
    log.see(&[sighting(&["k"], manager("a", None)), sighting(&["l"], manager("b", None))], at(0));
    log.leave_alone(&[sighting(&["k"], manager("a", None))]);
    let outcomes = |log: &Log<'_>| {
        let mut outcomes: Vec<_> = log.0.iter().map(|it| (it.by.clone(), it.outcome.as_str())).collect();
        outcomes.sort();
        outcomes.into_iter().map(|it| it.1).collect::<Vec<_>>()
    };
    assert_eq!(outcomes(&log), ["LeftAlone", "Open"]);
    log.settle(None, &BTreeSet::from([id()]));
    assert_eq!(outcomes(&log), ["LeftAlone", "Open"]);
    log.settle(None, &BTreeSet::new());
    assert_eq!(outcomes(&log), ["LeftAlone", "Gone"]);
    log.end(&BTreeSet::from([id()]));
    assert_eq!(outcomes(&log), ["Gone", "Gone"]);
}

#[test]
fn what_was_not_looked_at_stays_open() {
    let other: ObjectId = "ConfigMap web/b".parse().unwrap();
    let mut records = Vec::new();
    let mut log = Log(&mut records);
    let second = Sighting { id: other.clone(), ..sighting(&["k"], manager("a", None)) };
    log.see(&[sighting(&["k"], manager("a", None)), second], at(0));
    log.settle(Some(&BTreeSet::from([other.clone()])), &BTreeSet::from([other.clone()]));
    assert!(log.0.iter().all(|it| it.outcome == DriftOutcome::Open), "one was seen, the other not looked at");
    log.settle(Some(&BTreeSet::from([other])), &BTreeSet::new());
    let mut outcomes: Vec<_> = log.0.iter().map(|it| (it.name.as_str(), it.outcome)).collect();
    outcomes.sort_by_key(|it| it.0);
    assert_eq!(outcomes, [("a", DriftOutcome::Open), ("b", DriftOutcome::Gone)]);
}

#[test]
fn records_are_bounded_and_the_newest_stay() {
    let mut records = Vec::new();
    let mut log = Log(&mut records);
    let long = "x".repeat(10_000);
    for round in 0..50 {
        let fields: Vec<_> = (0..30).map(|it| format!("{long}{it}")).collect();
        let fields: Vec<_> = fields.iter().map(String::as_str).collect();
        log.see(&[sighting(&fields, manager(&format!("m{round}{long}"), None))], at(round));
    }
    assert_eq!(records.len(), MAX_RECORDS);
    assert!(records[0].by.starts_with("m49") && records.last().unwrap().by.starts_with("m30"));
    assert_eq!((records[0].fields.len(), records[0].more_fields), (10, 20));
    assert!(serde_json::to_string(&records).unwrap().len() < 128 * 1024);
}
