//! `tiphys show`.

use clap::{Args, ValueEnum};
use tiphys_helm::show::{Part, show};
use tiphys_helm::{Chart, Limits};

use crate::error::Error;
use crate::exit::Exit;
use crate::helm::{chart, message};
use crate::terminal;

/// What to show.
#[derive(Args, Debug)]
#[command(after_help = "\
The output is that of `helm show`.

Examples:
  tiphys show values ./chart > my-values.yaml
  tiphys show chart ./web-1.2.0.tgz")]
pub struct ShowCommand {
    /// Which part
    #[arg(value_name = "all|chart|crds|readme|values", hide_possible_values = true)]
    part: ShownPart,
    /// A directory or a `.tgz`
    #[arg(value_name = "CHART")]
    chart: String,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ShownPart {
    All,
    Chart,
    Crds,
    Readme,
    Values,
}

impl From<ShownPart> for Part {
    fn from(part: ShownPart) -> Self {
        match part {
            ShownPart::All => Self::All,
            ShownPart::Chart => Self::Chart,
            ShownPart::Crds => Self::Crds,
            ShownPart::Readme => Self::Readme,
            ShownPart::Values => Self::Values,
        }
    }
}

/// Prints a part of a chart.
pub fn run(arguments: &ShowCommand) -> Result<Exit, Error> {
    let path = chart::locate(&arguments.chart).map_err(Error::Helm)?;
    let chart = Chart::from_path(&path, &Limits::default()).map_err(|error| Error::Helm(message(&error)))?;
    terminal::bytes(&show(&chart, arguments.part.into()))?;
    Ok(Exit::Done)
}
