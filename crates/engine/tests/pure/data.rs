use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// One case: where it is, and what is in it.
pub struct Case {
    pub name: String,
    pub value: Value,
}

/// All cases of a topic, sorted by name. A topic without cases is a mistake.
pub fn cases(topic: &str) -> Vec<Case> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(topic);
    let mut files = Vec::new();
    find(&root, &mut files);
    files.sort();
    assert!(!files.is_empty(), "no cases in {}", root.display());
    files
        .iter()
        .map(|file| Case {
            name: file.strip_prefix(&root).unwrap().with_extension("").display().to_string(),
            value: tiphys_manifest::yaml::read(&fs::read_to_string(file).unwrap())
                .unwrap_or_else(|error| panic!("{}: {error}", file.display())),
        })
        .collect()
}

fn find(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            find(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            files.push(path);
        }
    }
}

/// Runs every case and fails once, with all that failed.
pub fn check_all(topic: &str, check: impl Fn(&Value) -> Result<(), String>) {
    let failures: Vec<_> = cases(topic)
        .into_iter()
        .filter_map(|case| Some(format!("{}: {}", case.name, check(&case.value).err()?)))
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// The text of a field of a case; empty when it is absent.
pub fn text<'a>(case: &'a Value, field: &str) -> &'a str {
    case.get(field).and_then(Value::as_str).unwrap_or_default()
}
