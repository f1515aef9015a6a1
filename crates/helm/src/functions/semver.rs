//! Versions and their constraints, by the rules of Masterminds' semver.

use std::any::Any;
use std::borrow::Cow;
use std::rc::Rc;

use gotemplate::{
    Args, Context, Function, FunctionError, Functions, Native, Signature, Str, Type, UintType, Value, quote,
};

use crate::semver::{Constraint, ConstraintError, Version, VersionError};

const STRUCT: Type = Type::Struct("semver.Version");
const POINTER: Type = Type::Pointer(&STRUCT);
const UINT64: Type = Type::Uint(UintType::Uint64);

/// Adds the functions of this group.
pub(super) fn add(functions: &mut Functions) {
    functions.add(Function::new("semver", Signature::fixed(&[Type::String], POINTER), |ctx, args| {
        let version = parse_version(ctx, args.str(0))?;
        Ok(Value::Native(Rc::new(VersionValue { version, is_pointer: true })))
    }));
    let compare = Signature::fixed(&[Type::String, Type::String], Type::Bool);
    functions.add(Function::new("semverCompare", compare, |ctx, args| {
        let text = args.str(0).to_string_lossy();
        ctx.step(text.len() as u64)?;
        let constraint: Constraint = text.parse().map_err(|error| match error {
            ConstraintError::Improper(text) => {
                FunctionError::new(format!("improper constraint: {}", quote(text.as_bytes())))
            }
            error => FunctionError::Other(Box::new(error)),
        })?;
        Ok(Value::Bool(constraint.matches(&parse_version(ctx, args.str(1))?)))
    }));
}

fn parse_version(ctx: &mut Context<'_>, text: &Str) -> Result<Version, FunctionError> {
    ctx.step(text.len() as u64)?;
    text.to_string_lossy().parse().map_err(failure)
}

fn failure(error: VersionError) -> FunctionError {
    FunctionError::Other(Box::new(error))
}

/// A `*semver.Version`, or the `semver.Version` that some of its methods give.
#[derive(Debug)]
struct VersionValue {
    version: Version,
    is_pointer: bool,
}

/// The methods of values and pointers.
const METHODS: [(&str, Signature); 12] = [
    ("Major", Signature::fixed(&[], UINT64)),
    ("Minor", Signature::fixed(&[], UINT64)),
    ("Patch", Signature::fixed(&[], UINT64)),
    ("Prerelease", Signature::fixed(&[], Type::String)),
    ("Metadata", Signature::fixed(&[], Type::String)),
    ("String", Signature::fixed(&[], Type::String)),
    ("IncMajor", Signature::fixed(&[], STRUCT)),
    ("IncMinor", Signature::fixed(&[], STRUCT)),
    ("IncPatch", Signature::fixed(&[], STRUCT)),
    ("SetPrerelease", Signature::fixed(&[Type::String], STRUCT)),
    ("SetMetadata", Signature::fixed(&[Type::String], STRUCT)),
    ("MarshalText", Signature::fixed(&[], Type::BYTES)),
];

/// The methods of pointers only, besides `MarshalJSON` and those that read.
const POINTER_METHODS: [(&str, Signature); 7] = [
    ("Original", Signature::fixed(&[], Type::String)),
    ("Compare", Signature::fixed(&[POINTER], Type::INT)),
    ("Equal", Signature::fixed(&[POINTER], Type::Bool)),
    ("GreaterThan", Signature::fixed(&[POINTER], Type::Bool)),
    ("GreaterThanEqual", Signature::fixed(&[POINTER], Type::Bool)),
    ("LessThan", Signature::fixed(&[POINTER], Type::Bool)),
    ("LessThanEqual", Signature::fixed(&[POINTER], Type::Bool)),
];

const MARSHAL_JSON: Signature = Signature::fixed(&[], Type::BYTES);

impl VersionValue {
    fn plain(version: Version) -> Value {
        Value::Native(Rc::new(Self { version, is_pointer: false }))
    }
}

impl Native for VersionValue {
    fn type_of(&self) -> &'static Type {
        if self.is_pointer { &POINTER } else { &STRUCT }
    }

    /// The private fields of the struct, which `printf "%#v"` shows.
    fn fields(&self) -> Vec<(Cow<'static, str>, Value)> {
        let version = &self.version;
        let number = |number| Value::Uint(UintType::Uint64, number);
        vec![
            ("major".into(), number(version.major)),
            ("minor".into(), number(version.minor)),
            ("patch".into(), number(version.patch)),
            ("pre".into(), Value::from(version.pre.as_str())),
            ("metadata".into(), Value::from(version.metadata.as_str())),
            ("original".into(), Value::from(version.original())),
        ]
    }

    fn method(&self, name: &[u8]) -> Option<&'static Signature> {
        let of_pointers: &[_] = if self.is_pointer { &POINTER_METHODS } else { &[] };
        let found = METHODS.iter().chain(of_pointers).find(|(known, _)| known.as_bytes() == name);
        found.map(|(_, signature)| signature).or_else(|| (name == b"MarshalJSON").then_some(&MARSHAL_JSON))
    }

    fn call(&self, name: &[u8], _: &mut Context<'_>, args: &mut Args<'_>) -> Result<Value, FunctionError> {
        let version = &self.version;
        let number = |number| Ok(Value::Uint(UintType::Uint64, number));
        match name {
            b"Major" => number(version.major),
            b"Minor" => number(version.minor),
            b"Patch" => number(version.patch),
            b"Prerelease" => Ok(Value::from(version.pre.as_str())),
            b"Metadata" => Ok(Value::from(version.metadata.as_str())),
            b"Original" => Ok(Value::from(version.original())),
            b"String" => Ok(Value::from(version.to_string())),
            b"MarshalText" => Ok(Value::Bytes(version.to_string().into_bytes().into())),
            b"MarshalJSON" => Ok(Value::Bytes(format!("\"{version}\"").into_bytes().into())),
            b"IncMajor" => Ok(Self::plain(version.next_major())),
            b"IncMinor" => Ok(Self::plain(version.next_minor())),
            b"IncPatch" => Ok(Self::plain(version.next_patch())),
            b"SetPrerelease" => {
                version.with_pre(&args.str(0).to_string_lossy()).map(Self::plain).map_err(failure)
            }
            b"SetMetadata" => {
                version.with_metadata(&args.str(0).to_string_lossy()).map(Self::plain).map_err(failure)
            }
            b"Equal" if args.get(0).is_nil() => Ok(Value::Bool(false)),
            _ => {
                let order = version.cmp(other(args)?);
                Ok(match name {
                    b"Equal" => Value::Bool(order.is_eq()),
                    b"GreaterThan" => Value::Bool(order.is_gt()),
                    b"GreaterThanEqual" => Value::Bool(order.is_ge()),
                    b"LessThan" => Value::Bool(order.is_lt()),
                    b"LessThanEqual" => Value::Bool(order.is_le()),
                    _ => Value::int(order as i64),
                })
            }
        }
    }

    fn to_text(&self) -> Option<Str> {
        Some(self.version.to_string().into())
    }

    fn to_json(&self) -> Option<Value> {
        Some(Value::from(self.version.to_string()))
    }

    /// Pointers are equal if they are the same one, structs if all their fields are.
    fn equals(&self, other: &dyn Native) -> Option<bool> {
        let Some(other) = other.as_any().downcast_ref::<Self>() else { return Some(false) };
        if self.is_pointer || other.is_pointer {
            return Some(std::ptr::eq(self, other));
        }
        let parts = |it: &Self| (it.version.to_string(), it.version.original().to_owned());
        Some(parts(self) == parts(other))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// The version that a method is given.
fn other<'a>(args: &'a Args<'_>) -> Result<&'a Version, FunctionError> {
    match args.get(0) {
        Value::Native(native) => native.as_any().downcast_ref::<VersionValue>().map(|value| &value.version),
        _ => None,
    }
    .ok_or_else(|| FunctionError::new("runtime error: invalid memory address or nil pointer dereference"))
}
