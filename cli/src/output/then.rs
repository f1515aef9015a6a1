//! What was live at a moment, as text and as data.

use jiff::Timestamp;
use kube::ResourceExt as _;
use serde_json::{Value, json};
use tiphys_api::Sync;

use super::age::between;
use super::sync::one_line;
use crate::time_travel::{Extent, Then, applied_at, extent, words};

/// For people.
pub fn text(then: &Then<'_>, at: Timestamp, now: Timestamp) -> String {
    let mut lines = vec![match then.live {
        Some(sync) => {
            let since = applied_at(sync).map(|it| format!(", applied {it} ({} ago)", between(it, now)));
            let part = if extent(sync) == Extent::Part { " in part, over what was live before" } else { "" };
            format!("At {at} {} was live{part}{}.", words(sync), since.unwrap_or_default())
        }
        None => format!("At {at} nothing was live yet."),
    }];
    lines.extend(then.live.map(|sync| format!("  {}", one_line(sync, now))));
    if let Some(sync) = then.applying {
        lines.push(format!("{} was being applied.", words(sync)));
        lines.push(format!("  {}", one_line(sync, now)));
    }
    super::lines(lines.into_iter())
}

/// For programs.
pub fn value(then: &Then<'_>, at: Timestamp) -> Value {
    let side = |sync: &Sync| {
        let status = sync.status.clone().unwrap_or_default();
        json!({
            "sync": sync.name_any(),
            "number": status.number,
            "phase": status.phase.as_str(),
            "revision": status.revision,
            "rendering": status.rendering,
            "by": status.by,
            "appliedAt": applied_at(sync),
            "whole": extent(sync) == Extent::Whole,
        })
    };
    json!({ "at": at, "live": then.live.map(side), "applying": then.applying.map(side) })
}
