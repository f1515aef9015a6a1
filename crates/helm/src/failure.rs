//! Errors of templates, in Helm's words.

use gotemplate::{ExecError, Frame, Limit, Reason};

const START: &str = "HELM_ERR_START";
const END: &str = "HELM_ERR_END";

/// How the text of an error of a template begins.
const NEXT: &str = "template: ";

/// The message of `required` or `fail`, marked so that it is found in the chain of positions around it.
pub(crate) fn marked(message: &str) -> String {
    format!("{START}{message}{END}")
}

/// A text without the marks around messages.
pub(crate) fn unmarked(text: &str) -> String {
    text.replace(START, "").replace(END, "")
}

/// What Helm says of a text that is not a template. Only the last part of the message stays.
pub(crate) fn parse_text(error: &gotemplate::Error) -> String {
    let text = error.to_string();
    let mut parts = text.split(": ");
    let (_, location) = (parts.next(), parts.next().unwrap_or_default());
    let message = parts.last().unwrap_or(location);
    format!("parse error at ({location}): {message}")
}

/// What Helm says of a template that could not be executed.
///
/// * What `required` and `fail` say anywhere below, at the position of the outermost template.
/// * Else the positions from the outermost template to the innermost, one block each.
/// * Else, where one of the errors in the chain is not one of a template, Go's own chain in one line.
pub(crate) fn exec_text(error: &ExecError) -> String {
    if let Reason::Limit(limit) = error.reason() {
        return limit_text(error, *limit);
    }
    let text = error.to_string();
    let mut parts = text.splitn(3, ": ");
    let (_, Some(location), Some(rest)) = (parts.next(), parts.next(), parts.next()) else {
        return text;
    };
    if let Some(message) = marked_message(rest) {
        return format!("execution error at ({location}): {message}");
    }
    blocks(error).unwrap_or(text)
}

/// Helm has no limits and so no words for them: the outermost place, where the user looks first, and the innermost one.
fn limit_text(error: &ExecError, limit: Limit) -> String {
    let mut frames = error.frames();
    let place =
        |frame: &Frame| format!("{}: executing {}: ", frame.position, gotemplate::quote(&frame.template));
    let outer = frames.next().map(place).unwrap_or_default();
    let inner = frames.next_back().map(place).unwrap_or_default();
    format!("execution error at {outer}{inner}{limit}")
}

/// The longest text between the marks.
fn marked_message(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once(START)?;
    let (message, _) = rest.rsplit_once(END)?;
    Some(message)
}

/// One block for each error of the chain; `None` if one of them is not one of a template.
fn blocks(error: &ExecError) -> Option<String> {
    let mut chain: Vec<Block> = Vec::new();
    let mut push = |block: Block| {
        if chain.last() != Some(&block) {
            chain.push(block);
        }
    };
    let frames: Vec<_> = error.frames().collect();
    for (index, frame) in frames.iter().enumerate() {
        // What follows is cut from the message, so its beginning is enough.
        let mut text = frame.to_string();
        match frames.get(index + 1) {
            Some(_) => text.push_str(NEXT),
            None => text.push_str(&error.reason().to_string()),
        }
        push(Block::parse(&text)?);
        let Some(call) = &frame.call else { continue };
        // What a function says before the error of a template that it ran is an error of its own in the chain.
        if !call.prefix.is_empty() {
            return None;
        }
    }
    let innermost_failed_in_call = frames.last().is_some_and(|frame| frame.call.is_some());
    if innermost_failed_in_call {
        push(Block::parse(&error.reason().to_string())?);
    }
    let text: String = chain.iter().map(ToString::to_string).collect();
    Some(text.trim().to_owned())
}

/// The place and message of one error in a chain.
#[derive(Debug, PartialEq, Eq)]
struct Block {
    location: String,
    executing: String,
    message: String,
}

impl Block {
    /// Reads Go's text of an error of a template; `None` if it is none.
    fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix(NEXT)?;
        if rest.starts_with("no template ") {
            return Some(Self {
                location: String::new(),
                executing: String::new(),
                message: text.to_owned(),
            });
        }
        Self::executing(rest).or_else(|| Self::simple(rest))
    }

    /// `file:line:column: executing "name" at <node>: message`
    fn executing(text: &str) -> Option<Self> {
        let (location, rest) = text.split_once(": executing \"")?;
        let (name, rest) = rest.split_once('"')?;
        let rest = rest.strip_prefix(" at <")?;
        let (node, message) = rest.split_once(">: ")?;
        Some(Self {
            location: location.to_owned(),
            executing: format!("executing \"{name}\" at <{node}>:"),
            message: own_message(message),
        })
    }

    /// `file:line: message`
    fn simple(text: &str) -> Option<Self> {
        let (location, message) = text.rsplit_once(": ")?;
        Some(Self { location: location.to_owned(), executing: String::new(), message: own_message(message) })
    }
}

/// The message without the errors that follow in the chain.
fn own_message(message: &str) -> String {
    message.split_once(" template:").map_or(message, |(own, _)| own).to_owned()
}

impl std::fmt::Display for Block {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if !self.location.is_empty() {
            write!(f, "{}\n  ", self.location)?;
        }
        if !self.executing.is_empty() {
            write!(f, "{}\n    ", self.executing)?;
        }
        if !self.message.is_empty() {
            writeln!(f, "{}", self.message)?;
        }
        Ok(())
    }
}
