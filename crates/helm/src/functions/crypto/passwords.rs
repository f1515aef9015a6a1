//! Hashes of passwords, and passwords derived from others.

use bcrypt::Version;
use gotemplate::{Args, Context, FunctionError, Functions, Type, UintType, Value};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::chance;
use crate::functions::support::{Outcome, fixed};

/// Go: `bcrypt.DefaultCost`. A template cannot choose another one.
const COST: u32 = 10;
/// Steps that a hash counts for. It takes some 50 milliseconds.
const BCRYPT_STEPS: u64 = 1_000_000;
/// Bytes that bcrypt looks at.
const MAX_PASSWORD: usize = 72;

/// Adds the functions of this file.
pub(super) fn add(functions: &mut Functions) {
    const DERIVE: &[Type] =
        &[Type::Uint(UintType::Uint32), Type::String, Type::String, Type::String, Type::String];
    fixed(functions, "bcrypt", &[Type::String], Type::String, |ctx, args| {
        Ok(Value::from(hash(ctx, args.str(0))?))
    });
    fixed(functions, "htpasswd", &[Type::String, Type::String], Type::String, |ctx, args| {
        let user = args.str(0).to_string_lossy().into_owned();
        if user.contains(':') {
            return Ok(Value::from(format!("invalid username: {user}")));
        }
        Ok(Value::from(format!("{user}:{}", hash(ctx, args.str(1))?)))
    });
    fixed(functions, "derivePassword", DERIVE, Type::String, derive);
}

/// The hash of a password; what is wrong with it is the result.
fn hash(ctx: &mut Context<'_>, password: &[u8]) -> Result<String, FunctionError> {
    if password.len() > MAX_PASSWORD {
        return Ok(
            "failed to encrypt string with bcrypt: bcrypt: password length exceeds 72 bytes".to_owned()
        );
    }
    ctx.step(BCRYPT_STEPS)?;
    let salt = chance::generator(ctx)?.array();
    match bcrypt::hash_with_salt(password, COST, salt) {
        Ok(parts) => Ok(parts.format_for_version(Version::TwoA)),
        Err(error) => Ok(format!("failed to encrypt string with bcrypt: {error}")),
    }
}

/// Steps that a derivation counts for. It takes some 200 milliseconds.
const SCRYPT_STEPS: u64 = 4_000_000;
/// Bytes that it needs.
const SCRYPT_BYTES: usize = 32 << 20;

/// What the algorithm of Master Password begins everything with.
const SCOPE: &[u8] = b"com.lyndir.masterpassword";

/// The templates of each kind of password. Each letter stands for one of a set of characters.
const TEMPLATES: [(&str, &[&str]); 6] = [
    ("maximum", &["anoxxxxxxxxxxxxxxxxx", "axxxxxxxxxxxxxxxxxno"]),
    (
        "long",
        &[
            "CvcvnoCvcvCvcv",
            "CvcvCvcvnoCvcv",
            "CvcvCvcvCvcvno",
            "CvccnoCvcvCvcv",
            "CvccCvcvnoCvcv",
            "CvccCvcvCvcvno",
            "CvcvnoCvccCvcv",
            "CvcvCvccnoCvcv",
            "CvcvCvccCvcvno",
            "CvcvnoCvcvCvcc",
            "CvcvCvcvnoCvcc",
            "CvcvCvcvCvccno",
            "CvccnoCvccCvcv",
            "CvccCvccnoCvcv",
            "CvccCvccCvcvno",
            "CvcvnoCvccCvcc",
            "CvcvCvccnoCvcc",
            "CvcvCvccCvccno",
            "CvccnoCvcvCvcc",
            "CvccCvcvnoCvcc",
            "CvccCvcvCvccno",
        ],
    ),
    ("medium", &["CvcnoCvc", "CvcCvcno"]),
    ("short", &["Cvcn"]),
    ("basic", &["aaanaaan", "aannaaan", "aaannaaa"]),
    ("pin", &["nnnn"]),
];

/// The characters that a letter of a template stands for.
fn characters(letter: u8) -> &'static [u8] {
    match letter {
        b'V' => b"AEIOU",
        b'C' => b"BCDFGHJKLMNPQRSTVWXYZ",
        b'v' => b"aeiou",
        b'c' => b"bcdfghjklmnpqrstvwxyz",
        b'A' => b"AEIOUBCDFGHJKLMNPQRSTVWXYZ",
        b'a' => b"AEIOUaeiouBCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz",
        b'n' => b"0123456789",
        b'o' => b"@&%?,=[]_:-+*$#!'^~;()/.",
        _ => b"AEIOUaeiouBCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz0123456789!@#$%^&*()",
    }
}

/// Sprig's `derivePassword`: counter, kind, password, user, site.
fn derive(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Outcome {
    let counter = match args.get(0) {
        Value::Uint(_, counter) => u32::try_from(*counter).unwrap_or_default(),
        _ => 0,
    };
    let kind = args.str(1);
    let Some((_, templates)) = TEMPLATES.iter().find(|(name, _)| *kind == *name) else {
        return Ok(Value::from(format!("cannot find password template {kind}")));
    };
    ctx.step(SCRYPT_STEPS)?;
    ctx.allocate(SCRYPT_BYTES)?;
    let unusable =
        |error: &dyn std::fmt::Display| FunctionError::new(format!("failed to derive password: {error}"));
    let params = scrypt::Params::new(15, 8, 2).map_err(|error| unusable(&error))?;
    let mut key = [0; 64];
    scrypt::scrypt(args.str(2), &scoped(args.str(3)), &params, &mut key).map_err(|error| unusable(&error))?;
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).map_err(|error| unusable(&error))?;
    mac.update(&scoped(args.str(4)));
    mac.update(&counter.to_be_bytes());
    let seed = mac.finalize().into_bytes();
    let chosen = |choices: usize, index: usize| {
        seed.get(index).and_then(|byte| usize::from(*byte).checked_rem(choices)).unwrap_or_default()
    };
    let template = templates.get(chosen(templates.len(), 0)).copied().unwrap_or_default();
    let password: Vec<u8> = template
        .bytes()
        .enumerate()
        .filter_map(|(index, letter)| {
            let characters = characters(letter);
            characters.get(chosen(characters.len(), index + 1)).copied()
        })
        .collect();
    Ok(Value::String(password.into()))
}

/// A name with its length before it.
fn scoped(name: &[u8]) -> Vec<u8> {
    let length = u32::try_from(name.len()).unwrap_or(u32::MAX).to_be_bytes();
    [SCOPE, &length, name].concat()
}
