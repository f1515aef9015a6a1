use crate::data::{cases, check_all, text};

/// A file has `object`, the `health` and `reason` that are expected, and the `message` if it matters.
#[test]
fn objects_have_the_health_that_their_file_says() {
    check_all("health", |case| {
        let status = tiphys_engine::health::assess(&case["object"]);
        let found = (format!("{:?}", status.health), status.reason.to_string());
        let expected = (text(case, "health").to_owned(), text(case, "reason").to_owned());
        if found != expected {
            return Err(format!("expected {expected:?}, found {found:?} ({})", status.message));
        }
        let message = text(case, "message");
        if !message.is_empty() && status.message != message {
            return Err(format!("expected the message {message:?}, found {:?}", status.message));
        }
        Ok(())
    });
}

/// Every situation of kstatus' own tests has a case of ours.
#[test]
fn the_situations_of_kstatus_are_covered() {
    let list = include_str!("../data/kstatus.txt");
    let names: Vec<_> = cases("health").into_iter().map(|case| case.name).collect();
    let situations: Vec<_> = list.lines().filter(|line| !line.starts_with('#')).collect();
    let missing: Vec<_> = situations
        .iter()
        .filter(|line| line.split(" | ").nth(1).is_none_or(|name| !names.iter().any(|it| it == name)))
        .collect();
    assert!(missing.is_empty(), "no case for {missing:?}");
    assert_eq!(situations.len(), 53);
}
