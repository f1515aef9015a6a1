//! `tiphys template`.

use std::io::{self, BufWriter};
use std::path::PathBuf;

use clap::Args;

use super::Context;
use crate::error::Error;
use crate::exit::Exit;
use crate::helm::batch::{self, BatchError};
use crate::helm::template::TemplateArguments;
use crate::terminal;

/// What to render.
#[derive(Args, Debug)]
#[command(after_help = "\
The options, the output, the errors and the exit codes are those of `helm template`; no cluster is needed.

Examples:
  tiphys template web ./chart -n shop -f values-prod.yaml --set replicas=3
  tiphys template ./web-1.2.0.tgz --show-only templates/service.yaml
  tiphys template --batch --runs 5 --out rendered < cases.jsonl > results.jsonl")]
pub struct TemplateCommand {
    #[command(flatten)]
    template: TemplateArguments,
    #[command(flatten)]
    batch: BatchArguments,
}

/// Many charts in one process.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Many charts")]
struct BatchArguments {
    /// Render the charts that standard input names: {"id","chart","args"}, one a line
    #[arg(long, conflicts_with = "names")]
    batch: bool,
    /// With --batch: how often each chart is rendered; of more than one run the first is not counted
    #[arg(long, value_name = "NUMBER", default_value_t = 1, requires = "batch", value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// With --batch: write each output to a file in this directory
    #[arg(long, value_name = "DIRECTORY", requires = "batch")]
    out: Option<PathBuf>,
}

/// Renders a chart as Helm does.
pub fn run(context: &Context, arguments: &TemplateCommand) -> Result<Exit, Error> {
    let batch = &arguments.batch;
    if batch.batch {
        let answers = BufWriter::new(io::stdout().lock());
        let runs = usize::try_from(batch.runs).unwrap_or(1);
        return match batch::run(io::stdin().lock(), answers, runs, batch.out.as_deref()) {
            Ok(()) => Ok(Exit::Done),
            Err(BatchError::Io(error)) => Err(Error::Write(error)),
            Err(error) => Err(Error::Batch(error)),
        };
    }
    let printed = arguments.template.run(context.global.namespace.as_deref());
    terminal::bytes(&printed.output)?;
    match printed.error {
        None => Ok(Exit::Done),
        Some(message) => Err(Error::Helm(message)),
    }
}
