//! Random values and time: the same for the same seed, others for another one, and certificates that hold.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use std::{fs, io};

use tiphys_helm::chance::{Chance, Seed};
use tiphys_helm::{Chart, File, Limits, Options, render_templates};

fn seeded(seed: &str) -> Chance {
    Chance::Seeded { seed: Seed::new(seed), at: "2026-01-02T03:04:05Z".parse().unwrap() }
}

/// What each template prints.
fn render(templates: &[(&str, &str)], chance: Chance) -> BTreeMap<String, String> {
    let chart = "apiVersion: v2\nname: t\nversion: 0.1.0\n";
    let mut files = vec![File::new("Chart.yaml", chart.as_bytes())];
    files
        .extend(templates.iter().map(|(name, text)| File::new(format!("templates/{name}"), text.as_bytes())));
    let chart = Chart::from_files(files, &Limits::default()).unwrap();
    let options = Options { chance, ..Options::new("demo", "demo-ns") };
    let outputs = render_templates(&chart, &options).unwrap();
    outputs.into_iter().map(|(path, text)| (path, String::from_utf8(text).unwrap())).collect()
}

fn render_one(text: &str, chance: Chance) -> String {
    render(&[("t", text)], chance).remove("t/templates/t").unwrap()
}

/// Every function that draws, and the clock.
const DRAWS: [&str; 16] = [
    "{{ randAlphaNum 20 }}",
    "{{ randAlpha 20 }}",
    "{{ randAscii 20 }}",
    "{{ randNumeric 20 }}",
    "{{ randBytes 16 }}",
    "{{ randInt 0 1000000000 }}",
    "{{ uuidv4 }}",
    r#"{{ shuffle "abcdefghijklmnopqrstuvwxyz" }}"#,
    r#"{{ bcrypt "p" }}"#,
    r#"{{ htpasswd "u" "p" }}"#,
    r#"{{ encryptAES "k" "text" }}"#,
    r#"{{ genPrivateKey "ecdsa" }}"#,
    r#"{{ genPrivateKey "ed25519" }}"#,
    r#"{{ genPrivateKey "dsa" }}"#,
    r#"{{ $c := genCA "ca" 365 }}{{ $c.Cert }}{{ $c.Key }}"#,
    r#"{{ $c := genCAWithKey "ca" 365 (genPrivateKey "ecdsa") }}{{ $c.Cert }}{{ $c.Key }}"#,
];

#[test]
fn a_seed_gives_the_same_values_each_time_and_another_seed_others() {
    for text in DRAWS {
        let first = render_one(text, seeded("one"));
        assert_eq!(first, render_one(text, seeded("one")), "{text}");
        assert_ne!(first, render_one(text, seeded("two")), "{text}");
        let two = format!("{text}|{text}");
        let twice = render_one(&two, seeded("one"));
        let (one, other) = twice.split_once("\n|").or_else(|| twice.rsplit_once('|')).unwrap();
        assert_ne!(one.trim_end(), other.trim_end(), "{text}");
    }
}

/// What was drawn once is in clusters. This test must never be changed for a template that is there already.
#[test]
fn values_are_pinned() {
    let text = r#"{{ randAlphaNum 12 }} {{ randAscii 8 }} {{ uuidv4 }} {{ randInt 0 100 }} {{ shuffle "abcdef" }} {{ (genCA "ca" 1).Key | sha256sum | trunc 16 }} {{ genPrivateKey "ecdsa" | sha256sum | trunc 16 }} {{ now }}"#;
    assert_eq!(
        render_one(text, seeded("pinned")),
        "QAs2sW8dpYEj ik#X4nJ` 9fd15e6a-dde5-4c94-b9ee-50b2298cd34f 2 dcabfe cf6afdc7c78b7c4e cf2f43076bac1a2c \
         2026-01-02 03:04:05 +0000 UTC"
    );
}

#[test]
fn values_do_not_depend_on_other_files() {
    let draw = "{{ randAlphaNum 20 }} {{ uuidv4 }}";
    let alone = render(&[("b", draw)], seeded("one"));
    let both = render(&[("a", draw), ("b", draw), ("c", "{{ uuidv4 }}")], seeded("one"));
    assert_eq!(alone["t/templates/b"], both["t/templates/b"]);
    assert_ne!(both["t/templates/a"], both["t/templates/b"]);
    // A helper draws for the file that includes it, wherever it is defined.
    let helper = ("_helpers.tpl", r#"{{ define "draw" }}{{ randAlphaNum 20 }}{{ end }}"#);
    let include = r#"{{ include "draw" . }} {{ tpl "{{ uuidv4 }}" . }}"#;
    let included = render(&[helper, ("a", include), ("b", include)], seeded("one"));
    assert_eq!(included["t/templates/b"], alone["t/templates/b"]);
    assert_ne!(included["t/templates/a"], included["t/templates/b"]);
}

#[test]
fn the_clock_of_a_seed_stands() {
    let text =
        r#"{{ now }}|{{ now.Location }}|{{ date "2006-01-02 15:04" "x" }}|{{ ago 0 }}|{{ unixEpoch now }}"#;
    assert_eq!(
        render_one(text, seeded("one")),
        "2026-01-02 03:04:05 +0000 UTC|Local|2026-01-02 03:04|490923h4m5s|1767323045"
    );
    assert!(render_one("{{ now }}", Chance::System).contains(" m=+"));
}

#[test]
fn the_system_gives_other_values_each_time() {
    for text in &DRAWS[..13] {
        assert_ne!(render_one(text, Chance::System), render_one(text, Chance::System), "{text}");
    }
}

/// Templates that make keys without end meet a limit.
#[test]
fn keys_without_end_are_stopped() {
    let chart = Chart::from_files(
        [
            File::new("Chart.yaml", "apiVersion: v2\nname: t\nversion: 0.1.0\n".as_bytes()),
            File::new("templates/t", r#"{{ range until 10000 }}{{ $c := genCA "a" 1 }}{{ end }}"#.as_bytes()),
        ],
        &Limits::default(),
    )
    .unwrap();
    let mut options = Options::new("demo", "demo-ns");
    options.limits.timeout = Some(Duration::from_secs(2));
    let start = Instant::now();
    let error = render_templates(&chart, &options).unwrap_err().to_string();
    assert!(error.contains("deadline") || error.contains("steps"), "{error}");
    assert!(start.elapsed() < Duration::from_secs(20));
}

/// Runs openssl; `None` where there is none.
fn openssl(folder: &Path, arguments: &[&str]) -> Option<String> {
    match Command::new("openssl").args(arguments).current_dir(folder).output() {
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
            Some(text)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn certificates_hold() {
    let folder = tempfile::tempdir().unwrap();
    for (authority, leaf) in
        [("rsa", "rsa"), ("ecdsa", "ed25519"), ("ed25519", "ecdsa"), ("ecdsa", "rsa-2048")]
    {
        let make_leaf = if leaf == "rsa" || leaf == "rsa-2048" {
            r#"genSignedCert "leaf.example" (list "10.0.0.1" "::1") (list "a.example" "*.b.example") 30 $ca"#
                .to_owned()
        } else {
            format!(
                r#"genSignedCertWithKey "leaf.example" (list "10.0.0.1" "::1") (list "a.example" "*.b.example") 30 $ca (genPrivateKey "{leaf}")"#
            )
        };
        let make_authority = if authority == "rsa" {
            r#"genCA "my *ca" 365"#.to_owned()
        } else {
            format!(r#"genCAWithKey "my *ca" 365 (genPrivateKey "{authority}")"#)
        };
        let text = format!(
            "{{{{ $ca := {make_authority} }}}}{{{{ $leaf := {make_leaf} }}}}{{{{ $ca.Cert }}}}|{{{{ $ca.Key }}}}|{{{{ $leaf.Cert }}}}|{{{{ $leaf.Key }}}}"
        );
        let output = render_one(&text, Chance::System);
        for (name, pem) in ["ca.pem", "ca.key", "leaf.pem", "leaf.key"].into_iter().zip(output.split('|')) {
            fs::write(folder.path().join(name), pem).unwrap();
        }
        let Some(verified) =
            openssl(folder.path(), &["verify", "-x509_strict", "-CAfile", "ca.pem", "leaf.pem"])
        else {
            return;
        };
        assert_eq!(verified.trim(), "leaf.pem: OK");
        for name in ["ca", "leaf"] {
            let (cert, key) = (format!("{name}.pem"), format!("{name}.key"));
            let of_cert = openssl(folder.path(), &["x509", "-in", &cert, "-noout", "-pubkey"]).unwrap();
            let of_key = openssl(folder.path(), &["pkey", "-in", &key, "-pubout"]).unwrap();
            assert_eq!(of_cert, of_key, "{name}");
        }
        let text = openssl(folder.path(), &["x509", "-in", "leaf.pem", "-noout", "-text"]).unwrap();
        for expected in [
            "Version: 3",
            "Issuer: CN = my *ca",
            "Subject: CN = leaf.example",
            "X509v3 Key Usage: critical\n                Digital Signature, Key Encipherment\n",
            "TLS Web Server Authentication, TLS Web Client Authentication",
            "X509v3 Basic Constraints: critical\n                CA:FALSE",
            "X509v3 Authority Key Identifier:",
            "DNS:a.example, DNS:*.b.example, IP Address:10.0.0.1, IP Address:0:0:0:0:0:0:0:1",
        ] {
            assert!(text.contains(expected), "{expected:?} is not in {text}");
        }
        let text = openssl(folder.path(), &["x509", "-in", "ca.pem", "-noout", "-text"]).unwrap();
        for expected in [
            "Digital Signature, Key Encipherment, Certificate Sign",
            "CA:TRUE",
            "X509v3 Subject Key Identifier:",
        ] {
            assert!(text.contains(expected), "{expected:?} is not in {text}");
        }
    }
}
