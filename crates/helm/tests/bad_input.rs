//! Input that is wrong or wants too much: each gives a clear error, in bounded time and memory, and never a panic.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::fmt::Write as _;
use std::io::Write as _;
use std::thread;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use tar::{Builder, EntryType, Header};
use tiphys_helm::{Chart, Error, File, Limits, Options, ValueFile, render};

const ABOUT: &str = "apiVersion: v2\nname: t\nversion: 0.1.0\n";

/// What one bad input may take, on a machine that has other work to do.
const TIME: Duration = Duration::from_secs(20);

/// Runs on a thread with a small stack, as servers have them.
fn bounded<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let begin = Instant::now();
    let result = thread::Builder::new().stack_size(1 << 20).spawn(work).unwrap().join().unwrap();
    assert!(begin.elapsed() < TIME, "took {:?}", begin.elapsed());
    result
}

fn limits() -> Limits {
    let templates = gotemplate::Limits { steps: 5_000_000, allocated_bytes: 50 << 20, ..Default::default() };
    Limits { templates, timeout: Some(Duration::from_secs(10)), ..Limits::default() }
}

fn options() -> Options {
    Options { limits: limits(), ..Options::new("demo", "demo-ns") }
}

fn load(files: &[(&str, &str)]) -> Result<Chart, Error> {
    let about = [File::new("Chart.yaml", ABOUT.as_bytes())];
    let files = files.iter().map(|(path, text)| File::new(*path, text.as_bytes()));
    Chart::from_files(about.into_iter().chain(files), &limits())
}

/// The message for a chart with these files besides its `Chart.yaml`.
fn refused(files: &[(&str, &str)]) -> String {
    let files: Vec<(String, String)> =
        files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
    bounded(move || {
        let files: Vec<(&str, &str)> =
            files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        let rendering = load(&files).and_then(|chart| render(&chart, &options()));
        rendering.unwrap_err().to_string()
    })
}

/// The message for a template, which must name the file.
fn template(text: &str) -> String {
    let message = refused(&[("templates/t.yaml", text)]);
    assert!(message.contains("t/templates/t.yaml:1"), "{message}");
    message
}

/// A template must end at one of the limits.
fn limited(text: &str) {
    let message = template(text);
    assert!(message.contains("more than") || message.contains("deadline"), "{message:.2000}");
}

fn contains(message: &str, part: &str) {
    assert!(message.contains(part), "{message:.2000}");
}

#[test]
fn templates_that_include_themselves() {
    let message = template(r#"{{define "a"}}{{include "a" .}}{{end}}{{include "a" .}}"#);
    contains(&message, "rendering template has a nested reference name: a");
    let message = template(r#"{{define "a"}}{{template "a"}}{{end}}{{template "a"}}"#);
    contains(&message, "exceeded maximum template depth");
}

#[test]
fn texts_that_run_themselves() {
    let message =
        refused(&[("values.yaml", "x: '{{tpl .Values.x .}}'"), ("templates/t.yaml", "{{tpl .Values.x .}}")]);
    contains(&message, "exceeded maximum template depth");
    contains(&message, "t/templates/t.yaml:1");
    assert!(message.len() < 10_000, "{}", message.len());
}

#[test]
fn templates_that_do_not_end() {
    limited("{{range until 1000000000}}x{{end}}");
    limited("{{range 1000000000}}{{end}}");
    limited(r#"{{$x := "0123456789"}}{{range 60}}{{$x = cat $x $x}}{{end}}"#);
    limited(r#"{{$x := list "a"}}{{range 60}}{{$x = concat $x $x}}{{end}}"#);
    contains(
        &template(r#"{{$x := dict}}{{range 60}}{{$x = dict "a" $x "b" $x}}{{end}}{{toYaml $x}}"#),
        "more than",
    );
}

#[test]
fn maps_that_contain_themselves() {
    let text = r#"{{$m := dict}}{{$_ := set $m "m" $m}}a: {{printf "%v" $m}}"#;
    contains(&template(text), "nested deeper than");
    // As in Helm, what cannot be written as YAML is nothing.
    let chart =
        load(&[("templates/t.yaml", r#"{{$m := dict}}{{$_ := set $m "m" $m}}a: {{toYaml $m}}"#)]).unwrap();
    match render(&chart, &options()) {
        Ok(rendering) => assert_eq!(rendering.manifests[0].text, "a: "),
        Err(error) => contains(&error.to_string(), "nested deeper than"),
    }
}

#[test]
fn regular_expressions_that_explode() {
    let text = r#"a: {{regexMatch "^(a*)*b$" (repeat 100000 "a")}}"#;
    let chart = load(&[("templates/t.yaml", text)]).unwrap();
    assert_eq!(bounded(move || render(&chart, &options()).unwrap().manifests[0].text.clone()), "a: false");
    // Refused or not: it must not run for ever, nor take all memory.
    let chart = load(&[("templates/t.yaml", r#"a: {{regexMatch "((a{1000}){1000}){1000}" "a"}}"#)]).unwrap();
    bounded(move || render(&chart, &options()).map(drop).map_err(|error| error.to_string())).ok();
}

#[test]
fn deep_nesting() {
    let deep = 100_000;
    template(&format!("{{{{ {}1{} }}}}", "(".repeat(deep), ")".repeat(deep)));
    let nested = format!("{}{}", "{{if 1}}".repeat(deep), "{{end}}".repeat(deep));
    template(&nested);
    let lists = format!("a: {}{}", "[".repeat(deep), "]".repeat(deep));
    contains(&refused(&[("values.yaml", &lists)]), "cannot load values.yaml");
    contains(&refused(&[("templates/t.yaml", &lists)]), "YAML parse error on t/templates/t.yaml");
    let json = format!("{}{}", r#"{"not":"#.repeat(deep), "}".repeat(deep));
    contains(&refused(&[("values.schema.json", &json)]), "schema");
    let json = format!("{}{}", "[".repeat(deep), "]".repeat(deep));
    let chart = load(&[]).unwrap();
    let mut options = options();
    options.values.json.push(format!("a={json}"));
    contains(&bounded(move || render(&chart, &options).unwrap_err().to_string()), "--set-json");
    let path = format!("{}=1", ".a".repeat(1000));
    let chart = load(&[]).unwrap();
    let mut options = self::options();
    options.values.set.push(path);
    contains(&bounded(move || render(&chart, &options).unwrap_err().to_string()), "nested level");
}

#[test]
fn aliases_that_explode() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let inner = vec![format!("*a{}", level - 1); 10].join(", ");
        writeln!(text, "a{level}: &a{level} [{inner}]").unwrap();
    }
    contains(&refused(&[("values.yaml", &text)]), "cannot load values.yaml");
    contains(&refused(&[("templates/t.yaml", &text)]), "YAML parse error on t/templates/t.yaml");
    let chart = load(&[]).unwrap();
    let mut options = options();
    options.values.files.push(ValueFile { name: "bomb.yaml".into(), data: text.into_bytes().into() });
    contains(
        &bounded(move || render(&chart, &options).unwrap_err().to_string()),
        "failed to parse bomb.yaml",
    );
}

#[test]
fn bytes_that_are_no_text() {
    let chart = [
        File::new("Chart.yaml", ABOUT.as_bytes()),
        File::new("templates/a.txt", &b"a: \"\xff\""[..]),
        File::new("templates/b.yaml", &b"b: {{ \"\xff\xfe\" | quote }}"[..]),
    ];
    let chart = Chart::from_files(chart, &limits()).unwrap();
    contains(&render(&chart, &options()).unwrap_err().to_string(), "YAML parse error on t/templates/");
    let broken = [File::new("Chart.yaml", &b"name: \xff"[..])];
    contains(&Chart::from_files(broken, &limits()).unwrap_err().to_string(), "cannot load Chart.yaml");
}

/// An archive with one entry besides `Chart.yaml`.
fn archive(name: &str, kind: EntryType, link: Option<&str>) -> Vec<u8> {
    let mut builder = Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    let mut add = |name: &str, kind: EntryType, link: Option<&str>, data: &[u8]| {
        let mut header = Header::new_gnu();
        // The library would refuse such names.
        header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(kind);
        header.set_size(data.len() as u64);
        header.set_mode(0o644);
        if let Some(link) = link {
            header.set_link_name_literal(link).unwrap();
        }
        header.set_cksum();
        builder.append(&header, data).unwrap();
    };
    add("t/Chart.yaml", EntryType::Regular, None, ABOUT.as_bytes());
    let data: &[u8] = if kind.is_file() { b"a: b\n" } else { b"" };
    add(name, kind, link, data);
    builder.into_inner().unwrap().finish().unwrap()
}

#[test]
fn archives_that_reach_out() {
    let cases = [
        ("t/../../etc/passwd", EntryType::Regular, None, "chart illegally references parent directory"),
        ("t//etc/passwd", EntryType::Regular, None, "chart illegally contains absolute paths"),
        ("t/c:/windows", EntryType::Regular, None, "chart contains illegally named files"),
        ("t", EntryType::Regular, None, "outside the base directory"),
        ("Chart.yaml", EntryType::Regular, None, "outside the base directory"),
        ("t/templates/l", EntryType::Symlink, Some("/etc/passwd"), "a link that leads out of it"),
        ("t/templates/l", EntryType::Symlink, Some("../../../x"), "a link that leads out of it"),
        ("t/templates/l", EntryType::Link, Some("/etc/passwd"), "a link that leads out of it"),
        ("t/templates/d", EntryType::Char, None, "contains a device"),
        ("t/templates/d", EntryType::Block, None, "contains a device"),
        ("t/templates/d", EntryType::Fifo, None, "contains a device"),
    ];
    for (name, kind, link, expected) in cases {
        let error = Chart::from_archive(&archive(name, kind, link), &limits()).unwrap_err();
        contains(&error.to_string(), expected);
    }
    // Links within the chart are nothing, as in Helm.
    let inner = archive("t/templates/l", EntryType::Symlink, Some("../values.yaml"));
    let chart = Chart::from_archive(&inner, &limits()).unwrap();
    assert!(chart.templates()[0].data.is_empty());
}

#[test]
fn archives_that_explode() {
    let mut builder = Builder::new(GzEncoder::new(Vec::new(), Compression::best()));
    let zeros = vec![0; 150 << 20];
    let mut header = Header::new_gnu();
    header.set_size(zeros.len() as u64);
    header.set_mode(0o644);
    builder.append_data(&mut header, "t/zeros", zeros.as_slice()).unwrap();
    drop(zeros);
    let bomb = builder.into_inner().unwrap().finish().unwrap();
    assert!(bomb.len() < 1 << 20);
    let nested = bomb.clone();
    contains(&bounded(move || Chart::from_archive(&bomb, &limits()).unwrap_err().to_string()), "larger than");
    let files = [File::new("Chart.yaml", ABOUT.as_bytes()), File::new("charts/bomb.tgz", nested)];
    contains(&bounded(move || Chart::from_files(files, &limits()).unwrap_err().to_string()), "larger than");
}

#[test]
fn archives_that_are_cut_or_wrong() {
    let whole = archive("t/values.yaml", EntryType::Regular, None);
    for length in [0, 1, 10, 20, whole.len() / 2] {
        assert!(Chart::from_archive(&whole[..length], &limits()).is_err(), "{length}");
    }
    let mut noise = GzEncoder::new(Vec::new(), Compression::fast());
    noise.write_all(&[0xA5; 5000]).unwrap();
    assert!(Chart::from_archive(&noise.finish().unwrap(), &limits()).is_err());
}

#[test]
fn too_many_files() {
    let files = (0..=limits().chart_files).map(|number| File::new(format!("f{number}"), &b""[..]));
    let error = Chart::from_files(files, &limits()).unwrap_err();
    contains(&error.to_string(), "files");
}

#[test]
fn charts_in_themselves() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("Chart.yaml"), ABOUT).unwrap();
    std::fs::create_dir(folder.path().join("charts")).unwrap();
    std::os::unix::fs::symlink("..", folder.path().join("charts/t")).unwrap();
    let path = folder.path().to_owned();
    let message = bounded(move || Chart::from_directory(&path, &limits()).unwrap_err().to_string());
    contains(&message, "inside one another");
    // One that only declares itself lacks itself.
    let about = format!("{ABOUT}dependencies: [{{name: t, version: 0.1.0, repository: 'file://.'}}]\n");
    let chart = Chart::from_files([File::new("Chart.yaml", about.as_bytes())], &limits()).unwrap();
    let message = render(&chart, &options()).unwrap_err().to_string();
    contains(&message, "You may need to run 'helm dependency build' to fetch missing dependencies");
    contains(&message, "missing in charts/ directory: t");
}

#[test]
fn schemas_that_reach_out_or_do_not_end() {
    let schema = |text: &str| refused(&[("values.schema.json", text)]);
    contains(&schema(r#"{"$ref": "https://example.com/schema.json"}"#), "are not fetched from elsewhere");
    contains(&schema(r#"{"$ref": "file:///etc/passwd"}"#), "are not fetched from elsewhere");
    contains(&schema(r#"{"properties": {"a": {"pattern": "(a{1000}){1000}"}}}"#), "schema");
    // Each schema asks the next one twice.
    let mut definitions = r#""d30": {"type": "string"}"#.to_owned();
    for level in 0..30 {
        let next = format!(r##"{{"$ref": "#/$defs/d{}"}}"##, level + 1);
        write!(definitions, r#", "d{level}": {{"anyOf": [{next}, {next}]}}"#).unwrap();
    }
    contains(&schema(&format!(r##"{{"$ref": "#/$defs/d0", "$defs": {{{definitions}}}}}"##)), "schema");
    // One that is itself says nothing, or is refused; it must not run for ever.
    for endless in [r##"{"$ref": "#"}"##, r##"{"allOf": [{"$ref": "#"}]}"##, r##"{"not": {"$ref": "#"}}"##] {
        let files = [("values.schema.json".to_owned(), endless.to_owned())];
        bounded(move || {
            let chart = load(&[(&files[0].0, &files[0].1)]).unwrap();
            render(&chart, &options()).map(drop).map_err(|error| error.to_string())
        })
        .ok();
    }
}

#[test]
fn what_is_not_there() {
    contains(&template("{{nosuch 1}}"), r#"function "nosuch" not defined"#);
    contains(&template(r#"{{include "nosuch" .}}"#), r#"no template "nosuch""#);
    contains(&refused(&[("charts/sub/values.yaml", "a: 1")]), "Chart.yaml file is missing");
    let error = Chart::from_files([], &limits()).unwrap_err();
    contains(&error.to_string(), "Chart.yaml file is missing");
}
