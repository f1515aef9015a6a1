//! What needs no cluster.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::{Tiphys, snapshot};

fn nowhere() -> Tiphys {
    Tiphys::with_kubeconfig("/nonexistent/kubeconfig")
}

#[test]
fn the_version_needs_no_cluster_and_no_time() {
    let output = nowhere().run(&["version"]);
    assert_eq!(output.stdout, format!("tiphys      {}\n", env!("CARGO_PKG_VERSION")), "{output}");
    // The best of several: the machine may be busy. Even unoptimised it stays far below this.
    let fastest = (0..10).map(|_| {
        let start = Instant::now();
        nowhere().run(&["version"]);
        start.elapsed()
    });
    let fastest = fastest.min().unwrap();
    assert!(fastest < Duration::from_millis(50), "{fastest:?}");
}

#[test]
fn help_names_every_command_and_the_exit_codes() {
    snapshot("help", &nowhere().run(&["--help"]), &[]);
    snapshot("help_sync", &nowhere().run(&["sync", "--help"]), &[]);
    snapshot("help_diff", &nowhere().run(&["diff", "--help"]), &[]);
}

#[test]
fn wrong_usage_has_its_own_exit_code() {
    snapshot("usage_unknown_option", &nowhere().run(&["sync", "web", "--forse"]), &[]);
    snapshot("usage_wrong_object", &nowhere().run(&["sync", "web", "--resource", "deployment/web"]), &[]);
    let values = ["create", "web", "--repo", "deploy", "--set", "a=1"];
    snapshot("usage_values_without_type", &nowhere().run(&values), &[]);
}

#[test]
fn every_shell_has_a_completion() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let output = nowhere().run(&["completion", shell]);
        assert_eq!(output.code, Some(0), "{shell}: {output}");
        assert!(output.stdout.contains("rollback"), "{shell}");
    }
}

#[test]
fn manifests_are_printed_without_a_cluster() {
    let output = nowhere().run(&["install", "--print"]);
    assert_eq!(output.code, Some(0), "{output}");
    for part in ["kind: CustomResourceDefinition", "kind: ValidatingAdmissionPolicy", "kind: Deployment"] {
        assert!(output.stdout.contains(part), "{part}");
    }
    let elsewhere =
        nowhere().run(&["install", "--print", "--installation", "elsewhere", "--image", "registry/it:2"]);
    assert!(
        elsewhere.stdout.contains("namespace: elsewhere")
            && elsewhere.stdout.contains("image: registry/it:2")
    );
    assert!(!elsewhere.stdout.contains("namespace: tiphys\n"));
    let crds = nowhere().run(&["install", "--print", "--crds-only"]);
    assert!(!crds.stdout.contains("kind: Deployment"));
    let shards = nowhere().run(&["install", "--print", "--shards", "8"]);
    assert!(shards.stdout.contains("replicas: 3\n"), "{shards}");
    assert!(shards.stdout.contains("- name: TIPHYS_SHARDS\n          value: \"8\"\n"), "{shards}");
}

#[test]
fn a_number_of_shards_that_the_controller_would_not_take_is_refused() {
    for number in ["0", "65", "many"] {
        let output = nowhere().run(&["install", "--print", "--shards", number]);
        assert_eq!((output.code, output.stdout.as_str()), (Some(2), ""), "{output}");
        let expected = format!("error: invalid value '{number}' for '--shards <NUMBER>'");
        assert!(output.stderr.contains(&expected), "{output}");
    }
    let beyond = nowhere().run(&["install", "--print", "--shards", "65"]);
    assert!(beyond.stderr.contains("65 is not in 1..=64"), "{beyond}");
    let both = nowhere().run(&["install", "--print", "--shards", "8", "--crds-only"]);
    assert_eq!(both.code, Some(2), "{both}");
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let program = env!("CARGO_BIN_EXE_tiphys");
    let script = format!("set -o pipefail; '{program}' install --print | head -1");
    let output = Command::new("bash").args(["-c", &script]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.stderr, b"");
}

#[test]
fn as_a_plugin_it_shows_the_name_that_was_typed() {
    let folder = tempfile::tempdir().unwrap();
    let plugin = folder.path().join("kubectl-tiphys");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_tiphys"), &plugin).unwrap();
    let output = Command::new(plugin).args(["sync", "--help"]).output().unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains("Usage: kubectl tiphys sync"));
}
