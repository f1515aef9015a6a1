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
    #[arg(long = "for", value_name = "DURATION", conflicts_with = "until")]
    duration: Option<Duration>,
    /// End it by itself at this time, such as 2026-12-01T08:00:00Z or 2026-12-01T08:00+01:00
    #[arg(long, value_name = "TIME")]
    until: Option<Timestamp>,
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
    let until = end(arguments, Timestamp::now())?.map(Time);
    // Nulls remove what an earlier suspension said.
    let suspension = json!({ "reason": arguments.reason, "until": until });
    let cluster = context.connect().await?;
    for name in arguments.which.names(&cluster).await? {
        set(&cluster, &name, &suspension).await?;
        terminal::data(&format!("application.tiphys.dev/{name} suspended\n"))?;
    }
    Ok(Exit::Done)
}

/// When the suspension ends by itself, if it does. The API keeps whole seconds.
fn end(arguments: &SuspendArguments, now: Timestamp) -> Result<Option<Timestamp>, Error> {
    let instead = || "leave out --for and --until to suspend until somebody resumes it".to_owned();
    let until = match (arguments.duration, arguments.until) {
        (Some(duration), _) => now.checked_add(duration.get()).map_err(|_| Error::Options {
            problem: format!("{duration} from now is too far away"),
            instead: instead(),
        })?,
        (None, Some(until)) if until <= now => {
            return Err(Error::Options { problem: format!("{until} is over"), instead: instead() });
        }
        (None, Some(until)) => until,
        (None, None) => return Ok(None),
    };
    Ok(Some(until.round(jiff::Unit::Second).unwrap_or(until)))
}

/// Writes `spec.suspend`.
pub async fn set(cluster: &Cluster, name: &str, suspension: &Value) -> Result<Application, Error> {
    let patch = json!({ "spec": { "suspend": suspension } });
    let parameters = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    let patched = cluster.applications().patch(name, &parameters, &Patch::Merge(patch)).await;
    patched.map_err(|error| cluster.about_application(name, "change", error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn suspend(duration: Option<&str>, until: Option<&str>) -> SuspendArguments {
        SuspendArguments {
            which: WhichArguments { applications: Vec::new(), all: true },
            reason: None,
            duration: duration.map(|it| it.parse().unwrap()),
            until: until.map(|it| it.parse().unwrap()),
        }
    }

    #[test]
    fn a_suspension_ends_after_a_time_or_at_one() {
        let now: Timestamp = "2026-03-01T12:00:00Z".parse().unwrap();
        let ends =
            |duration, until| end(&suspend(duration, until), now).map(|it| it.map(|it| it.to_string()));
        assert_eq!(ends(None, None).unwrap(), None);
        assert_eq!(ends(Some("90m"), None).unwrap().as_deref(), Some("2026-03-01T13:30:00Z"));
        let summer = Some("2026-03-01T14:00+01:00");
        assert_eq!(ends(None, summer).unwrap().as_deref(), Some("2026-03-01T13:00:00Z"));
        assert!(ends(None, Some("2026-03-01T12:00:00Z")).unwrap_err().to_string().contains("is over"));
        assert!(ends(Some("99999999999h"), None).unwrap_err().to_string().contains("too far away"));
    }
}
