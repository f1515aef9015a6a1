//! Times compiling and executing a workload as charts have it.
//!
//! ```text
//! cargo run --release -p gotemplate --example bench [ROUNDS]
//! ```
//!
//! `gotemplate-peer bench` (in tests/gotemplate-peer) times the same in Go.

use std::sync::Arc;
use std::time::{Duration, Instant};

use gotemplate::{
    Context, Error, Function, FunctionError, Functions, Limits, Scope, Set, Signature, Str, Type, Value,
};

const TEXT: &str = include_str!("bench.tmpl");

fn functions() -> Functions {
    const ANY: Type = Type::Interface;
    let mut functions = Functions::new();
    functions.add(Function::new("default", Signature::fixed(&[ANY, ANY], ANY), |_, args| {
        Ok(if args.get(1).truth() { args.take(1) } else { args.take(0) })
    }));
    functions.add(Function::new("quote", Signature::fixed(&[ANY], Type::String), |_, args| {
        let text = match args.get(0) {
            Value::String(text) => text.clone(),
            other => Str::from(gotemplate::sprint(std::slice::from_ref(other))),
        };
        Ok(Value::String(gotemplate::quote(&text).into()))
    }));
    functions.add(Function::new(
        "indent",
        Signature::fixed(&[Type::INT, Type::String], Type::String),
        |ctx, args| {
            let width = usize::try_from(args.int(0)).unwrap_or(0);
            let text = args.str(1);
            let mut out = Vec::with_capacity(text.len() + 16 * width);
            for line in text.split(|byte| *byte == b'\n') {
                out.push(b'\n');
                out.resize(out.len() + width, b' ');
                out.extend_from_slice(line);
            }
            ctx.allocate(out.len())?;
            Ok(Value::String(out.into()))
        },
    ));
    functions.add(Function::new(
        "include",
        Signature::fixed(&[Type::String, ANY], Type::String),
        |ctx, args| {
            let name = args.str(0).clone();
            let data = args.take(1);
            Ok(Value::String(ctx.execute_to_str(&name, data).map_err(FunctionError::from)?))
        },
    ));
    functions
}

fn service(number: usize) -> Value {
    let entry = |name: String, value: String| Value::from([("name", name), ("value", value)]);
    let env: Vec<Value> = (0..10)
        .map(|index| entry(format!("SETTING_{index}"), format!("value {index} of {number}")))
        .collect();
    let port = |name: &str, port: f64, protocol: &str| {
        Value::from([
            ("name", Value::from(name)),
            ("port", Value::float64(port)),
            ("protocol", Value::from(protocol)),
        ])
    };
    Value::from([
        ("name", Value::from(format!("service-{number}"))),
        ("replicas", Value::float64(2.0)),
        ("autoscaling", Value::from([("enabled", false)])),
        ("serviceAccount", Value::from("runner")),
        ("labels", Value::from([("tier", "back"), ("team", "platform"), ("stage", "production")])),
        (
            "image",
            Value::from([
                ("repository", "registry.example.com/team/service"),
                ("pullPolicy", "IfNotPresent"),
            ]),
        ),
        ("env", Value::from(env)),
        ("ports", Value::from(vec![port("http", 8080.0, "TCP"), port("dns", 53.0, "UDP")])),
    ])
}

fn data() -> Value {
    let services: Vec<Value> = (0..50).map(service).collect();
    Value::from([
        ("Chart", Value::from([("Name", "bench"), ("Version", "1.2.3"), ("AppVersion", "4.5.6")])),
        ("Release", Value::from([("Name", "demo"), ("Namespace", "demo-ns"), ("Service", "Helm")])),
        (
            "Values",
            Value::from([
                ("services", Value::from(services)),
                ("global", Value::from([("pullPolicy", "Always")])),
                ("nameOverride", Value::from("")),
            ]),
        ),
    ])
}

/// The median of the times that `work` takes.
fn time(rounds: usize, mut work: impl FnMut() -> Result<(), Error>) -> Result<Duration, Error> {
    let mut times = Vec::with_capacity(rounds);
    for _ in 0..rounds {
        let begin = Instant::now();
        work()?;
        times.push(begin.elapsed());
    }
    times.sort();
    Ok(times.get(rounds / 2).copied().unwrap_or_default())
}

fn main() -> Result<(), Error> {
    let rounds = std::env::args().nth(1).and_then(|rounds| rounds.parse().ok()).unwrap_or(500);
    let functions = Arc::new(functions());
    let compile = time(rounds, || {
        let mut set = Set::with_functions("bench", Arc::clone(&functions));
        set.parse("bench", TEXT)
    })?;
    let mut set = Set::with_functions("bench", functions);
    set.parse("bench", TEXT)?;
    let set = Arc::new(set);
    let _scope = Scope::enter();
    let data = data();
    let mut bytes = 0;
    let execute = time(rounds, || {
        let output = Context::new(&set, Limits::default()).execute("bench", data.clone())?;
        bytes = output.len();
        Ok(())
    })?;
    println!("compile {} bytes: {compile:?}; execute to {bytes} bytes: {execute:?}", TEXT.len());
    Ok(())
}
