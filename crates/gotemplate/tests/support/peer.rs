//! Go's own text/template, as a program that is built when it is first needed.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::{env, fs, thread};

use super::{Answer, Case};

/// Answers of Go, in the order of the cases.
pub fn ask(cases: &[Case]) -> Vec<Answer> {
    let mut child = Command::new(program())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the peer program starts");
    let mut input = child.stdin.take().unwrap();
    let lines: Vec<String> = cases.iter().map(|case| case.to_json().to_string()).collect();
    let writer = thread::spawn(move || {
        for line in lines {
            writeln!(input, "{line}").expect("the peer program reads cases");
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
    assert_eq!(answers.len(), cases.len(), "the peer program answers every case");
    answers
}

/// The program, kept in the user's cache under the hash of its source.
pub fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(build)
}

fn build() -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/gotemplate-peer");
    let mut hasher = DefaultHasher::new();
    let mut files: Vec<PathBuf> = fs::read_dir(&source).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for file in files {
        fs::read(file).unwrap().hash(&mut hasher);
    }
    let cache = env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cache")))
        .expect("HOME is set")
        .join("tiphys");
    let program = cache.join(format!("gotemplate-peer-{:016x}", hasher.finish()));
    if !program.exists() {
        fs::create_dir_all(&cache).unwrap();
        // Built beside its place and then moved, because test programs run at the same time.
        let fresh = cache.join(format!("gotemplate-peer-{}", std::process::id()));
        let status =
            Command::new("go").args(["build", "-o"]).arg(&fresh).arg(".").current_dir(&source).status();
        assert!(status.expect("these tests need Go in the PATH").success(), "the peer program is built");
        fs::rename(fresh, &program).unwrap();
    }
    program
}
