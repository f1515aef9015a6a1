//! Commands on Helm charts, which say what helm says: the same output, the same words of errors, the same exit codes.
//!
//! `tests/charts/cases/*.txt` hold what the real Helm answers: the first line is the command line, then come the output,
//! what stands on standard error, and the exit code. `UPDATE_GOLDENS=1` asks Helm again; a new case is a file with a
//! command line.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::{env, fs};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/charts")
}

/// Runs a program in the folder of the charts, away from every configuration of this machine.
fn answer(program: &Path, before: &[&str], line: &str) -> String {
    let home = tempfile::tempdir().unwrap();
    let output = Command::new(program)
        .args(before)
        .args(line.split_whitespace())
        .current_dir(folder())
        .env("HOME", home.path())
        .env_remove("KUBECONFIG")
        .output()
        .unwrap();
    let Output { status, stdout, stderr } = output;
    let text = |bytes: &[u8]| {
        String::from_utf8(bytes.to_vec()).unwrap().replace(folder().to_str().unwrap(), "$CHARTS")
    };
    let code = status.code().unwrap();
    format!("$ {line}\n{}--- stderr\n{}--- exit {code}\n", text(&stdout), text(&stderr))
}

#[test]
fn charts_are_answered_for_as_helm_does() {
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder().join("cases")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() > 20);
    let mut wrong = Vec::new();
    for file in files {
        let known = fs::read_to_string(&file).unwrap();
        let line = known.lines().next().unwrap().trim_start_matches("$ ");
        if env::var_os("UPDATE_GOLDENS").is_some() {
            let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/helm-peer.sh");
            let helm = Command::new(script).output().unwrap().stdout;
            let helm = PathBuf::from(String::from_utf8(helm).unwrap().trim());
            fs::write(&file, answer(&helm, &["helm"], line)).unwrap();
        }
        let helm = fs::read_to_string(&file).unwrap();
        let ours = answer(Path::new(env!("CARGO_BIN_EXE_tiphys")), &[], line);
        if ours != helm {
            wrong.push(format!("{}:\nhelm says\n{helm}\nwe say\n{ours}", file.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
