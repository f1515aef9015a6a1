//! `tiphys render`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde_json::Value;
use tiphys_manifest::{Manifest, yaml};
use tiphys_render::{Capabilities, Options, Release};

use super::Context;
use crate::capabilities;
use crate::error::Error;
use crate::exit::Exit;
use crate::local::{Place, render, render_as_typed};
use crate::output::documents::{self, Form};
use crate::output::lines;
use crate::source_arguments::SourceArguments;
use crate::terminal;

/// What to render.
#[derive(Args, Debug)]
#[command(after_help = "\
A directory is rendered on this machine, exactly as the controller renders it.
Value files may lie anywhere in the working copy around it.

Examples:
  tiphys render apps/web
  tiphys render apps/web -f values-prod.yaml --set replicas=3 --release-name web -n shop
  tiphys render . --app web            # a working copy, with the options and the cluster of an Application")]
pub struct RenderArguments {
    /// A local directory
    #[arg(value_name = "DIRECTORY")]
    directory: PathBuf,
    /// Render as this Application says; the directory is a working copy of its repository
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

/// Prints the manifests of a directory.
pub async fn run(context: &Context, arguments: &RenderArguments) -> Result<Exit, Error> {
    let rendering = match &arguments.application {
        Some(name) => {
            let cluster = context.connect().await?;
            let application = cluster.application(name).await?;
            let source = &application.spec.source;
            let namespace = application
                .spec
                .destination
                .namespace
                .clone()
                .unwrap_or_else(|| cluster.namespace.clone());
            let release = Release {
                name: name.clone(),
                namespace,
            };
            let place = Place::of_source(&arguments.directory, source)?;
            let capabilities = capabilities::of(&cluster).await?;
            render(
                &context.terminal,
                &place,
                Options::from(source),
                release,
                capabilities,
            )
            .await?
        }
        None => {
            let place = Place::of(&arguments.directory)?;
            let release = Release {
                name: arguments
                    .source
                    .release_name
                    .clone()
                    .unwrap_or_else(|| name_of(&place)),
                namespace: context
                    .global
                    .namespace
                    .clone()
                    .unwrap_or_else(|| "default".to_owned()),
            };
            let capabilities = typed_capabilities(arguments);
            render_as_typed(
                &context.terminal,
                &place,
                &arguments.source,
                release,
                capabilities,
            )
            .await?
        }
    };
    terminal::data(&text(&rendering.manifests, arguments.output)?)?;
    Ok(Exit::Done)
}

/// A release needs a name; without one it is called like its directory.
fn name_of(place: &Place) -> String {
    let directory = if place.path == "." {
        place.root.as_path()
    } else {
        Path::new(&place.path)
    };
    directory
        .file_name()
        .map_or_else(|| "release".to_owned(), |it| it.to_string_lossy().to_lowercase())
}

fn typed_capabilities(arguments: &RenderArguments) -> Capabilities {
    let assumed = Capabilities::default();
    Capabilities {
        kube_version: arguments.kube_version.clone().unwrap_or(assumed.kube_version),
        api_versions: arguments
            .api_versions
            .iter()
            .cloned()
            .collect::<BTreeSet<String>>(),
    }
}

fn text(manifests: &[Manifest], format: RenderFormat) -> Result<String, Error> {
    match format {
        RenderFormat::Yaml => Ok(manifests.iter().map(document).collect()),
        RenderFormat::Json => {
            let items: Vec<Value> = manifests
                .iter()
                .map(|it| Value::Object(it.object().clone()))
                .collect();
            let list = serde_json::json!({ "apiVersion": "v1", "kind": "List", "items": items });
            documents::document(&list, Form::Json)
        }
        RenderFormat::Name => Ok(lines(manifests.iter().map(Manifest::id))),
    }
}

/// A document with where it comes from.
fn document(manifest: &Manifest) -> String {
    format!(
        "---\n# {}\n{}",
        manifest.origin(),
        yaml::write(&Value::Object(manifest.object().clone()))
    )
}
