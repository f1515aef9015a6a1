//! `make bench`: how fast Tiphys is, and what it costs, measured on a real control plane on this machine.
//!
//! Latencies are measured without anything between the controller and the API server; requests are counted in passes
//! of their own, through a proxy. The table on standard output is Markdown for the README, progress goes to standard
//! error.
#![allow(
    clippy::cast_precision_loss,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark fails the way an assertion does, and prints"
)]

mod bare;
mod cost;
mod first_sync;
mod fleet;
mod latency;
mod machine;
mod scale;
mod stage;
mod table;
mod watching;

use std::collections::BTreeSet;

use clap::{Parser, ValueEnum};

use crate::stage::Stage;
use crate::table::Table;

/// Measures Tiphys on a real control plane and prints a table in Markdown.
#[derive(Debug, Parser)]
#[command(name = "bench")]
struct Arguments {
    /// How often everything is measured
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..))]
    runs: u16,
    /// Number of Applications, of four objects each
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..1000))]
    applications: u16,
    /// How long nothing happens, in seconds
    #[arg(long, default_value_t = 120)]
    idle_seconds: u16,
    /// Only these rows; can be repeated
    #[arg(long, value_enum)]
    only: Vec<Row>,
    /// Instead of all this, how everything grows: a column for each number of Applications, such as 100,300,1000
    #[arg(long, value_delimiter = ',', conflicts_with_all = ["runs", "applications", "only"])]
    scale: Vec<usize>,
    /// What the controller logs to target/bench-controller.log, such as `tiphys_controller=debug,info`
    #[arg(long)]
    log: Option<String>,
}

/// What can be measured alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
enum Row {
    /// All Applications created at once until all are healthy, beside bare loops
    FirstSync,
    /// A webhook until the change is live
    Push,
    /// A foreign edit until it is corrected
    Edit,
    /// Resident memory
    Memory,
    /// A start until all Applications are Ready
    Restart,
    /// Requests of a first sync, of a push and of a correction
    Requests,
    /// Requests and processor time while nothing happens
    Idle,
}

/// What all measurements go by.
#[derive(Clone, Debug)]
struct Plan {
    /// How often each figure is taken.
    runs: usize,
    /// Number of Applications.
    applications: usize,
    /// How long nothing happens.
    idle: std::time::Duration,
}

fn main() {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    let table = if arguments.scale.is_empty() {
        runtime.block_on(measure(&arguments)).to_string()
    } else {
        let idle = std::time::Duration::from_secs(arguments.idle_seconds.into());
        runtime.block_on(scale::measure(&arguments.scale, idle, arguments.log.as_deref())).to_string()
    };
    println!("{}\n\n{table}", machine::describe());
}

async fn measure(arguments: &Arguments) -> Table {
    let plan = Plan {
        runs: usize::from(arguments.runs),
        applications: usize::from(arguments.applications),
        idle: std::time::Duration::from_secs(arguments.idle_seconds.into()),
    };
    let mut rows: BTreeSet<Row> = arguments.only.iter().copied().collect();
    if rows.is_empty() {
        rows.extend(Row::value_variants());
    }
    let mut table = Table::default();
    let stage = Stage::raise(arguments.log.as_deref()).await;
    if rows.remove(&Row::FirstSync) {
        first_sync::measure(&stage, &plan, &mut table).await;
    }
    if rows.is_empty() {
        return table;
    }
    progress(&format!("bringing up {} Applications", plan.applications));
    let fleet = stage.fleet("fleet", plan.applications).await;
    let data = tempfile::tempdir().expect("a temporary folder can be made");
    let mut controller = stage.controller().data_dir(data.path()).start().await;
    fleet.bring_up().await;
    if rows.contains(&Row::Push) {
        latency::push(&fleet, &controller, &plan, &mut table).await;
    }
    if rows.contains(&Row::Edit) {
        latency::edit(&fleet, &plan, &mut table).await;
    }
    if rows.contains(&Row::Memory) {
        cost::memory(&fleet, &controller, &mut table);
    }
    if rows.contains(&Row::Restart) {
        controller = cost::restart(&stage, &fleet, controller, data.path(), &plan, &mut table).await;
    }
    drop(controller);
    if rows.contains(&Row::Requests) || rows.contains(&Row::Idle) {
        let counted = cost::Counted::start(&stage, data.path(), &fleet).await;
        if rows.contains(&Row::Requests) {
            counted.requests(&stage, &fleet, &plan, &mut table).await;
        }
        if rows.contains(&Row::Idle) {
            counted.idle(&plan, &mut table).await;
        }
    }
    table
}

fn progress(text: &str) {
    eprintln!("bench: {text}");
}
