//! Any template that parses is executed to an end, within its limits.

#![no_main]

use std::sync::Arc;

use gotemplate::{Context, Limits, Scope, Set, Value};
use libfuzzer_sys::fuzz_target;

fn data() -> Value {
    let inner = Value::from([("b", Value::from("text")), ("n", Value::Nil), ("f", Value::float64(1.5))]);
    let list = Value::from(vec![Value::int(1), Value::from("two"), Value::Nil, inner.clone()]);
    Value::from([("a", inner), ("list", list), ("number", Value::int64(7)), ("yes", Value::Bool(true))])
}

fuzz_target!(|text: &[u8]| {
    let mut set = Set::new("fuzz");
    if set.parse("fuzz", text).is_err() {
        return;
    }
    let _scope = Scope::enter();
    let limits = Limits {
        steps: 10_000,
        output_bytes: 1 << 20,
        allocated_bytes: 1 << 20,
        depth: 100,
        ..Limits::default()
    };
    let _ = Context::new(&Arc::new(set), limits).execute("fuzz", data());
});
