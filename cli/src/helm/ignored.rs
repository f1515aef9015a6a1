//! What `helm template` takes for the sake of `helm install` and does not look at.

use clap::{Arg, ArgAction, ArgMatches, Args, Command, Error, FromArgMatches};

/// Options that say yes or no.
const SWITCHES: [&str; 13] = [
    "create-namespace",
    "devel",
    "disable-openapi-validation",
    "force-conflicts",
    "force-replace",
    "hide-notes",
    "render-subchart-notes",
    "replace",
    "rollback-on-failure",
    "server-side",
    "skip-crds",
    "take-ownership",
    "wait-for-jobs",
];

/// Options with any value.
const TEXTS: [&str; 3] = ["description", "timeout", "version"];

/// Options with one of a few values, the first of which may be left out.
const CHOICES: [(&str, &[&str]); 2] =
    [("dry-run", &["client", "none"]), ("wait", &["watcher", "hookOnly", "legacy"])];

/// Options that are taken and never read. Ours have no defaults, for these cost time in each of many charts.
#[derive(Clone, Debug)]
pub struct IgnoredArguments;

impl Args for IgnoredArguments {
    fn augment_args(command: Command) -> Command {
        let hidden = |name: &'static str| Arg::new(name).long(name).hide(true).action(ArgAction::Set);
        let optional = |it: Arg, value: &'static str| {
            it.num_args(0..=1).require_equals(true).default_missing_value(value)
        };
        let switches =
            SWITCHES.map(|name| optional(hidden(name), "true").value_parser(super::usage::parse_bool));
        let choices =
            CHOICES.map(|(name, values)| optional(hidden(name), values[0]).value_parser(values.to_vec()));
        let labels = Arg::new("labels").short('l').long("labels").hide(true).action(ArgAction::Append);
        command.args(switches).args(TEXTS.map(hidden)).args(choices).arg(labels)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for IgnoredArguments {
    fn from_arg_matches(_: &ArgMatches) -> Result<Self, Error> {
        Ok(Self)
    }

    fn update_from_arg_matches(&mut self, _: &ArgMatches) -> Result<(), Error> {
        Ok(())
    }
}
