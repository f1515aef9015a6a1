//! The values of cases; the same as in tests/gotemplate-peer/values.go.

use std::any::Any;
use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;

use gotemplate::{
    Args, Context, FloatType, Function, FunctionError, IntType, List, Map, Native, Signature, Str, Type,
    UintType, Value,
};
use serde_json::Value as Json;

use super::from_latin1;

const VALUES: Type = Type::Named("main.Values", &Type::ANY_MAP);
const BOX: Type = Type::Struct("main.Box");

/// JSON as itself; an object with one key that begins with a dollar sign as a value of another type.
pub fn decode(json: &Json) -> Value {
    match json {
        Json::Null => Value::Nil,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => Value::float64(number.as_f64().unwrap()),
        Json::String(text) => Value::from(text.as_str()),
        Json::Array(items) => Value::from(items.iter().map(decode).collect::<Vec<_>>()),
        Json::Object(entries) => {
            if let Some((key, value)) = entries.iter().next()
                && entries.len() == 1
                && let Some(name) = key.strip_prefix('$')
            {
                return special(name, value);
            }
            Value::Map(entries.iter().map(|(key, value)| (key.as_str(), decode(value))).collect())
        }
    }
}

fn texts(json: &Json) -> impl Iterator<Item = &str> {
    json.as_array().unwrap().iter().map(|item| item.as_str().unwrap())
}

fn special(name: &str, json: &Json) -> Value {
    let int = |typ| Value::Int(typ, json.as_i64().unwrap());
    let uint = |typ| Value::Uint(typ, json.as_u64().unwrap());
    match name {
        "int" => int(IntType::Int),
        "int8" => int(IntType::Int8),
        "int16" => int(IntType::Int16),
        "int32" => int(IntType::Int32),
        "int64" => int(IntType::Int64),
        "uint" => uint(UintType::Uint),
        "uint8" => uint(UintType::Uint8),
        "uint16" => uint(UintType::Uint16),
        "uint32" => uint(UintType::Uint32),
        "uint64" => uint(UintType::Uint64),
        "float32" => Value::Float(FloatType::Float32, f64::from(json.as_f64().unwrap() as f32)),
        "inf" => Value::float64(json.as_f64().unwrap() / 0.0),
        "complex" => Value::Complex(json[0].as_f64().unwrap(), json[1].as_f64().unwrap()),
        "latin1" => Value::String(from_latin1(json.as_str().unwrap()).into()),
        "bytes" => Value::Bytes(from_latin1(json.as_str().unwrap()).into()),
        "strings" => Value::List(List::of_strings(texts(json))),
        "ints" => {
            let items =
                json.as_array().unwrap().iter().map(|item| Value::int(item.as_i64().unwrap())).collect();
            Value::List(List::with_type(&Type::INT_LIST, items))
        }
        "stringmap" => {
            let map = Map::with_type(&Type::STRING_MAP);
            for (key, value) in json.as_object().unwrap() {
                map.insert(key.as_str(), value.as_str().unwrap());
            }
            Value::Map(map)
        }
        "values" => {
            let map = Map::with_type(&VALUES);
            for (key, value) in json.as_object().unwrap() {
                map.insert(key.as_str(), decode(value));
            }
            Value::Map(map)
        }
        "names" => Value::Native(Rc::new(Names(List::of_strings(texts(json))))),
        "level" => Value::Native(Rc::new(Level(json.as_i64().unwrap()))),
        "duration" => Value::Native(Rc::new(Duration(json.as_i64().unwrap()))),
        "box" => Value::Native(Rc::new(Boxed {
            label: json["Label"].as_str().unwrap_or_default().into(),
            count: json["Count"].as_i64().unwrap_or_default(),
            inner: decode(&json["Inner"]),
        })),
        "nil" => Value::TypedNil(match json.as_str().unwrap() {
            "map" => &Type::ANY_MAP,
            "strings" => &Type::STRING_LIST,
            "list" => &Type::ANY_LIST,
            "bytes" => &Type::BYTES,
            _ => &Type::Pointer(&BOX),
        }),
        "func" => Value::Func(Arc::new(match json.as_str().unwrap() {
            "add" => Function::new("", Signature::fixed(&[Type::INT, Type::INT], Type::INT), |_, args| {
                Ok(Value::int(args.int(0) + args.int(1)))
            })
            .with_go_type("func(int, int) int"),
            "join" => Function::new(
                "",
                Signature::variadic(&[Type::String, Type::String], Type::String),
                |_, args| {
                    let parts: Vec<&[u8]> =
                        args.rest(1).iter().map(|part| part.as_string().unwrap().as_bytes()).collect();
                    Ok(Value::String(parts.join(args.str(0).as_bytes()).into()))
                },
            )
            .with_go_type("func(string, ...string) string"),
            _ => Function::new("", Signature::fixed(&[], Type::String), |_, _| {
                Err(FunctionError::new("failed as asked"))
            })
            .with_go_type("func() (string, error)"),
        })),
        _ => panic!("no value of kind {name}"),
    }
}

#[derive(Debug)]
struct Names(List);

impl Native for Names {
    fn type_of(&self) -> &'static Type {
        &Type::Named("main.Names", &Type::STRING_LIST)
    }

    fn underlying(&self) -> Option<Value> {
        Some(Value::List(self.0.clone()))
    }

    fn method(&self, name: &[u8]) -> Option<&'static Signature> {
        const HAS: Signature = Signature::fixed(&[Type::String], Type::Bool);
        (name == b"Has").then_some(&HAS)
    }

    fn call(&self, _: &[u8], _: &mut Context<'_>, args: &mut Args<'_>) -> Result<Value, FunctionError> {
        Ok(Value::Bool(self.0.iter().any(|name| name.as_string() == Some(args.str(0)))))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

#[derive(Debug)]
struct Level(i64);

impl Native for Level {
    fn type_of(&self) -> &'static Type {
        &Type::Named("main.Level", &Type::INT)
    }

    fn underlying(&self) -> Option<Value> {
        Some(Value::int(self.0))
    }

    fn with_underlying(&self, plain: &Value) -> Option<Value> {
        let Value::Int(_, level) = plain else { return None };
        Some(Value::Native(Rc::new(Level(*level))))
    }

    fn to_text(&self) -> Option<Str> {
        Some(format!("level-{}", self.0).into())
    }

    fn equals(&self, other: &dyn Native) -> Option<bool> {
        Some(other.as_any().downcast_ref::<Self>().is_some_and(|other| other.0 == self.0))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// A duration of whole seconds, enough for the cases.
#[derive(Debug)]
struct Duration(i64);

impl Native for Duration {
    fn type_of(&self) -> &'static Type {
        &Type::Named("time.Duration", &Type::INT64)
    }

    fn underlying(&self) -> Option<Value> {
        Some(Value::int64(self.0))
    }

    fn method(&self, name: &[u8]) -> Option<&'static Signature> {
        const SECONDS: Signature = Signature::fixed(&[], Type::FLOAT64);
        (name == b"Seconds").then_some(&SECONDS)
    }

    fn call(&self, _: &[u8], _: &mut Context<'_>, _: &mut Args<'_>) -> Result<Value, FunctionError> {
        Ok(Value::float64(self.0 as f64 / 1e9))
    }

    fn to_text(&self) -> Option<Str> {
        Some(format!("{}s", self.0 / 1_000_000_000).into())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

#[derive(Debug)]
struct Boxed {
    label: String,
    count: i64,
    inner: Value,
}

impl Native for Boxed {
    fn type_of(&self) -> &'static Type {
        &Type::Pointer(&BOX)
    }

    fn field(&self, name: &[u8]) -> Option<Value> {
        match name {
            b"Label" => Some(Value::from(self.label.as_str())),
            b"Count" => Some(Value::int(self.count)),
            b"Inner" => Some(self.inner.clone()),
            _ => None,
        }
    }

    fn fields(&self) -> Vec<(Cow<'static, str>, Value)> {
        let field = |name: &'static str| (Cow::Borrowed(name), self.field(name.as_bytes()).unwrap());
        vec![field("Label"), field("Count"), field("Inner")]
    }

    fn method(&self, name: &[u8]) -> Option<&'static Signature> {
        const GREET: Signature = Signature::variadic(&[Type::String, Type::String], Type::String);
        const FAIL: Signature = Signature::fixed(&[Type::String], Type::String);
        match name {
            b"Greet" => Some(&GREET),
            b"Fail" => Some(&FAIL),
            _ => None,
        }
    }

    fn call(&self, name: &[u8], _: &mut Context<'_>, args: &mut Args<'_>) -> Result<Value, FunctionError> {
        if name == b"Fail" {
            return Err(FunctionError::new(args.str(0).to_string()));
        }
        let names: Vec<String> = args.rest(1).iter().map(ToString::to_string).collect();
        Ok(Value::from(format!("{} {} {}", args.str(0), self.label, names.join(","))))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
