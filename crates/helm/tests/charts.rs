//! Every folder in `tests/charts` is a chart, arguments, and what Helm 4.3.1 makes of them; its README says more.

mod command;

use std::fs;
use std::path::{Path, PathBuf};

use command::Command;

fn run(folder: &Path) -> Result<Vec<u8>, String> {
    let case = folder.to_string_lossy();
    let args = fs::read_to_string(folder.join("args")).unwrap_or_default();
    let args: Vec<String> = args.lines().map(|line| line.replace("$CASE", &case)).collect();
    Command::parse(&args)?.run(&folder.join("chart"))
}

fn check(folder: &Path) -> Result<(), String> {
    let golden = |name: &str| fs::read(folder.join(name)).ok();
    let case = folder.to_string_lossy();
    match (run(folder), golden("golden.yaml"), golden("golden.error")) {
        (Ok(output), Some(expected), _) if output == expected => Ok(()),
        (Ok(output), Some(expected), _) => Err(difference(&output, &expected)),
        (Ok(_), None, _) => Err("rendered, though Helm refuses it".to_owned()),
        (Err(message), None, Some(expected)) => {
            let message = format!("{message}\n").replace(&*case, "$CASE");
            let helms = String::from_utf8_lossy(&expected);
            if message == helms || same_but_for_a_library(&name(folder), &message, &helms) {
                return Ok(());
            }
            Err(difference(message.as_bytes(), &expected))
        }
        (Err(message), ..) => Err(message),
    }
}

/// Errors about YAML and about schemas end in the words of the library below, which are not those of Go's. All that
/// stands before must be the same.
fn same_but_for_a_library(case: &str, ours: &str, helms: &str) -> bool {
    const ENDS: [&str; 3] = [
        "error converting YAML to JSON: ",
        "is not valid against metaschema: ",
        "error reading yaml document: ",
    ];
    /// Cases of keywords of which our library says less, and what both say.
    const SAY_LESS: [(&str, &str); 4] = [
        ("schema-of-contains", "- at '/a': no items match contains schema\n"),
        ("schema-of-max-contains", "\nt:\n- at '/a': "),
        ("schema-of-file", "\nt:\n"),
        ("schema-of-format-draft-7", "- at '/a': 'nothing' is not valid date-time"),
    ];
    let before = |end: &str| match (ours.split_once(end), helms.split_once(end)) {
        (Some((ours, _)), Some((helms, _))) => ours == helms,
        _ => false,
    };
    let known = SAY_LESS.iter().find(|(known, _)| *known == case);
    ENDS.into_iter().any(before) || known.is_some_and(|(_, common)| before(common))
}

fn name(folder: &Path) -> String {
    folder.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn difference(ours: &[u8], helms: &[u8]) -> String {
    let (ours, helms) = (String::from_utf8_lossy(ours), String::from_utf8_lossy(helms));
    let pair = ours.lines().zip(helms.lines()).enumerate().find(|(_, (ours, helms))| ours != helms);
    match pair {
        Some((line, (ours, helms))) => format!("line {}:\n  ours {ours:?}\n  Helm {helms:?}", line + 1),
        None => format!("{} bytes, Helm has {}", ours.len(), helms.len()),
    }
}

#[test]
fn charts_render_as_helm_renders_them() {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/charts");
    let mut folders: Vec<PathBuf> = fs::read_dir(cases)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    assert!(folders.len() > 100, "the cases are gone");
    let failures: Vec<String> = folders
        .iter()
        .filter_map(|folder| check(folder).err().map(|failure| format!("{}: {failure}", name(folder))))
        .collect();
    assert!(failures.is_empty(), "{} of {}:\n{}", failures.len(), folders.len(), failures.join("\n"));
}
