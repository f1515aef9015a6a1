//! The real Helm, as the program that `scripts/helm-peer.sh` builds when it is first needed.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, thread};

use super::{Answer, Snippet};

/// Answers of Helm, in the order of the snippets.
pub fn ask(snippets: &[Snippet]) -> Vec<Answer> {
    let mut child = Command::new(program())
        .arg("snippets")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the peer program starts");
    let mut input = child.stdin.take().unwrap();
    let lines: Vec<String> = snippets.iter().map(|snippet| snippet.to_json().to_string()).collect();
    let writer = thread::spawn(move || {
        for line in lines {
            writeln!(input, "{line}").expect("the peer program reads snippets");
        }
    });
    let answers: Vec<Answer> = BufReader::new(child.stdout.take().unwrap())
        .lines()
        .map(|line| {
            let answer: serde_json::Value = serde_json::from_str(&line.unwrap()).unwrap();
            Answer { ok: answer["ok"] == true, output: answer["output"].as_str().unwrap().to_owned() }
        })
        .collect();
    writer.join().unwrap();
    assert!(child.wait().unwrap().success(), "the peer program failed");
    assert_eq!(answers.len(), snippets.len(), "the peer program answers every snippet");
    answers
}

/// The program: `HELM_PEER`, or what the script builds.
fn program() -> PathBuf {
    if let Some(program) = env::var_os("HELM_PEER") {
        return program.into();
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/helm-peer.sh");
    let output = Command::new(script).stderr(Stdio::inherit()).output().expect("scripts/helm-peer.sh runs");
    assert!(output.status.success(), "scripts/helm-peer.sh builds the peer program");
    String::from_utf8(output.stdout).unwrap().trim().into()
}
