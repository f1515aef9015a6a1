//! The functions that need the engine, and the words of errors. The expected texts are those of Helm 4.3.1.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use tiphys_helm::{Chart, File, Limits, Options, render_templates};

fn render(templates: &[(&str, &str)]) -> Result<String, String> {
    let chart = "apiVersion: v2\nname: t\nversion: 0.1.0\n";
    let mut files = vec![File::new("Chart.yaml", chart.as_bytes())];
    files
        .extend(templates.iter().map(|(path, text)| File::new(format!("templates/{path}"), text.as_bytes())));
    let chart = Chart::from_files(files, &Limits::default()).map_err(|error| error.to_string())?;
    let outputs =
        render_templates(&chart, &Options::new("demo", "demo-ns")).map_err(|error| error.to_string())?;
    let main = outputs.into_iter().find(|(path, _)| path == "t/templates/t");
    Ok(main.map(|(_, text)| String::from_utf8(text).unwrap()).unwrap_or_default())
}

fn fails(text: &str, expected: &str) {
    assert_eq!(render(&[("t", text)]).unwrap_err(), expected, "{text}");
}

#[test]
fn templates_include_one_another_and_run_texts() {
    let cases = [
        (r#"{{define "a"}}<{{.}}>{{end}}{{include "a" 5}}"#, "<5>"),
        (r#"{{tpl "{{.Release.Name}} {{.Values.x}}" .}}"#, "demo "),
        (r#"{{tpl "{{define \"x\"}}in{{end}}{{include \"x\" .}}" .}}"#, "in"),
        (r#"{{tpl "plain <no value>" .}}|{{.Values.missing}}|<no value>"#, "plain ||"),
        (r#"{{required "x" 1}}{{lookup "v1" "Pod" "" ""}}"#, "1map[]"),
    ];
    for (text, expected) in cases {
        assert_eq!(render(&[("t", text)]).as_deref(), Ok(expected), "{text}");
    }
}

#[test]
fn errors_are_in_the_words_of_helm() {
    fails(r#"{{fail "no: way"}}"#, "execution error at (t/templates/t:1:2): no: way");
    fails(
        "\n{{define \"a\"}}\n{{required \"need x\" .Values.x}}{{end}}{{include \"a\" .}}",
        "execution error at (t/templates/t:3:40): need x",
    );
    fails(
        r#"{{define "a"}}{{.Values.a.b}}{{end}}{{include "a" .}}"#,
        "t/templates/t:1:38\n  executing \"t/templates/t\" at <include \"a\" .>:\n    error calling include:\n\
         t/templates/t:1:23\n  executing \"a\" at <.Values.a.b>:\n    nil pointer evaluating interface {}.b",
    );
    fails(
        r#"{{include "b" .}}"#,
        "t/templates/t:1:2\n  executing \"t/templates/t\" at <include \"b\" .>:\n    error calling include:\n\
         template: no template \"b\" associated with template \"gotpl\"",
    );
    fails(
        r#"{{tpl "{{.a.b.c}}" .}}"#,
        "template: t/templates/t:1:2: executing \"t/templates/t\" at <tpl \"{{.a.b.c}}\" .>: error calling tpl: \
         error during tpl function execution for \"{{.a.b.c}}\": template: gotpl:1:4: executing \"gotpl\" at \
         <.a.b.c>: nil pointer evaluating interface {}.b",
    );
    fails("{{nothing}}", "parse error at (t/templates/t:1): function \"nothing\" not defined");
}
