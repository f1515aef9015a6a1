//! Go's `text/template` in Rust.
//!
//! The whole language of Go 1.26 with its kinds of values, its `printf` and its error texts. Texts are compiled
//! once into compact tables and executed many times, from any number of threads. Every execution counts its steps,
//! its output, what it allocates and how deep it goes, so templates from strangers can be run.
//!
//! ```
//! use gotemplate::{Set, Value};
//!
//! let mut set = Set::new("greetings");
//! set.parse("hello", "{{range .names}}Hello, {{.}}!\n{{end}}")?;
//! let names = vec![Value::from("Ada"), Value::from("Grace")];
//! let output = set.render("hello", Value::from([("names", names)]))?;
//! assert_eq!(output, b"Hello, Ada!\nHello, Grace!\n");
//! # Ok::<(), gotemplate::Error>(())
//! ```
//!
//! # Threads
//!
//! A [`Set`] and everything compiled is `Send` and `Sync`. [`Value`]s are not: they are reference counted without
//! atomics and maps are shared and mutable, as in Go. So each execution owns a graph of values of its own, built
//! on the thread that runs it, and only compiled templates are shared. That is both faster and closer to Go, where
//! templates may be executed in parallel but the data must not be changed at the same time.
//!
//! # Functions and state
//!
//! [`Functions`] are registered by name with a [`Signature`]; the engine checks arguments as Go does. A function
//! gets the [`Context`], through which it can execute other templates, count what it uses, and reach a state that
//! the program gave ([`Context::host`]).

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod builtins;
mod error;
mod exec;
mod fmt;
mod function;
mod lex;
mod limits;
mod node;
mod parse;
mod print;
mod set;
mod unicode;
mod value;

pub use error::{Call, Error, ExecError, Frame, ParseError, Position, Reason};
pub use exec::Context;
pub use fmt::{print_float, quote::quote, sprint, sprintf, sprintln};
pub use function::{Args, Function, FunctionError, Functions, Signature};
pub use limits::{Limit, Limits};
pub use node::Unit;
pub use set::{MissingKey, Set};
pub use value::{FloatType, IntType, Kind, List, Map, Native, Scope, Str, Type, UintType, Value};
