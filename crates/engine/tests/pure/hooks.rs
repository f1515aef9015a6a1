use std::sync::Arc;

use serde_json::Value;
use tiphys_api::HookPhase;
use tiphys_engine::LiveObject;
use tiphys_engine::hooks::{Outcome, Run, outcome};
use tiphys_engine::order::Occasion;
use tiphys_engine::plan::Live;

use crate::data::{check_all, text};

/// A file has the live object of a hook (or none) of the run `this.PreSync`, and expects what became of it.
#[test]
fn outcomes_are_as_their_files_say() {
    check_all("hooks", |case| {
        let run = Run { occasion: Occasion::Upgrade, id: "this".to_owned() };
        let live = match case.get("live") {
            Some(Value::String(unknown)) if unknown == "unknown" => Live::Unknown,
            Some(object @ Value::Object(_)) => Live::Present(Arc::new(LiveObject::new(object).unwrap())),
            _ => Live::Absent,
        };
        let found = match outcome(&run.mark(HookPhase::PreSync), &live) {
            Outcome::Running(message) => format!("runs: {message}"),
            Outcome::Succeeded => "succeeded".to_owned(),
            Outcome::Failed { message, may_recover: false } => format!("failed: {message}"),
            Outcome::Failed { message, may_recover: true } => format!("fails now: {message}"),
        };
        let expected = text(case, "outcome");
        if found == expected { Ok(()) } else { Err(format!("expected {expected:?}, found {found:?}")) }
    });
}
