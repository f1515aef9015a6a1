//! Commands on Helm charts, which say what helm says: the same output, the same words of errors, the same exit codes.
//!
//! `tests/charts/cases/*.txt` hold what the real Helm answers: the first line is the command line, then come the output,
//! what stands on standard error, the exit code, and the files that came and went. `UPDATE_GOLDENS=1` asks Helm again; a new case is a file with a
//! command line.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::{env, fs};

use tiphys_helm::{File, write_archive};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/charts")
}

/// Runs a program in a copy of the folder of the charts, away from every configuration of this machine. After what it
/// printed stands what it changed in the copy.
fn answer(program: &Path, before: &[&str], line: &str) -> String {
    let home = tempfile::tempdir().unwrap();
    let copy = home.path().join("charts");
    copy_folder(&folder(), &copy);
    let output = Command::new(program)
        .args(before)
        .args(line.split_whitespace())
        .current_dir(&copy)
        .env("HOME", home.path())
        .env_remove("KUBECONFIG")
        .output()
        .unwrap();
    let Output { status, stdout, stderr } = output;
    let text =
        |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap().replace(copy.to_str().unwrap(), "$CHARTS");
    let code = status.code().unwrap();
    format!(
        "$ {line}\n{}--- stderr\n{}--- exit {code}\n{}",
        text(&stdout),
        text(&stderr),
        changes(&folder(), &copy)
    )
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let to = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_folder(&path, &to);
        } else {
            fs::copy(&path, &to).unwrap();
        }
    }
}

/// The files below a folder by their paths.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = PathBuf::from(path.file_name().unwrap());
        if path.is_dir() {
            found.extend(files(&path).into_iter().map(|(inner, data)| (name.join(inner), data)));
        } else {
            found.insert(name, fs::read(&path).unwrap());
        }
    }
    found
}

/// The files that came and went, with the text of those that are text; times do not count.
fn changes(before: &Path, after: &Path) -> String {
    let (before, after) = (files(before), files(after));
    let mut shown = String::new();
    for (path, data) in &after {
        if before.get(path) == Some(data) {
            continue;
        }
        writeln!(shown, "+++ {}", path.display()).unwrap();
        for line in std::str::from_utf8(data).unwrap_or_default().lines() {
            let line = if line.starts_with("generated: ") { "generated: …" } else { line };
            writeln!(shown, "{line}").unwrap();
        }
    }
    for path in before.keys().filter(|path| !after.contains_key(*path)) {
        writeln!(shown, "--- {}", path.display()).unwrap();
    }
    shown
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

/// Runs `template web CHART --dependency-update` with the program itself.
fn update(chart: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tiphys"))
        .args(["template", "web"])
        .arg(chart)
        .arg("--dependency-update")
        .output()
        .unwrap()
}

#[test]
fn archives_of_older_versions_are_deleted_when_dependencies_are_updated() {
    let home = tempfile::tempdir().unwrap();
    let charts = home.path().join("charts");
    copy_folder(&folder().join("depending"), &charts);
    let app = charts.join("app");
    let shown =
        || files(&app.join("charts")).into_keys().map(|it| it.display().to_string()).collect::<Vec<_>>();
    let first = update(&app);
    assert!(first.stdout.starts_with(b"Saving 2 charts\n"));
    assert_eq!(shown(), ["_about.yaml", "lib-0.2.0.tgz", "other-v1.2.3.tgz"]);
    let lock = fs::read(app.join("Chart.lock")).unwrap();

    let about = charts.join("other/Chart.yaml");
    fs::write(&about, fs::read_to_string(&about).unwrap().replace("v1.2.3", "v1.3.0")).unwrap();
    assert!(update(&app).stdout.starts_with(b"---\n"), "nothing is missing, so nothing is to be done");
    assert_eq!(fs::read(app.join("Chart.lock")).unwrap(), lock);

    fs::remove_file(app.join("charts/lib-0.2.0.tgz")).unwrap();
    let second = String::from_utf8(update(&app).stdout).unwrap();
    assert!(second.contains("version: \"v1.3.0\""), "{second}");
    assert_eq!(shown(), ["_about.yaml", "lib-0.2.0.tgz", "other-v1.3.0.tgz"]);
    assert_ne!(fs::read(app.join("Chart.lock")).unwrap(), lock);
}

#[test]
fn dependencies_that_lie_elsewhere_are_not_fetched() {
    let home = tempfile::tempdir().unwrap();
    let poor = home.path().join("poor");
    copy_folder(&folder().join("poor"), &poor);
    let before = files(&poor);
    let Output { status, stdout, stderr } = update(&poor);
    assert_eq!((status.code(), stdout), (Some(1), Vec::new()));
    let sentence = format!(
        "Error: dependency \"db\" is in https://example.com, and charts are not fetched here: \
         `helm dependency update {}` brings it\n",
        poor.display()
    );
    assert_eq!(String::from_utf8(stderr).unwrap(), sentence);
    assert_eq!(files(&poor), before);
}

#[test]
fn charts_in_archives_are_not_updated() {
    let home = tempfile::tempdir().unwrap();
    let archive = home.path().join("app.tgz");
    let chart = folder().join("depending/app");
    let files = files(&chart).into_iter().map(|(path, data)| File::new(path.to_str().unwrap(), data));
    fs::write(&archive, write_archive("app", &files.collect::<Vec<_>>()).unwrap()).unwrap();
    let Output { status, stderr, .. } = update(&archive);
    assert_eq!(status.code(), Some(1));
    assert_eq!(String::from_utf8(stderr).unwrap(), "Error: only unpacked charts can be updated\n");
}
