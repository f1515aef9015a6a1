//! Random texts and numbers.
//!
//! Sprig ignores the errors of the library below it for the texts, so a negative count gives an empty one.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use gotemplate::{Args, Context, Function, FunctionError, Functions, Signature, Type, Value};

use crate::chance;
use crate::value::json_text;

const ALPHA: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const ALPHA_NUMERIC: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const NUMERIC: &[u8] = b"0123456789";
/// The characters that print, blank to tilde.
const ASCII: &[u8] =
    b" !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~";

const COUNT: Signature = Signature::fixed(&[Type::INT], Type::String);

/// Adds the functions of this group.
pub(super) fn add(functions: &mut Functions) {
    for (name, alphabet) in [
        ("randAlphaNum", ALPHA_NUMERIC),
        ("randAlpha", ALPHA),
        ("randAscii", ASCII),
        ("randNumeric", NUMERIC),
    ] {
        functions.add(Function::new(name, COUNT, move |ctx, args| text(ctx, args, alphabet)));
    }
    functions.add(Function::new("randBytes", COUNT, bytes));
    functions.add(Function::new("randInt", Signature::fixed(&[Type::INT, Type::INT], Type::INT), int));
    functions.add(Function::new("uuidv4", Signature::fixed(&[], Type::String), |ctx, _| uuid(ctx)));
    functions.add(Function::new("shuffle", Signature::fixed(&[Type::String], Type::String), shuffle));
}

/// A text of so many characters of an alphabet.
fn text(ctx: &mut Context<'_>, args: &mut Args<'_>, alphabet: &[u8]) -> Result<Value, FunctionError> {
    let Ok(count) = usize::try_from(args.int(0)) else { return Ok(Value::from("")) };
    // The result is counted once more by the engine; this keeps a huge one from being begun.
    ctx.allocate(count)?;
    ctx.step(count as u64 / 8)?;
    let mut generator = chance::generator(ctx)?;
    let bound = alphabet.len() as u64;
    let text: Vec<u8> = (0..count)
        .map(|_| {
            let index = usize::try_from(generator.below(bound)).unwrap_or_default();
            alphabet.get(index).copied().unwrap_or_default()
        })
        .collect();
    Ok(Value::String(text.into()))
}

fn bytes(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Result<Value, FunctionError> {
    let Ok(count) = usize::try_from(args.int(0)) else {
        return Err(FunctionError::new("runtime error: makeslice: len out of range"));
    };
    ctx.allocate(count.saturating_mul(3))?;
    ctx.step(count as u64 / 8)?;
    let mut bytes = vec![0; count];
    chance::generator(ctx)?.fill(&mut bytes);
    Ok(Value::from(BASE64_STANDARD.encode(bytes)))
}

/// A number from the first to below the second.
fn int(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Result<Value, FunctionError> {
    let (low, high) = (args.int(0), args.int(1));
    match u64::try_from(high.wrapping_sub(low)) {
        Ok(width @ 1..) => {
            let offset = chance::generator(ctx)?.below(width);
            Ok(Value::int(low.wrapping_add(offset.cast_signed())))
        }
        _ => Err(FunctionError::new("invalid argument to Intn")),
    }
}

/// A random UUID (RFC 9562, version 4).
fn uuid(ctx: &mut Context<'_>) -> Result<Value, FunctionError> {
    let bits = u128::from_be_bytes(chance::generator(ctx)?.array());
    let bits = bits & !(0xf << 76) & !(0x3 << 62) | 0x4 << 76 | 0x2 << 62;
    let mut text = format!("{bits:032x}");
    for hyphen in [20, 16, 12, 8] {
        text.insert(hyphen, '-');
    }
    Ok(Value::from(text))
}

/// The characters of a text in another order.
fn shuffle(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Result<Value, FunctionError> {
    let text = args.str(0);
    ctx.allocate(text.len().saturating_mul(5))?;
    ctx.step(text.len() as u64 / 8)?;
    let mut characters: Vec<char> = json_text(text).chars().collect();
    let mut generator = chance::generator(ctx)?;
    for last in (1..characters.len()).rev() {
        let other = usize::try_from(generator.below(last as u64 + 1)).unwrap_or_default();
        characters.swap(last, other);
    }
    Ok(Value::from(characters.into_iter().collect::<String>()))
}
