//! `tiphys render`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde_json::Value;
use tiphys_manifest::mask::mask;
use tiphys_manifest::{Manifest, yaml};
use tiphys_render::{Capabilities, Options, Release};

use super::Context;
use super::compare;
use super::diff::release;
use crate::error::Error;
use crate::exit::Exit;
use crate::local::{Place, render, render_as_typed};
use crate::output::documents::{self, Form};
use crate::output::lines;
use crate::source_arguments::SourceArguments;
use crate::{capabilities, kept, terminal};

/// What to render.
#[derive(Args, Debug)]
#[command(after_help = "\
A directory is rendered on this machine, exactly as the controller renders it.
Value files may lie anywhere in the working copy around it.

Examples:
  tiphys render apps/web
  tiphys render apps/web -f values-prod.yaml --set replicas=3 --release-name web -n shop
  tiphys render . --app web            # a working copy, with the options and the cluster of an Application
  tiphys render web@12                 # what Sync 12 of an Application has applied, from its snapshot
  tiphys render --app web --sync 12    # the same")]
pub struct RenderArguments {
    /// A local directory, or APPLICATION@SYNC when there is no such directory
    #[arg(value_name = "DIRECTORY|APPLICATION@SYNC", required_unless_present = "application")]
    directory: Option<PathBuf>,
    /// Render as this Application says: its working copy, or, without a directory, what it has applied
    #[arg(long = "app", value_name = "APPLICATION", conflicts_with_all = ["source_type", "value_files", "set", "release_name", "recurse", "include", "exclude"])]
    application: Option<String>,
    #[command(flatten)]
    source: SourceArguments,
    /// Kubernetes version that charts see
    #[arg(long, value_name = "VERSION", conflicts_with = "application")]
    kube_version: Option<String>,
    /// API version that charts see, such as policy/v1; can be repeated
    #[arg(long = "api-version", value_name = "VERSION", conflicts_with = "application")]
    api_versions: Vec<String>,
    /// What this Sync of the Application has applied
    #[arg(long, value_name = "NUMBER|NAME", requires = "application", conflicts_with = "directory")]
    sync: Option<String>,
    /// Print the values of Secrets that an Application has applied
    #[arg(long)]
    show_secrets: bool,
    /// How to print
    #[arg(
        short,
        long,
        value_enum,
        default_value = "yaml",
        hide_possible_values = true,
        value_name = "yaml|json|name"
    )]
    output: RenderFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum RenderFormat {
    Yaml,
    Json,
    Name,
}

/// Whether the values of Secrets are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Secrets {
    Shown,
    Hidden,
}

/// Prints the manifests of a directory, or of a Sync.
pub async fn run(context: &Context, arguments: &RenderArguments) -> Result<Exit, Error> {
    if let Some((name, sync)) = named_sync(arguments) {
        let manifests = applied(context, name, Some(sync)).await?;
        return print(&manifests, arguments);
    }
    let manifests = match (&arguments.directory, &arguments.application) {
        (Some(directory), Some(name)) => working_copy(context, directory, name).await?,
        (Some(directory), None) => local(context, arguments, directory).await?,
        (None, name) => {
            let name = name.as_deref().unwrap_or_default();
            let manifests = applied(context, name, arguments.sync.as_deref()).await?;
            return print(&manifests, arguments);
        }
    };
    // What lies in a person's own files is no secret to him.
    terminal::data(&text(&manifests, arguments.output, Secrets::Shown)?)?;
    Ok(Exit::Done)
}

/// The Application and the Sync of `web@12`, unless a directory is called so.
fn named_sync(arguments: &RenderArguments) -> Option<(&str, &str)> {
    let directory =
        arguments.directory.as_ref().filter(|it| arguments.application.is_none() && !it.exists())?;
    let (name, sync) = directory.to_str()?.rsplit_once('@')?;
    let is_name = |text: &str| {
        !text.is_empty() && text.bytes().all(|it| it.is_ascii_alphanumeric() || matches!(it, b'-' | b'.'))
    };
    (is_name(name) && is_name(sync)).then_some((name, sync))
}

/// Prints what was applied, without the values of Secrets unless they are asked for.
fn print(manifests: &[Manifest], arguments: &RenderArguments) -> Result<Exit, Error> {
    let secrets = if arguments.show_secrets { Secrets::Shown } else { Secrets::Hidden };
    terminal::data(&text(manifests, arguments.output, secrets)?)?;
    Ok(Exit::Done)
}

async fn working_copy(context: &Context, directory: &Path, name: &str) -> Result<Vec<Manifest>, Error> {
    let cluster = context.connect().await?;
    let application = cluster.application(name).await?;
    let source = &application.spec.source;
    let place = Place::of_source(directory, source)?;
    let release = release(&cluster, &application);
    let capabilities = capabilities::of(&cluster).await?;
    let rendering = render(context.terminal, &place, Options::from(source), release, capabilities).await?;
    Ok(rendering.manifests.clone())
}

async fn local(
    context: &Context,
    arguments: &RenderArguments,
    directory: &Path,
) -> Result<Vec<Manifest>, Error> {
    let place = Place::of(directory)?;
    let name = arguments.source.release_name.clone();
    let namespace = context.global.namespace.clone();
    let release = Release {
        name: name.unwrap_or_else(|| name_of(&place)),
        namespace: namespace.unwrap_or_else(|| "default".to_owned()),
    };
    let capabilities = typed_capabilities(arguments);
    let rendering =
        render_as_typed(context.terminal, &place, &arguments.source, release, capabilities).await?;
    Ok(rendering.manifests.clone())
}

/// What an Application has applied, or what one of its Syncs has.
async fn applied(context: &Context, name: &str, wanted: Option<&str>) -> Result<Vec<Manifest>, Error> {
    let cluster = context.connect().await?;
    let application = cluster.application(name).await?;
    let syncs = cluster.syncs_of(name).await?;
    let wanted = match (wanted, application.status.and_then(|it| it.inventory)) {
        (Some(wanted), _) => wanted.to_owned(),
        (None, Some(inventory)) => inventory,
        (None, None) => return Err(Error::NothingApplied { application: name.to_owned() }),
    };
    let sync = compare::applied(name, &syncs, &wanted)?;
    compare::warn_of_parts(context.terminal, sync);
    Ok(kept::snapshot(&cluster, sync).await?.manifests)
}

/// A release needs a name; without one it is called like its directory.
fn name_of(place: &Place) -> String {
    let directory = if place.path == "." { place.root.as_path() } else { Path::new(&place.path) };
    directory.file_name().map_or_else(|| "release".to_owned(), |it| it.to_string_lossy().to_lowercase())
}

fn typed_capabilities(arguments: &RenderArguments) -> Capabilities {
    let assumed = Capabilities::default();
    Capabilities {
        kube_version: arguments.kube_version.clone().unwrap_or(assumed.kube_version),
        api_versions: arguments.api_versions.iter().cloned().collect::<BTreeSet<String>>(),
    }
}

fn text(manifests: &[Manifest], format: RenderFormat, secrets: Secrets) -> Result<String, Error> {
    match format {
        RenderFormat::Yaml => Ok(manifests.iter().map(|it| document(it, secrets)).collect()),
        RenderFormat::Json => {
            let items: Result<Vec<Value>, Error> = manifests.iter().map(|it| object(it, secrets)).collect();
            let list = serde_json::json!({ "apiVersion": "v1", "kind": "List", "items": items? });
            documents::document(&list, Form::Json)
        }
        RenderFormat::Name => Ok(lines(manifests.iter().map(Manifest::id))),
    }
}

/// A document with where it comes from.
fn document(manifest: &Manifest, secrets: Secrets) -> String {
    let yaml = match secrets {
        Secrets::Shown => yaml::write(&Value::Object(manifest.object().clone())),
        Secrets::Hidden => mask(manifest.object()).to_string(),
    };
    format!("---\n# {}\n{yaml}", manifest.origin())
}

fn object(manifest: &Manifest, secrets: Secrets) -> Result<Value, Error> {
    match secrets {
        Secrets::Shown => Ok(Value::Object(manifest.object().clone())),
        Secrets::Hidden => documents::value(&mask(manifest.object())),
    }
}

#[cfg(test)]
mod tests {
    use tiphys_manifest::stream;

    use super::*;

    #[test]
    fn secrets_of_the_cluster_are_hidden_unless_asked_for() {
        let secret =
            b"apiVersion: v1\nkind: Secret\nmetadata: {name: key}\nstringData: {password: hunter2}\n";
        let manifests = stream::read("secret.yaml", secret, &yaml::Limits::default()).unwrap().manifests;
        for format in [RenderFormat::Yaml, RenderFormat::Json, RenderFormat::Name] {
            let hidden = text(&manifests, format, Secrets::Hidden).unwrap();
            assert!(!hidden.contains("hunter2"), "{hidden}");
        }
        let hidden = text(&manifests, RenderFormat::Yaml, Secrets::Hidden).unwrap();
        assert!(hidden.starts_with("---\n# secret.yaml:1\n") && hidden.contains("password:"), "{hidden}");
        let shown = text(&manifests, RenderFormat::Yaml, Secrets::Shown).unwrap();
        assert!(shown.contains("password: hunter2"), "{shown}");
    }
}
