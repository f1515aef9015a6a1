use crate::data::{check_all, text};

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
