use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// What is asked of `tests/yaml-peer`; its documentation has the operations.
#[derive(Clone, Debug, Serialize)]
pub struct Request {
    pub op: &'static str,
    pub text: String,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Answer {
    pub text: Option<String>,
    pub error: Option<String>,
}

/// Asks all questions of one run of the peer, which is built when it is not in the cache.
pub fn ask(requests: &[Request]) -> Vec<Answer> {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    let program = PROGRAM.get_or_init(build);
    let mut child =
        Command::new(program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the peer starts");
    let mut input = child.stdin.take().unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    let answers: Vec<Answer> = std::thread::scope(|scope| {
        scope.spawn(move || {
            for request in requests {
                let mut line = serde_json::to_vec(request).unwrap();
                line.push(b'\n');
                input.write_all(&line).expect("the peer listens");
            }
        });
        output.lines().map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect()
    });
    assert!(child.wait().unwrap().success());
    assert_eq!(answers.len(), requests.len());
    answers
}

fn build() -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/yaml-peer");
    let mut hash = Sha256::new();
    for file in ["go.mod", "go.sum", "main.go"] {
        hash.update(std::fs::read(source.join(file)).unwrap());
    }
    let name = format!("yaml-peer-{}", hex_prefix(&hash.finalize()));
    let cache = std::env::var_os("XDG_CACHE_HOME").map_or_else(
        || PathBuf::from(std::env::var_os("HOME").expect("HOME is set")).join(".cache"),
        PathBuf::from,
    );
    let program = cache.join("tiphys").join(name).join("yaml-peer");
    if !program.exists() {
        // Built aside and moved, so that test programs that run at once do not see half a file.
        let aside = program.with_extension(std::process::id().to_string());
        let status = Command::new("go")
            .args(["build", "-o"])
            .arg(&aside)
            .arg(".")
            .current_dir(&source)
            .status()
            .expect("Go is installed (make setup)");
        assert!(status.success(), "go build of tests/yaml-peer failed");
        std::fs::rename(&aside, &program).unwrap();
    }
    program
}

fn hex_prefix(digest: &[u8]) -> String {
    format!("{:016x}", u64::from_be_bytes(digest[..8].try_into().unwrap()))
}
