//! Base64, base32, and digests.

mod base32;
mod base64;

use std::fmt::Write as _;

use gotemplate::{Args, Context, Functions, Type, Value};
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};

use super::support::{Body, Outcome, fixed};

/// The bytes of a text in base64, or Go's error.
pub(super) fn decode_base64(text: &[u8]) -> Result<Vec<u8>, String> {
    base64::decode(text)
}

/// Adds the functions of this group.
pub(super) fn add(functions: &mut Functions) {
    let group: [(&str, Body); 8] = [
        ("b64enc", |ctx, args| {
            ctx.allocate(args.str(0).len().saturating_mul(2))?;
            Ok(Value::from(base64::encode(args.str(0))))
        }),
        ("b64dec", |ctx, args| {
            ctx.allocate(args.str(0).len())?;
            Ok(base64::decode(args.str(0)).map_or_else(Value::from, |bytes| Value::String(bytes.into())))
        }),
        ("b32enc", |ctx, args| {
            ctx.allocate(args.str(0).len().saturating_mul(2))?;
            Ok(Value::from(base32::encode(args.str(0))))
        }),
        ("b32dec", |ctx, args| {
            ctx.allocate(args.str(0).len())?;
            Ok(base32::decode(args.str(0)).map_or_else(Value::from, |bytes| Value::String(bytes.into())))
        }),
        ("sha1sum", digest::<Sha1>),
        ("sha256sum", digest::<Sha256>),
        ("sha512sum", digest::<Sha512>),
        ("adler32sum", |ctx, args| {
            ctx.step(args.str(0).len() as u64 / 64)?;
            Ok(Value::from(adler2::adler32_slice(args.str(0)).to_string()))
        }),
    ];
    for (name, body) in group {
        fixed(functions, name, &[Type::String], Type::String, body);
    }
}

fn digest<D: Digest>(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Outcome {
    ctx.step(args.str(0).len() as u64 / 64)?;
    Ok(Value::from(hex(&D::digest(args.str(0)))))
}

/// Bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
