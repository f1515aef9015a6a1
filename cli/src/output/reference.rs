//! The command line as Markdown.

use std::fmt::Write as _;

use clap::{Arg, ArgAction, Command};

/// What stands before the commands.
const INTRODUCTION: &str = "\
# The command line

<!-- Written by `cargo run -p tiphys-cli -- docs > docs/cli.md`; a test fails when it is stale. -->

`tiphys` talks to the Kubernetes API and to nothing else, with the kubeconfig, the user and the rights that kubectl has.
A link to it under the name `kubectl-tiphys` makes `kubectl tiphys` work:

```sh
ln -s \"$(command -v tiphys)\" /usr/local/bin/kubectl-tiphys
```

Data goes to stdout; progress, questions and errors go to stderr.
Colours follow NO_COLOR, CLICOLOR_FORCE and `--color`.
";

/// The reference of a command line.
pub fn markdown(command: &mut Command) -> String {
    command.build();
    let mut text = String::from(INTRODUCTION);
    text.push_str("\n| command | |\n|---|---|\n");
    for it in visible(command) {
        let name = it.get_name();
        let _ = writeln!(text, "| [`tiphys {name}`](#tiphys-{name}) | {} |", about(it));
    }
    text.push_str("\n## Global options\n\n");
    text.push_str(&options(command.get_arguments().filter(|it| it.is_global_set() && is_option(it))));
    if let Some(codes) = command.get_after_help() {
        let _ = write!(text, "\n## Exit codes\n\n{}", exit_codes(&codes.to_string()));
    }
    for it in visible(command) {
        text.push_str(&section(it));
    }
    text
}

fn visible(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|it| !it.is_hide_set())
}

fn about(command: &Command) -> String {
    command.get_about().map(ToString::to_string).unwrap_or_default()
}

fn section(command: &Command) -> String {
    let mut text = format!("\n## tiphys {}\n\n", command.get_name());
    let long = command.get_long_about().map(ToString::to_string);
    let _ = writeln!(text, "{}.", long.unwrap_or_else(|| about(command)).trim_end_matches('.'));
    let mut usage = command.clone().term_width(usize::MAX).render_usage().to_string();
    usage = usage.trim_start_matches("Usage: ").to_owned();
    let _ = writeln!(text, "\n```\n{usage}\n```");
    let positional: Vec<&Arg> = command.get_positionals().collect();
    let own: Vec<&Arg> = command.get_arguments().filter(|it| !it.is_global_set() && is_option(it)).collect();
    if !positional.is_empty() || !own.is_empty() {
        text.push('\n');
        text.push_str(&options(positional.into_iter().chain(own)));
    }
    if let Some(more) = command.get_after_help() {
        let _ = writeln!(text, "\n```\n{more}\n```");
    }
    text
}

fn is_option(arg: &Arg) -> bool {
    !arg.is_positional()
        && !arg.is_hide_set()
        && !matches!(arg.get_action(), ArgAction::Help | ArgAction::Version)
}

fn options<'a>(args: impl Iterator<Item = &'a Arg>) -> String {
    let mut text = String::from("| option | |\n|---|---|\n");
    for arg in args {
        let _ = writeln!(
            text,
            "| {} | {} |",
            name(arg).replace('|', "\\|"),
            description(arg).replace('|', "\\|")
        );
    }
    text
}

fn name(arg: &Arg) -> String {
    let value = value_name(arg);
    let flags = [
        arg.get_short().map(|it| format!("`-{it}`")),
        arg.get_long().map(|it| match &value {
            Some(value) if requires_equals(arg) => format!("`--{it}[={value}]`"),
            Some(value) => format!("`--{it} {value}`"),
            None => format!("`--{it}`"),
        }),
    ];
    let flags: Vec<String> = flags.into_iter().flatten().collect();
    if flags.is_empty() { format!("`{}`", value.unwrap_or_default()) } else { flags.join(", ") }
}

fn requires_equals(arg: &Arg) -> bool {
    arg.is_require_equals_set()
}

fn value_name(arg: &Arg) -> Option<String> {
    let takes_value = arg.get_num_args().is_some_and(|it| it.takes_values());
    takes_value.then(|| {
        let names = arg.get_value_names().unwrap_or_default();
        names.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    })
}

fn description(arg: &Arg) -> String {
    let mut text = arg.get_long_help().or(arg.get_help()).map(ToString::to_string).unwrap_or_default();
    let values: Vec<String> = arg
        .get_possible_values()
        .iter()
        .filter(|it| !it.is_hide_set() && !arg.is_hide_possible_values_set())
        .map(|it| format!("`{}`", it.get_name()))
        .collect();
    if !values.is_empty() && value_name(arg).is_some() {
        let _ = write!(text, "; one of {}", values.join(", "));
    }
    let defaults: Vec<String> =
        arg.get_default_values().iter().map(|it| it.to_string_lossy().into_owned()).collect();
    if !defaults.is_empty() && value_name(arg).is_some() {
        let _ = write!(text, " (default `{}`)", defaults.join(" "));
    }
    text.replace('\n', " ")
}

/// The list of exit codes as a table.
fn exit_codes(help: &str) -> String {
    let mut text = String::from("| code | |\n|---|---|\n");
    for line in help.lines().skip(1) {
        if let Some((code, meaning)) = line.trim().split_once(' ') {
            let _ = writeln!(text, "| {code} | {} |", meaning.trim());
        }
    }
    text
}
