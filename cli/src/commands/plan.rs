//! `tiphys plan`.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, ValueEnum as _};
use tiphys_api::Duration;

use super::Context;
use super::diff::reject_refusals;
use super::sync::WhatArguments;
use crate::dry_run;
use crate::error::Error;
use crate::exit::Exit;
use crate::output::plan::{PlanFormat, guide, print};
use crate::saved_plan::SavedPlan;
use crate::terminal;

/// What to plan, and where the plan goes.
#[derive(Args, Debug)]
#[command(after_help = "\
The controller makes the plan with its own credentials and rights, and changes nothing.
A saved plan says what was asked for and what would be done; values of Secrets are hidden in it.
`tiphys sync APPLICATION --plan FILE` runs exactly that, or nothing.

Exit codes: 0 the plan can run (a guard rail may ask for confirmation), 1 objects are refused.

Examples:
  tiphys plan web
  tiphys plan web --revision v1.4.0 -o table
  tiphys plan web -o web.plan          # a name with a point or a slash in it is a file
  tiphys plan web --out plan           # any name
  tiphys sync web --plan web.plan")]
pub struct PlanArguments {
    /// The Application
    #[arg(value_name = "APPLICATION")]
    application: String,
    #[command(flatten)]
    what: WhatArguments,
    /// How long the plan may take
    #[arg(long, default_value = "5m", value_name = "DURATION")]
    timeout: Duration,
    /// How to print, or the file to save the plan in (JSON; YAML when it ends so): a name with a point or a slash in it
    #[arg(short, long, default_value = "text", value_name = "text|table|json|yaml|name|FILE")]
    output: Output,
    /// The file to save the plan in, beside what is printed
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Where a plan goes.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Output {
    Print(PlanFormat),
    File(PathBuf),
}

impl FromStr for Output {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match PlanFormat::from_str(text, false) {
            Ok(format) => Ok(Self::Print(format)),
            Err(_) if text.contains(['.', '/']) => Ok(Self::File(PathBuf::from(text))),
            Err(_) => Err(format!(
                "it is text, table, json, yaml, name, or a file (with a point or a slash in its name): --out {text} \
                 saves the plan under any name"
            )),
        }
    }
}

/// Shows or saves a plan.
pub async fn run(context: &Context, arguments: &PlanArguments) -> Result<Exit, Error> {
    let cluster = context.connect().await?;
    let application = cluster.application(&arguments.application).await?;
    let spec = arguments.what.spec();
    let plan = dry_run::plan(context, &cluster, &application, spec.clone(), Some(arguments.timeout)).await?;
    let format = match &arguments.output {
        Output::Print(format) => *format,
        Output::File(_) => PlanFormat::Table,
    };
    terminal::data(&print(&plan, format, context.terminal.out)?)?;
    let saved = match &arguments.output {
        Output::File(file) => Some(file),
        Output::Print(_) => arguments.out.as_ref(),
    };
    if matches!(format, PlanFormat::Text | PlanFormat::Table) {
        let file = saved.map(|it| it.display().to_string());
        terminal::data(&guide(&plan, &arguments.application, file.as_deref()))?;
    }
    if let Some(file) = saved {
        SavedPlan::new(&application, spec, plan.clone()).write(file)?;
    }
    reject_refusals(&plan)?;
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_a_point_or_a_slash_is_a_file() {
        for (text, expected) in [
            ("json", Some(Output::Print(PlanFormat::Json))),
            ("text", Some(Output::Print(PlanFormat::Text))),
            ("web.plan", Some(Output::File("web.plan".into()))),
            ("plan.json", Some(Output::File("plan.json".into()))),
            ("./json", Some(Output::File("./json".into()))),
            ("jsno", None),
        ] {
            assert_eq!(text.parse::<Output>().ok(), expected, "{text}");
        }
    }
}
