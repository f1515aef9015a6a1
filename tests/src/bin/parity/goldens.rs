//! The goldens of our own charts, made by the real Helm.

use std::fs;
use std::path::Path;

use crate::case::{Answer, Case, FOLDER, Side};
use crate::run::Program;

/// How often Helm has to give the same.
const RUNS: u32 = 12;

/// Makes the goldens of cases that lie in `folder`, and says what it changed. Returns whether all could be made.
pub fn make(helm: &Program, cases: &[Case], folder: &Path, scratch: &Path) -> bool {
    let side = helm.run(cases, RUNS, scratch);
    let mut complete = true;
    for case in cases {
        let directory = folder.join(&case.id);
        match golden(&side, case, &directory) {
            Ok((name, text)) => write(&directory, name, &text),
            Err(reason) => {
                eprintln!("parity: {}: {reason}", case.id);
                complete = false;
            }
        }
    }
    complete
}

/// The name and the text of the golden of a case.
fn golden(side: &Side, case: &Case, directory: &Path) -> Result<(&'static str, Vec<u8>), &'static str> {
    let answer: &Answer = side.answers.get(&case.id).ok_or("Helm gave no answer")?;
    if !answer.stable {
        return Err("Helm does not give the same every time, so this is no case");
    }
    if answer.ok {
        return side.output(&case.id).map(|text| ("golden.yaml", text)).ok_or("Helm's output is not there");
    }
    let text = answer.error.replace(&*directory.to_string_lossy(), FOLDER) + "\n";
    Ok(("golden.error", text.into_bytes()))
}

fn write(directory: &Path, name: &str, text: &[u8]) {
    for file in ["golden.yaml", "golden.error"] {
        let path = directory.join(file);
        let old = fs::read(&path).ok();
        if file == name {
            if old.as_deref() != Some(text) {
                eprintln!("parity: writing {}", path.display());
                fs::write(&path, text).expect("a golden can be written");
            }
        } else if old.is_some() {
            eprintln!("parity: removing {}", path.display());
            fs::remove_file(&path).expect("a golden can be removed");
        }
    }
}
