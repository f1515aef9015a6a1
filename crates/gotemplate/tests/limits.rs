//! Templates that want too much, and texts that are nested too deep.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use gotemplate::{Context, Error, Limit, Limits, Map, Scope, Set, Value};
use support::functions;

/// Runs on a thread with a small stack, as servers have them.
fn on_small_stack<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    thread::Builder::new().stack_size(512 * 1024).spawn(work).unwrap().join().unwrap()
}

fn render(text: &str, limits: Limits) -> Result<Vec<u8>, Error> {
    let mut set = Set::with_functions("t", functions::all());
    set.parse("t", text)?;
    let mut host = functions::Host::default();
    Context::new(&Arc::new(set), limits).with_host(&mut host).execute("t", Value::from([("m", Map::new())]))
}

/// The message of an error, which must be a limit and name template and line.
fn limit(text: &str, limits: Limits) -> (Limit, String) {
    let error = render(text, limits).unwrap_err();
    let message = error.to_string();
    assert!(message.starts_with("template: t:"), "{message}");
    (error.limit().unwrap_or_else(|| panic!("{message}")), message)
}

#[test]
fn endless_ranges_stop_at_their_steps() {
    let limits = Limits { steps: 100_000, ..Limits::default() };
    let (reached, message) = limit("\n{{range 1000000000}}{{end}}", limits);
    assert_eq!(reached, Limit::Steps(100_000));
    assert!(message.starts_with("template: t:2:"), "{message}");
    assert_eq!(limit("{{range 1000000000}}{{$x := 1}}{{end}}", limits).0, Limit::Steps(100_000));
    assert!(render("{{range 1000}}{{end}}", limits).is_ok());
}

#[test]
fn endless_ranges_stop_at_their_deadline() {
    let begin = Instant::now();
    let deadline = begin + Duration::from_millis(50);
    let limits = Limits { steps: u64::MAX, deadline: Some(deadline), ..Limits::default() };
    assert_eq!(limit("{{range 100000000000}}{{end}}", limits).0, Limit::Deadline);
    assert!(begin.elapsed() < Duration::from_secs(5));
}

#[test]
fn strings_that_double_stop_at_what_they_allocate() {
    let text = r#"{{$x := "0123456789"}}{{range 60}}{{$x = printf "%s%s" $x $x}}{{end}}{{len $x}}"#;
    let limits = Limits { allocated_bytes: 50_000_000, ..Limits::default() };
    assert_eq!(limit(text, limits).0, Limit::AllocatedBytes(50_000_000));
    let lists = "{{$x := list 1 2 3}}{{range 60}}{{$x = list $x $x $x}}{{end}}{{print $x}}";
    assert_eq!(limit(lists, limits).0, Limit::AllocatedBytes(50_000_000));
}

#[test]
fn printing_in_functions_stops_at_what_it_allocates() {
    let limits = Limits { allocated_bytes: 1_000_000, ..Limits::default() };
    let mut ctx = Context::new(&Arc::new(Set::new("t")), limits);
    let doubled = (0..60).fold(Value::from("x"), |value, _| Value::from(vec![value.clone(), value]));
    assert_eq!(ctx.sprint(&[Value::int(1), Value::Nil]).unwrap(), "1 <nil>");
    assert_eq!(ctx.sprintf(b"%v", &[doubled]).unwrap_err(), Limit::AllocatedBytes(1_000_000));
}

#[test]
fn output_is_bounded() {
    let limits = Limits { output_bytes: 10_000, ..Limits::default() };
    assert_eq!(limit("{{range 100000}}0123456789{{end}}", limits).0, Limit::OutputBytes(10_000));
    assert_eq!(
        limit("{{$x := list 1 2 3}}{{range 20}}{{$x = list $x $x}}{{end}}{{$x}}", limits).0,
        Limit::OutputBytes(10_000)
    );
    assert_eq!(limit(r#"{{printf "%100000d" 1}}"#, limits).0, Limit::OutputBytes(10_000));
}

#[test]
fn wide_formats_are_bounded() {
    let limits = Limits { allocated_bytes: 100_000, ..Limits::default() };
    assert_eq!(limit(r#"{{len (printf "%1000000d" 1)}}"#, limits).0, Limit::AllocatedBytes(100_000));
    assert_eq!(limit(r#"{{len (printf "%.1000000f" 1.0)}}"#, limits).0, Limit::AllocatedBytes(100_000));
}

#[test]
fn recursion_is_bounded() {
    on_small_stack(|| {
        let limits = Limits { depth: 5_000, ..Limits::default() };
        let text = "\n\n{{define \"r\"}}{{if true}}{{with .}}{{template \"r\" .}}{{end}}{{end}}{{end}}{{template \"r\" .}}";
        let (reached, message) = limit(text, limits);
        assert_eq!(reached, Limit::Depth(5_000));
        assert_eq!(
            message,
            "template: t:3:46: executing \"r\" at <{{template \"r\" .}}>: exceeded maximum template depth (5000)"
        );
        let text = "{{define \"t\"}}{{tpl \"{{template `t` .}}\" .}}{{end}}";
        assert_eq!(limit(text, Limits { depth: 3_000, ..Limits::default() }).0, Limit::Depth(3_000));
    });
}

#[test]
fn errors_out_of_deep_recursion_are_dropped_and_shown() {
    on_small_stack(|| {
        let text = r#"{{define "r"}}{{if eq . 0}}{{fail "end"}}{{end}}{{tpl "{{template `r` .}}" (add . -1)}}{{end}}{{template "r" 500}}"#;
        let error = render(text, Limits::default()).unwrap_err();
        let Error::Exec(error) = &error else { panic!("{error}") };
        assert_eq!(error.frames().len(), 501);
        assert!(error.to_string().ends_with("error calling fail: end"));
    });
}

#[test]
fn a_limit_once_passed_stays_passed() {
    let mut set = Set::new("t");
    set.parse("long", "{{range 1000000}}{{end}}").unwrap();
    set.parse("short", "x{{1}}").unwrap();
    let mut ctx = Context::new(&Arc::new(set), Limits { steps: 5000, ..Limits::default() });
    assert!(ctx.execute("short", Value::Nil).is_ok());
    for name in ["long", "short"] {
        assert_eq!(ctx.execute(name, Value::Nil).unwrap_err().limit(), Some(Limit::Steps(5000)));
    }
}

#[test]
fn deep_brackets_are_an_error() {
    on_small_stack(|| {
        let parse = |text: String| Set::new("t").parse("t", text).map_err(|error| error.to_string());
        let parens = |count| format!("{{{{{}1{}}}}}", "(".repeat(count), ")".repeat(count));
        assert_eq!(parse(parens(10_000)), Ok(()));
        assert_eq!(parse(parens(100_000)), Err("template: t:1: max expression depth exceeded".to_owned()));
        let statements = |count| format!("{}{}", "{{if 1}}".repeat(count), "{{end}}".repeat(count));
        assert_eq!(parse(statements(10_000)), Ok(()));
        let exceeded = Err("template: t:1: max control structure depth exceeded".to_owned());
        assert_eq!(parse(statements(100_000)), exceeded);
        assert_eq!(parse(format!("{{{{if 1}}}}{}", "{{else if 1}}".repeat(100_000))), exceeded);
        assert_eq!(parse("{{block `x` .}}".repeat(100_000)), exceeded);
        assert_eq!(
            parse(format!("{{{{{}", "(".repeat(5_000))),
            Err("template: t:1: unclosed action".to_owned())
        );
    });
}

#[test]
fn deep_brackets_are_executed_and_shown() {
    on_small_stack(|| {
        let text = format!("{{{{{}.m.q.r{}}}}}", "(".repeat(10_000), ")".repeat(10_000));
        assert_eq!(render(&text, Limits::default()).unwrap(), b"<no value>");
        let text = format!("{{{{print {}upper 1{}}}}}", "(".repeat(9_000), ")".repeat(9_000));
        assert!(render(&text, Limits::default()).is_err());
        let text = format!("{}{{{{.m.k}}}}{}", "{{with .}}".repeat(9_000), "{{end}}".repeat(9_000));
        assert!(render(&text, Limits::default()).is_ok());
    });
}

#[test]
fn deep_values_are_printed_and_freed() {
    on_small_stack(|| {
        let nested =
            |rounds: u32| format!("{{{{$x := list}}}}{{{{range {rounds}}}}}{{{{$x = list $x}}}}{{{{end}}}}");
        let text = nested(5_000) + "{{len (print $x)}}";
        assert_eq!(render(&text, Limits::default()).unwrap(), b"10002");
        assert_eq!(limit(&(nested(20_000) + "{{print $x}}"), Limits::default()).0, Limit::Nesting(10_000));
        assert_eq!(limit(&(nested(20_000) + "{{$x}}"), Limits::default()).0, Limit::Nesting(10_000));
        assert!(render(&nested(300_000), Limits::default()).is_ok());
        let maps = "{{$x := dict}}{{range 300000}}{{$x = dict 1 $x}}{{end}}";
        assert!(render(maps, Limits::default()).is_ok());
    });
}

#[test]
fn maps_that_contain_themselves_are_an_error_and_freed() {
    on_small_stack(|| {
        let scope = Scope::enter();
        let map = Map::new();
        let mut set = Set::with_functions("t", functions::all());
        set.parse(
            "t",
            "{{$_ := set . `self` .}}{{$m := dict}}{{$_ := set $m `m` $m}}{{.self.self.self.x}}{{.}}",
        )
        .unwrap();
        let error = set.render("t", Value::Map(map.clone())).unwrap_err();
        assert_eq!(error.limit(), Some(Limit::Nesting(10_000)));
        assert_eq!(map.len(), 1);
        drop(scope);
        assert_eq!(map.len(), 0);
        // Two ways into itself at each level would be two to the power of the depth.
        let text = "{{$m := dict}}{{$_ := set $m `a` $m}}{{$_ := set $m `b` $m}}{{print $m}}";
        let _scope = Scope::enter();
        assert!(
            render(text, Limits { allocated_bytes: 1_000_000, ..Limits::default() })
                .unwrap_err()
                .limit()
                .is_some()
        );
    });
}

#[test]
fn many_variables_are_found_quickly() {
    let declared: String =
        (0..50_000).fold(String::new(), |text, number| text + &format!("{{{{$v{number} := 1}}}}"));
    let used = "{{$_ := $v0}}".repeat(50_000);
    let begin = Instant::now();
    assert!(render(&(declared + &used), Limits::default()).is_ok());
    assert!(begin.elapsed() < Duration::from_secs(30));
}

#[test]
fn a_compiled_set_runs_on_many_threads_at_once() {
    let mut set = Set::new("t");
    set.parse("t", "{{range $i := .n}}{{template `u` $i}}{{end}}{{define `u`}}{{printf `%03d ` .}}{{end}}")
        .unwrap();
    let set = Arc::new(set);
    let threads: Vec<_> = (0..8)
        .map(|number| {
            let set = Arc::clone(&set);
            thread::spawn(move || set.render("t", Value::from([("n", Value::int(number))])).unwrap())
        })
        .collect();
    for (number, thread) in threads.into_iter().enumerate() {
        let expected: String = (0..number).fold(String::new(), |text, index| text + &format!("{index:03} "));
        assert_eq!(thread.join().unwrap(), expected.into_bytes());
    }
}

#[test]
fn functions_of_other_sets_are_refused() {
    let unit = Set::new("a").compile("t", "x").unwrap();
    let error = Set::new("b").add(&Arc::new(unit)).unwrap_err();
    assert!(matches!(error, Error::OtherFunctions { .. }));
}
