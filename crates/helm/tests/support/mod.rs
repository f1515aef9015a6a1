//! Snippets: small templates for our own engine and for the real Helm, which must agree.

#![allow(dead_code, reason = "each test uses a part of it")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::cast_precision_loss, clippy::cast_possible_wrap, reason = "small numbers, or random ones")]

pub mod generate;
pub mod peer;

use gotemplate::Limits;
use serde_json::{Value as Json, json};
use tiphys_helm::{Chart, Error, File, Options, ValueSources, render_templates};

/// A template in a chart `t`, as `helm-peer snippets` reads it. Texts are in Latin-1.
#[derive(Clone, Debug, Default)]
pub struct Snippet {
    pub text: String,
    /// `.Values`.
    pub values: Json,
    /// Further templates, by their names in the folder templates.
    pub more: Vec<(String, String)>,
}

impl Snippet {
    pub fn to_json(&self) -> Json {
        json!({ "text": self.text, "values": self.values, "more": self.more })
    }
}

/// What came of a snippet: output or message, in Latin-1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub ok: bool,
    pub output: String,
}

/// Characters with the values of the bytes.
pub fn latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

/// Bytes with the values of the characters.
pub fn from_latin1(text: &str) -> Vec<u8> {
    text.chars().map(|character| u8::try_from(u32::from(character)).unwrap()).collect()
}

/// Renders a snippet with our own engine.
pub fn run(snippet: &Snippet) -> Answer {
    run_with(snippet, Limits { steps: 20_000_000, ..Limits::default() })
}

pub fn run_with(snippet: &Snippet, limits: Limits) -> Answer {
    match render(snippet, limits) {
        Ok(output) => Answer { ok: true, output: latin1(&output) },
        Err(error) => Answer { ok: false, output: latin1(error.to_string().as_bytes()) },
    }
}

pub fn render(snippet: &Snippet, limits: Limits) -> Result<Vec<u8>, Error> {
    let metadata = "apiVersion: v2\nname: t\nversion: 0.1.0\n";
    let template = |name: &str, text: &str| File::new(format!("templates/{name}"), from_latin1(text));
    let mut files = vec![File::new("Chart.yaml", metadata.as_bytes()), template("t", &snippet.text)];
    files.extend(snippet.more.iter().map(|(name, text)| template(name, text)));
    let inline = snippet.values.as_object().unwrap().clone();
    let options = Options {
        values: ValueSources { inline, ..ValueSources::default() },
        limits: tiphys_helm::Limits { templates: limits, ..tiphys_helm::Limits::default() },
        ..Options::new("demo", "demo-ns")
    };
    let outputs = render_templates(&Chart::from_files(files, &options.limits)?, &options)?;
    let main = outputs.into_iter().find(|(path, _)| path == "t/templates/t");
    Ok(main.map(|(_, output)| output).unwrap_or_default())
}
