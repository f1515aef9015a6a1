use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tiphys_tests::{SshKey, SshKeyKind, SshServer};

use crate::git;

/// What tells git how to log in: this key, these known hosts, and the passphrase if there is one.
fn settings(folder: &Path, key: &SshKey, known_hosts: &str) -> Vec<(&'static str, String)> {
    let hosts = folder.join("known_hosts");
    std::fs::write(&hosts, format!("{known_hosts}\n")).unwrap();
    let ask = folder.join("ask");
    std::fs::write(&ask, format!("#!/bin/sh\necho '{}'\n", key.passphrase().unwrap_or("none"))).unwrap();
    std::fs::set_permissions(&ask, std::fs::Permissions::from_mode(0o700)).unwrap();
    let ssh = format!(
        "ssh -F none -o UserKnownHostsFile={} -o StrictHostKeyChecking=yes -o IdentitiesOnly=yes -i {}",
        hosts.display(),
        key.private_path().display()
    );
    vec![
        ("GIT_SSH_COMMAND", ssh),
        ("SSH_ASKPASS", ask.display().to_string()),
        ("SSH_ASKPASS_REQUIRE", "force".to_owned()),
    ]
}

#[test]
fn ssh_lets_in_who_has_the_key_and_knows_the_host() {
    let plain = SshKey::generate(SshKeyKind::Ed25519, None);
    let locked = SshKey::generate(SshKeyKind::Ed25519, Some("a long passphrase"));
    let elliptic = SshKey::generate(SshKeyKind::Ecdsa, None);
    let stranger = SshKey::generate(SshKeyKind::Ed25519, None);
    assert!(plain.private().contains("OPENSSH PRIVATE KEY"));

    let server = SshServer::start(&[&plain, &locked, &elliptic]);
    let repo = server.create_repo("acme/deploy");
    let id = repo.commit_file("main", "a.yaml", "a: 1\n");
    let known = server.known_hosts();
    let other = server.wrong_known_hosts();
    for (key, hosts, expected) in [
        (&plain, known.as_str(), id.as_str()),
        (&locked, &known, &id),
        (&elliptic, &known, &id),
        (&stranger, &known, "Permission denied"),
        (&plain, "", "Host key verification failed"),
        (&plain, &other, "Host key verification failed"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(folder.path(), key, hosts);
        let settings: Vec<(&str, &str)> =
            settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let (_, output) = git(folder.path(), &settings, &["ls-remote", repo.url(), "refs/heads/main"]);
        assert!(output.contains(expected), "expected {expected}: {output}\n{}", server.process().log());
    }
}
