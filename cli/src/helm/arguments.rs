//! Options of Helm, as they are typed.

use std::io::Read as _;
use std::sync::Arc;

use clap::Args;
use tiphys_helm::{KubeVersion, ValueFile, ValueSources};

use super::{Message, reason};

/// Values that stand above those of the chart.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Values")]
pub struct ValueArguments {
    /// Values from YAML files; can be repeated, `-` is standard input
    #[arg(short = 'f', long, value_name = "FILE,…", value_delimiter = ',', allow_hyphen_values = true)]
    values: Vec<String>,
    /// Set values; can be repeated
    #[arg(long, value_name = "PATH=VALUE,…", allow_hyphen_values = true)]
    set: Vec<String>,
    /// Set values that are text, whatever they look like
    #[arg(long, value_name = "PATH=TEXT,…", allow_hyphen_values = true)]
    set_string: Vec<String>,
    /// Set values that are JSON, or all keys of an object
    #[arg(long, value_name = "PATH=JSON,…|OBJECT", allow_hyphen_values = true)]
    set_json: Vec<String>,
    /// Set values that are the texts of files
    #[arg(long, value_name = "PATH=FILE,…", allow_hyphen_values = true)]
    set_file: Vec<String>,
    /// Set a value to a text in which nothing has a meaning
    #[arg(long, value_name = "PATH=TEXT", allow_hyphen_values = true)]
    set_literal: Vec<String>,
}

impl ValueArguments {
    /// Reads the files and gives all values.
    pub fn sources(&self) -> Result<ValueSources, Message> {
        let files = self.values.iter().map(|name| {
            let data = read_values(name)?.into();
            Ok(ValueFile { name: name.clone(), data })
        });
        Ok(ValueSources {
            files: files.collect::<Result<_, Message>>()?,
            json: self.set_json.clone(),
            set: self.set.clone(),
            strings: self.set_string.clone(),
            file_texts: self.set_file.clone(),
            literals: self.set_literal.clone(),
            read_file: Some(Arc::new(read_values)),
            ..ValueSources::default()
        })
    }
}

/// Reads a file or standard input.
fn read_values(name: &str) -> Result<Vec<u8>, Message> {
    let is_url = ["http://", "https://", "oci://"].iter().any(|scheme| name.starts_with(scheme));
    if is_url {
        return Err(format!("values are read from files, not from {name}: fetch it first"));
    }
    if name.trim() == "-" {
        let mut text = Vec::new();
        let read = std::io::stdin().lock().read_to_end(&mut text);
        return read.map(|_| text).map_err(|error| format!("read /dev/stdin: {}", reason(&error)));
    }
    std::fs::read(name).map_err(|error| {
        let operation = if error.kind() == std::io::ErrorKind::IsADirectory { "read" } else { "open" };
        format!("{operation} {name}: {}", reason(&error))
    })
}

/// The version of Kubernetes that charts see.
pub fn kube_version(text: Option<&str>) -> Result<KubeVersion, Message> {
    match text {
        None | Some("") => Ok(KubeVersion::default()),
        Some(text) => {
            KubeVersion::parse(text).map_err(|error| format!("invalid kube version '{text}': {error}"))
        }
    }
}
