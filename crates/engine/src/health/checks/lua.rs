//! Checks in Lua, with the interface of Argo CD: the global `obj` is the object, the result a table with `status` and
//! `message`, or nothing.
//!
//! The interpreter is Luau, which understands what Lua 5.1 does and is made to run what nobody trusts: no bytecode but
//! our own is loaded, and it can be stopped within a pattern too, where the interpreter of Lua 5.1 cannot (a pattern
//! alone can take years there). Each evaluation has a state of its own, with the functions of [`GLOBALS`] and no
//! others: `pcall` and coroutines would let a script go on after it was told to stop.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use mlua::chunk::{ChunkMode, Compiler};
use mlua::{Error, Function, Lua, LuaOptions, StdLib, Table, Value, VmState};
use serde_json::Value as Json;
use tiphys_api::Health;

use super::{CheckError, MAX_OBJECT, is_visible, shorten};
use crate::health::HealthStatus;

/// Memory of a script, its copy of the object included.
const MAX_MEMORY: usize = 32 * 1024 * 1024;
/// Calls, rounds of loops and steps of patterns in one evaluation: the same script and object always end the same way.
const MAX_STEPS: u64 = 200_000;
/// A step can still be a slow one, such as making a long text. Time of the processor, and much more of it than what the
/// other bounds let through takes, so that a busy machine does not change what a check says: where machines are shared,
/// time that another one took counts as used.
const MAX_TIME: Duration = Duration::from_secs(1);
/// Most comparisons that a search for plain text may need: it is one step.
const MAX_SEARCH: usize = 64 * 1024 * 1024;

/// What a script finds.
const GLOBALS: &[&str] = &[
    "_G",
    "_VERSION",
    "assert",
    "error",
    "getmetatable",
    "ipairs",
    "math",
    "next",
    "os",
    "pairs",
    "rawequal",
    "rawget",
    "rawlen",
    "rawset",
    "select",
    "setmetatable",
    "string",
    "table",
    "tonumber",
    "tostring",
    "type",
    "unpack",
];
/// What of `os` it finds: nothing that tells of the machine.
const OS: &[&str] = &["clock", "date", "difftime", "time"];

/// A script, compiled.
pub(super) struct Script {
    bytecode: Vec<u8>,
}

impl Script {
    pub(super) fn compile(source: &str) -> Result<Self, String> {
        let bytecode = Compiler::new().set_optimization_level(1).compile(source);
        Ok(Self { bytecode: bytecode.map_err(|error| first_line(&error))? })
    }

    /// What it says of an object; nothing when it returns nothing.
    pub(super) fn judge(&self, object: &Json) -> Result<Option<HealthStatus>, CheckError> {
        let stopped = Rc::new(Cell::new(None));
        let answer = self.run(object, &stopped);
        match (stopped.get(), answer) {
            (Some(why), _) => Err(CheckError::Stopped(why)),
            (None, Ok(answer)) => answer,
            (None, Err(error)) if is_memory(&error) => {
                Err(CheckError::Stopped("it needs more than 32 MiB of memory"))
            }
            (None, Err(error)) => Err(CheckError::Failed(first_line(&error))),
        }
    }

    fn run(
        &self,
        object: &Json,
        stopped: &Rc<Cell<Option<&'static str>>>,
    ) -> mlua::Result<Result<Option<HealthStatus>, CheckError>> {
        let libraries = StdLib::TABLE | StdLib::STRING | StdLib::MATH | StdLib::OS;
        let lua = Lua::new_with(libraries, LuaOptions::default())?;
        lua.set_memory_limit(MAX_MEMORY)?;
        close(&lua)?;
        let mut size = 0;
        let Some(object) = value_of(&lua, object, &mut Vec::new(), &mut size)? else {
            return Ok(Err(CheckError::TooLarge));
        };
        lua.globals().raw_set("obj", object)?;
        bound(&lua, Rc::clone(stopped));
        let answer: Value =
            lua.load(&self.bytecode[..]).set_mode(ChunkMode::Binary).set_name("=check").eval()?;
        read(&answer)
    }
}

/// Leaves only what a script may use.
fn close(lua: &Lua) -> mlua::Result<()> {
    keep(&lua.globals(), GLOBALS)?;
    let os: Table = lua.globals().raw_get("os")?;
    keep(&os, OS)?;
    // Scripts of Argo CD ask for `os` this way.
    let require = lua.create_function(move |_, name: String| {
        if name == "os" {
            Ok(os.clone())
        } else {
            Err(Error::runtime(format!("there is no module `{name}`; a health check has only `os`")))
        }
    })?;
    lua.globals().raw_set("require", require)?;
    let string: Table = lua.globals().raw_get("string")?;
    string.raw_set("split", Value::Nil)?;
    let find: Function = string.raw_get("find")?;
    let bounded = lua.create_function(move |_, args: mlua::MultiValue| {
        let length =
            |index: usize| args.get(index).and_then(Value::as_string).map_or(0, |it| it.as_bytes().len());
        if length(0).saturating_mul(length(1)) > MAX_SEARCH {
            return Err(Error::runtime("string.find: the texts are too long"));
        }
        find.call::<mlua::MultiValue>(args)
    })?;
    string.raw_set("find", bounded)
}

fn keep(table: &Table, names: &[&str]) -> mlua::Result<()> {
    let keys: Vec<String> =
        table.pairs::<String, Value>().map(|pair| Ok(pair?.0)).collect::<mlua::Result<_>>()?;
    for key in keys.iter().filter(|key| !names.contains(&key.as_str())) {
        table.raw_set(key.as_str(), Value::Nil)?;
    }
    Ok(())
}

/// Stops the script when it has taken too many steps or too long.
fn bound(lua: &Lua, stopped: Rc<Cell<Option<&'static str>>>) {
    let (began, steps) = (processor_time(), Cell::new(0_u64));
    lua.set_interrupt(move |_| {
        steps.set(steps.get() + 1);
        if steps.get() > MAX_STEPS {
            stopped.set(Some("it took 200000 steps and was not done"));
        } else if processor_time().saturating_sub(began) > MAX_TIME {
            stopped.set(Some("it ran for 1 s and was not done"));
        }
        if stopped.get().is_some() { Err(Error::runtime("stopped")) } else { Ok(VmState::Continue) }
    });
}

/// Time of the processor that this thread has used.
fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

/// The health that a script returned.
fn read(answer: &Value) -> mlua::Result<Result<Option<HealthStatus>, CheckError>> {
    let Value::Table(answer) = answer else {
        let nothing = answer.is_nil();
        let error = || CheckError::Failed(format!("it returned a {}, not a table", answer.type_name()));
        return Ok(if nothing { Ok(None) } else { Err(error()) });
    };
    let text = |field: &str| match answer.raw_get::<Value>(field)? {
        Value::Nil => Ok::<_, Error>(String::new()),
        value => value.to_string(),
    };
    let status = text("status")?;
    let health = match status.as_str() {
        "" => return Ok(Ok(None)),
        "Healthy" => Health::Healthy,
        "Progressing" => Health::Progressing,
        "Degraded" => Health::Degraded,
        "Suspended" => Health::Suspended,
        "Missing" => Health::Missing,
        "Unknown" => Health::Unknown,
        other => {
            let other = shorten(other.to_owned());
            return Ok(Err(CheckError::Failed(format!(
                "it returned the status `{other}`, which there is not"
            ))));
        }
    };
    Ok(Ok(Some(HealthStatus::new(health, "", shorten(text("message")?)))))
}

/// JSON as a script sees it: `null` is not there, as in Argo CD. None when the object is too large.
fn value_of<'a>(
    lua: &Lua,
    json: &'a Json,
    path: &mut Vec<&'a str>,
    size: &mut usize,
) -> mlua::Result<Option<Value>> {
    *size += 8;
    if *size > MAX_OBJECT {
        return Ok(None);
    }
    let value = match json {
        Json::Null => Value::Nil,
        Json::Bool(value) => Value::Boolean(*value),
        Json::Number(number) => Value::Number(number.as_f64().unwrap_or(f64::NAN)),
        Json::String(text) => {
            *size += text.len();
            Value::String(lua.create_string(text)?)
        }
        Json::Array(items) => {
            let table = lua.create_table_with_capacity(items.len(), 0)?;
            for item in items {
                let Some(value) = value_of(lua, item, &mut vec!["[]"], size)? else { return Ok(None) };
                table.raw_push(value)?;
            }
            Value::Table(table)
        }
        Json::Object(fields) => {
            let table = lua.create_table_with_capacity(0, fields.len())?;
            for (name, field) in fields {
                path.push(name);
                if is_visible(path) {
                    *size += name.len();
                    let Some(value) = value_of(lua, field, path, size)? else { return Ok(None) };
                    table.raw_set(name.as_str(), value)?;
                }
                path.pop();
            }
            Value::Table(table)
        }
    };
    Ok(Some(value))
}

fn is_memory(error: &Error) -> bool {
    match error {
        Error::MemoryError(_) => true,
        Error::CallbackError { cause, .. } => is_memory(cause),
        // Memory that a library function asked for is refused with a text alone.
        Error::RuntimeError(text) => text.contains("not enough memory"),
        _ => false,
    }
}

/// What went wrong, without the stack.
fn first_line(error: &Error) -> String {
    let text = match error {
        Error::CallbackError { cause, .. } => cause.to_string(),
        Error::SyntaxError { message, .. } | Error::RuntimeError(message) => message.clone(),
        other => other.to_string(),
    };
    shorten(text.lines().next().unwrap_or_default().to_owned())
}
