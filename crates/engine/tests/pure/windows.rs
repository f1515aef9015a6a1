use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::Value;
use tiphys_api::{ProjectWindow, SyncWindow, WindowKind};
use tiphys_engine::windows::{Window, WindowSet, applies, closed};

use crate::data::{check_all, text};

fn all<T: serde::de::DeserializeOwned>(case: &Value, field: &str) -> Vec<T> {
    let list = case.get(field).and_then(Value::as_array).into_iter().flatten();
    list.map(|it| serde_json::from_value(it.clone()).unwrap()).collect()
}

/// A file has the `windows` of an Application and those of its `project`, and moments: until when it is `closed` (the
/// whole sentence, or only `until`, `manual`, `later`), or nothing more when Syncs run `at` that `time`. Or it has the
/// beginning of what they are `refused` with.
#[test]
fn windows_open_and_close() {
    check_all("windows", |case| {
        let project: Vec<ProjectWindow> = all(case, "project");
        let project = project.iter().filter(|it| applies(it, ("team", "web"), "in-cluster", "prod"));
        let project: Result<Vec<_>, _> = project.map(|it| Window::new(&it.window)).collect();
        let windows: Vec<SyncWindow> = all(case, "windows");
        let windows: Result<Vec<_>, _> = windows.iter().map(Window::new).collect();
        let (project, windows) = match (project, windows) {
            (Ok(project), Ok(windows)) => (project, windows),
            (Err(error), _) | (_, Err(error)) => {
                let (found, expected) = (error.to_string(), text(case, "refused"));
                let as_expected = !expected.is_empty() && found.starts_with(expected);
                return if as_expected { Ok(()) } else { Err(format!("refused with {found}")) };
            }
        };
        if !text(case, "refused").is_empty() {
            return Err("not refused".to_owned());
        }
        let sets = [
            WindowSet { owner: "Project shop".to_owned(), windows: project },
            WindowSet { owner: "this Application".to_owned(), windows },
        ];
        for moment in case["at"].as_array().unwrap() {
            look(&sets, moment)?;
        }
        Ok(())
    });
}

fn look(sets: &[WindowSet], moment: &Value) -> Result<(), String> {
    let parse = |text: &str| text.parse::<Timestamp>().map_err(|error| format!("{text}: {error}"));
    let now = parse(text(moment, "time"))?;
    let found = closed(sets, now);
    let until: Option<Timestamp> = moment.get("until").and_then(Value::as_str).map(parse).transpose()?;
    let sentence = moment.get("closed").and_then(Value::as_str);
    let Some(found) = found else {
        let expected = until.is_some() || sentence.is_some();
        return if expected { Err(format!("{now}: nothing is closed")) } else { Ok(()) };
    };
    if until.is_none() && sentence.is_none() {
        return Err(format!("{now}: {found}"));
    }
    let told = found.to_string();
    let later = moment.get("later").and_then(Value::as_bool).unwrap_or(false);
    let manual = moment.get("manual").and_then(Value::as_bool).unwrap_or(found.manual);
    let fits = until.is_none_or(|it| found.until == Some(it))
        && sentence.is_none_or(|it| told == it)
        && (found.is_later, found.manual) == (later, manual);
    if fits { Ok(()) } else { Err(format!("{now}: {told}, {found:?}")) }
}

/// Neither what never ends nor what never comes costs more than a moment.
#[test]
fn no_window_takes_long_to_be_understood_or_looked_at() {
    let window = |kind, schedule: &str, duration| SyncWindow {
        kind,
        schedule: schedule.to_owned(),
        duration: Duration::from_secs(duration).into(),
        time_zone: "America/New_York".to_owned(),
        manual: false,
        reason: None,
    };
    let began = Instant::now();
    for schedule in ["0 0 31 2 *", "0 0 30 2 *", "0 0 31 4,6,9,11 *", "0 0 31 2 1#5"] {
        let never = Window::new(&window(WindowKind::Deny, schedule, 60));
        assert!(never.is_err() || schedule.contains('#'), "{schedule}");
    }
    let took = began.elapsed();
    assert!(took < Duration::from_secs(2), "{took:?}");
    let began = Instant::now();
    let endless = (0..50).map(|_| window(WindowKind::Deny, "* * * * *", 3_600));
    let windows = endless.map(|it| Window::new(&it).unwrap()).collect();
    let sets = [WindowSet { owner: "x".to_owned(), windows }];
    let found = closed(&sets, "2026-03-02T08:30:00Z".parse().unwrap()).unwrap();
    assert!(found.is_later);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}
