//! `tiphys version`.

use clap::Args;

use super::Context;
use crate::embedded;
use crate::error::Error;
use crate::exit::Exit;
use crate::terminal;

/// Whose version to print.
#[derive(Args, Debug)]
pub struct VersionArguments {
    /// Ask the cluster for its version and that of the controller, too
    #[arg(long)]
    pub server: bool,
    /// Namespace of the controller
    #[arg(long, value_name = "NAMESPACE", default_value = embedded::NAMESPACE)]
    installation: String,
}

/// Prints the version of this program.
pub fn run() -> Result<Exit, Error> {
    terminal::data(&client())?;
    Ok(Exit::Done)
}

/// Prints the versions of this program, the controller and Kubernetes.
pub async fn run_with_server(context: &Context, arguments: &VersionArguments) -> Result<Exit, Error> {
    terminal::data(&client())?;
    let cluster = context.connect().await?;
    let kubernetes = cluster.client.apiserver_version().await;
    let kubernetes =
        kubernetes.map_err(|error| Error::request("ask the API server for its version", error))?;
    let namespace = &arguments.installation;
    let controller = match embedded::deployment(&cluster, namespace).await {
        Ok(Some(deployment)) => embedded::image(&deployment).unwrap_or("an image without a name").to_owned(),
        Ok(None) => format!("not found in namespace `{namespace}`"),
        Err(failure) => failure.to_string(),
    };
    terminal::data(&format!("controller  {controller}\nkubernetes  {}\n", kubernetes.git_version))?;
    Ok(Exit::Done)
}

fn client() -> String {
    format!("tiphys      {}\n", env!("CARGO_PKG_VERSION"))
}
