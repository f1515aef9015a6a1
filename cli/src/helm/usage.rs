//! Command lines as Helm's parser takes them.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, Command};

use super::Message;

/// The commands that are Helm's: of these, every error ends with exit code 1.
const COMMANDS: [&str; 3] = ["template", "lint", "show"];

/// Whether a command line is one of Helm's, and what to give our parser for it.
pub fn rewrite(command: &Command, arguments: Vec<OsString>) -> (bool, Vec<OsString>) {
    let name = arguments.iter().skip(1).find(|it| !it.as_encoded_bytes().starts_with(b"-"));
    let name = name.and_then(|it| it.to_str()).filter(|it| COMMANDS.contains(it));
    match name.and_then(|it| command.find_subcommand(it)) {
        Some(command) => (true, arguments.into_iter().filter_map(|it| switch(command, it)).collect()),
        None => (false, arguments),
    }
}

/// Rewrites `--switch=true` and `--switch=false`, which Helm's parser takes, to what ours takes.
pub fn switch(command: &Command, argument: OsString) -> Option<OsString> {
    let parts = argument.to_str().and_then(|it| it.split_once('='));
    let Some((switch, value)) = parts.filter(|(switch, _)| is_switch(command, switch)) else {
        return Some(argument);
    };
    match parse_bool(value) {
        Ok(false) => None,
        Ok(true) => Some(switch.into()),
        Err(_) => Some(argument),
    }
}

/// A boolean as Go's `strconv.ParseBool` reads it.
pub fn parse_bool(text: &str) -> Result<bool, String> {
    match text {
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        _ => Err(format!("strconv.ParseBool: parsing \"{text}\": invalid syntax")),
    }
}

fn is_switch(command: &Command, switch: &str) -> bool {
    let Some(name) = switch.strip_prefix("--") else { return false };
    let takes_nothing = |it: &Arg| matches!(it.get_action(), ArgAction::SetTrue);
    command.get_arguments().any(|it| it.get_long() == Some(name) && takes_nothing(it))
}

/// What Helm says of a command line that cannot be understood.
pub fn message(error: &clap::Error) -> Message {
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        Some(ContextValue::Strings(texts)) => texts.join(", "),
        _ => String::new(),
    };
    let argument = context(ContextKind::InvalidArg);
    let flag = argument.split([' ', '=']).next().unwrap_or_default();
    match error.kind() {
        ErrorKind::UnknownArgument if flag.starts_with("--") => format!("unknown flag: {flag}"),
        ErrorKind::UnknownArgument if flag.starts_with('-') => {
            let letter = flag.chars().nth(1).unwrap_or_default();
            format!("unknown shorthand flag: '{letter}' in {flag}")
        }
        ErrorKind::UnknownArgument => {
            format!("expected at most two arguments, unexpected arguments: {argument}")
        }
        _ => {
            let text = error.to_string();
            let first = text.lines().next().unwrap_or_default();
            first.strip_prefix("error: ").unwrap_or(first).to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn switches_take_booleans_as_in_go() {
        let command = Command::new("template")
            .arg(Arg::new("crds").long("include-crds").action(ArgAction::SetTrue))
            .arg(Arg::new("set").long("set").action(ArgAction::Append));
        let rewritten = |arguments: &[&str]| -> Vec<String> {
            let arguments = arguments.iter().filter_map(|it| switch(&command, it.into()));
            arguments.map(|it| it.into_string().unwrap()).collect()
        };
        assert_eq!(rewritten(&["--include-crds=true", "--set=a=true"]), ["--include-crds", "--set=a=true"]);
        assert_eq!(rewritten(&["--include-crds=F", "--set=false"]), ["--set=false"]);
        assert_eq!(rewritten(&["--include-crds=maybe"]), ["--include-crds=maybe"]);
    }
}
