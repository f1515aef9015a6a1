//! What a person can set when starting the controller.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use tiphys_notify::{Hidden, Network};

/// The Tiphys controller.
#[derive(Debug, Parser)]
#[command(name = "tiphys-controller", version, about)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What the controller's binary can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Watch, render, diff, apply and record, until told to stop.
    Run(Box<RunArguments>),
    /// Write the CRDs into a directory, one file each.
    Crds {
        /// The directory.
        #[arg(default_value = "crds")]
        directory: PathBuf,
    },
}

/// How the controller runs.
#[derive(Clone, Debug, Args)]
pub struct RunArguments {
    /// Namespace of this installation: its Applications may deploy anywhere that their Project allows.
    #[arg(long, env = "POD_NAMESPACE", default_value = "tiphys")]
    pub namespace: String,
    /// Name of this process in the Lease.
    #[arg(long, env = "POD_NAME", default_value_t = default_identity())]
    pub identity: String,
    /// Identity of this installation in the marks on objects. Absent: the UID of its namespace.
    #[arg(long, env = "TIPHYS_INSTALLATION")]
    pub installation: Option<String>,
    /// Directory for the mirrors of repositories; may be lost at any time.
    #[arg(long, env = "TIPHYS_DATA_DIR", default_value = "/var/lib/tiphys")]
    pub data_dir: PathBuf,
    /// Where webhooks are received.
    #[arg(long, default_value = "0.0.0.0:8080")]
    pub webhook_address: SocketAddr,
    /// Where `/metrics`, `/healthz` and `/readyz` are served.
    #[arg(long, default_value = "0.0.0.0:8081")]
    pub metrics_address: SocketAddr,
    /// How many Applications are worked on at the same time.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..))]
    pub concurrency: u16,
    /// How many objects of one Application are written at the same time.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..))]
    pub apply_concurrency: u16,
    /// Among how many slots Applications are spread. Each slot is worked on by one replica, and a replica may have several.
    /// Must be the same for all replicas; those with another number wait until these have ended.
    #[arg(long, env = "TIPHYS_SHARDS", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub shards: u16,
    /// Run without a Lease: only when nothing else runs beside this process.
    #[arg(long)]
    pub no_leader_election: bool,
    /// Networks that Notifications outside of the installation's namespace may send to, such as `10.0.0.0/8`, with commas.
    /// Absent: every one but loopback, link-local and multicast addresses.
    #[arg(long = "notification-network", env = "TIPHYS_NOTIFICATION_NETWORKS", value_delimiter = ',')]
    pub notification_networks: Vec<Network>,
    /// Where traces of Syncs are sent with OTLP over HTTP, such as `http://collector.observability:4318`. Absent: nowhere.
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT")]
    pub otlp_endpoint: Option<String>,
    /// Headers for that, as `NAME=VALUE` with commas. They may be secret, so they come from the environment only.
    #[arg(skip = otlp_headers())]
    pub otlp_headers: Hidden,
    /// How logs are written.
    #[arg(long, value_enum, default_value_t = LogFormat::Json)]
    pub log_format: LogFormat,
    /// What is logged, such as `info` or `tiphys_engine=debug,info`. The HTTP client's own words about failed requests are
    /// left out by default: what fails for good is said by whoever asked.
    #[arg(long, env = "TIPHYS_LOG", default_value = "info,kube_client=off")]
    pub log: String,
}

/// How logs are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Human,
}

fn default_identity() -> String {
    format!("tiphys-{}", std::process::id())
}

fn otlp_headers() -> Hidden {
    Hidden::new(std::env::var("OTEL_EXPORTER_OTLP_HEADERS").unwrap_or_default())
}
