//! Notifications as data: which Syncs somebody is told of, in which words, and the exact message for each kind of
//! destination.
//!
//! All of it is pure: no client, no clock, no socket. The controller feeds it what happened and sends what it gives.

mod address;
mod facts;
mod hidden;
mod ledger;
mod message;
mod payload;
mod rules;

use std::fmt::Write as _;

pub use address::{Network, Networks};
pub use facts::Facts;
pub use hidden::{Hidden, SecretValues};
pub use ledger::{Ledger, Outcome, Verdict, moment};
pub use message::{Message, Subject, commit_of, delivery_id, repository_of};
pub use payload::{Destination, Mail, Request, destination, mail, request};
pub use rules::Rules;

/// Longest text that is sent, in bytes.
pub const MAX_TEXT: usize = 4096;

/// Bytes as hexadecimal digits.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // A String takes everything.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Cuts a text to at most so many bytes, between two characters.
fn shorten(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    format!("{}…", &text[..text.floor_char_boundary(limit.saturating_sub('…'.len_utf8()))])
}
