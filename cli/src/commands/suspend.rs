//! `tiphys suspend`.

use clap::Args;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use tiphys_api::{Application, Duration};

use super::Context;
use crate::cluster::{Cluster, Scope};
use crate::error::Error;
use crate::exit::Exit;
use crate::requests::FIELD_MANAGER;
use crate::terminal;

/// What to suspend.
#[derive(Args, Debug)]
pub struct SuspendArguments {
    #[command(flatten)]
    which: WhichArguments,
    /// A sentence for the next person
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// End it by itself after this time
    #[arg(long = "for", value_name = "DURATION")]
    duration: Option<Duration>,
}

/// Some Applications of the namespace, or all.
#[derive(Args, Debug)]
pub struct WhichArguments {
    /// The Applications
    #[arg(value_name = "APPLICATION", required_unless_present = "all", conflicts_with = "all")]
    applications: Vec<String>,
    /// All Applications of the namespace
    #[arg(long)]
    all: bool,
}

impl WhichArguments {
    /// The names that are meant.
    pub async fn names(&self, cluster: &Cluster) -> Result<Vec<String>, Error> {
        if !self.all {
            return Ok(self.applications.clone());
        }
        let all = cluster.list_applications(Scope::Namespace, None).await?;
        Ok(all.iter().map(kube::ResourceExt::name_any).collect())
    }
}

/// Stops syncing and healing.
pub async fn run(context: &Context, arguments: &SuspendArguments) -> Result<Exit, Error> {
    let until = match arguments.duration {
        Some(duration) => {
            let until = Timestamp::now().checked_add(duration.get()).map_err(|_| Error::Options {
                problem: format!("{duration} from now is too far away"),
                instead: "leave out --for to suspend until somebody resumes it".to_owned(),
            })?;
            // The API keeps whole seconds.
            Some(Time(until.round(jiff::Unit::Second).unwrap_or(until)))
        }
        None => None,
    };
    // Nulls remove what an earlier suspension said.
    let suspension = json!({ "reason": arguments.reason, "until": until });
    let cluster = context.connect().await?;
    for name in arguments.which.names(&cluster).await? {
        set(&cluster, &name, &suspension).await?;
        terminal::data(&format!("application.tiphys.dev/{name} suspended\n"))?;
    }
    Ok(Exit::Done)
}

/// Writes `spec.suspend`.
pub async fn set(cluster: &Cluster, name: &str, suspension: &Value) -> Result<Application, Error> {
    let patch = json!({ "spec": { "suspend": suspension } });
    let parameters = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    let patched = cluster.applications().patch(name, &parameters, &Patch::Merge(patch)).await;
    patched.map_err(|error| cluster.about_application(name, "change", error))
}
