//! Paths and URLs.
//!
//! Sprig has every path function twice, for slashes and for the operating system's separators. Helm runs on all
//! systems; here both mean slashes, as they do for Helm on Unix.

mod address;
mod escape;
mod path;
mod url;

use gotemplate::{Args, Function, FunctionError, Functions, Kind, Map, Signature, Str, Type, Value};

use url::{Url, Userinfo};

const TEXT: Signature = Signature::fixed(&[Type::String], Type::String);
const TEST: Signature = Signature::fixed(&[Type::String], Type::Bool);

/// A function from a path to another text.
type ToText = fn(&[u8]) -> Str;

/// Adds the functions of this group.
pub(super) fn add(functions: &mut Functions) {
    let texts: [(&str, &str, ToText); 4] = [
        ("base", "osBase", |text| path::base(text).into()),
        ("dir", "osDir", |text| path::dir(text).into()),
        ("clean", "osClean", |text| path::clean(text).into()),
        ("ext", "osExt", |text| path::ext(text).into()),
    ];
    for (name, os_name, function) in texts {
        for name in [name, os_name] {
            functions.add(Function::new(name, TEXT, move |_, args| Ok(Value::String(function(args.str(0))))));
        }
    }
    for name in ["isAbs", "osIsAbs"] {
        functions.add(Function::new(name, TEST, |_, args| Ok(Value::Bool(args.str(0).starts_with(b"/")))));
    }
    let parse = Signature::fixed(&[Type::String], Type::ANY_MAP);
    functions.add(Function::new("urlParse", parse, |_, args| url_parse(args)));
    let join = Signature::fixed(&[Type::ANY_MAP], Type::String);
    functions.add(Function::new("urlJoin", join, |_, args| url_join(args)));
}

fn url_parse(args: &mut Args<'_>) -> Result<Value, FunctionError> {
    let url = Url::parse(args.str(0))
        .map_err(|error| FunctionError::new(format!("unable to parse url: {error}")))?;
    let hostname = url.hostname().to_vec();
    let userinfo = url.user.as_ref().map(Userinfo::to_bytes).unwrap_or_default();
    Ok(Value::Map(Map::from([
        ("scheme", Value::String(url.scheme.into())),
        ("host", Value::String(url.host.into())),
        ("hostname", Value::String(hostname.into())),
        ("path", Value::String(url.path.into())),
        ("query", Value::String(url.raw_query.into())),
        ("opaque", Value::String(url.opaque.into())),
        ("fragment", Value::String(url.fragment.into())),
        ("userinfo", Value::String(userinfo.into())),
    ])))
}

fn url_join(args: &mut Args<'_>) -> Result<Value, FunctionError> {
    let parts = args.map(0);
    let part = |key: &str| part(parts, key);
    let mut url = Url {
        scheme: part("scheme")?,
        host: part("host")?,
        path: part("path")?,
        raw_query: part("query")?,
        opaque: part("opaque")?,
        fragment: part("fragment")?,
        ..Url::default()
    };
    let userinfo = part("userinfo")?;
    if !userinfo.is_empty() {
        let text = [b"proto://".as_slice(), &userinfo, b"@host"].concat();
        let parsed = Url::parse(&text)
            .map_err(|error| FunctionError::new(format!("unable to parse userinfo in dict: {error}")))?;
        url.user = parsed.user;
    }
    Ok(Value::String(url.to_bytes().into()))
}

/// A part of a URL; empty if the map has none.
fn part(parts: Option<&Map>, key: &str) -> Result<Vec<u8>, FunctionError> {
    let Some(value) = parts.and_then(|parts| parts.get(key)) else { return Ok(Vec::new()) };
    if let Some(text) = value.plain().as_string() {
        return Ok(text.to_vec());
    }
    Err(FunctionError::new(match value.kind() {
        Kind::Invalid => "runtime error: invalid memory address or nil pointer dereference".to_owned(),
        kind => format!("unable to parse {key} key, must be of type string, but {kind} found"),
    }))
}
