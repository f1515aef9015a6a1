//! AES.

use aes::Aes256;
use aes::cipher::block_padding::{NoPadding, Pkcs7};
use aes::cipher::{BlockModeDecrypt as _, BlockModeEncrypt as _, KeyIvInit as _};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use gotemplate::{Args, Context, FunctionError, Functions, Type, Value};

use crate::chance;
use crate::functions::encoding;
use crate::functions::support::{Outcome, fixed};

const BLOCK: usize = 16;

/// Adds the functions of this file.
pub(super) fn add(functions: &mut Functions) {
    fixed(functions, "encryptAES", &[Type::String, Type::String], Type::String, encrypt);
    fixed(functions, "decryptAES", &[Type::String, Type::String], Type::String, decrypt);
}

/// Sprig's key: the password's first 32 bytes, with zeros where there are none.
fn key(password: &[u8]) -> [u8; 32] {
    let mut key = [0; 32];
    key.iter_mut().zip(password).for_each(|(place, byte)| *place = *byte);
    key
}

/// AES-256 in mode CBC, the initial vector before the text, all in base64.
fn encrypt(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Outcome {
    let text = args.str(1);
    if text.is_empty() {
        return Ok(Value::from(""));
    }
    ctx.step(text.len() as u64 / 8)?;
    ctx.allocate(text.len().saturating_mul(3))?;
    let vector: [u8; BLOCK] = chance::generator(ctx)?.array();
    let cipher = cbc::Encryptor::<Aes256>::new(&key(args.str(0)).into(), &vector.into());
    let encrypted = [vector.to_vec(), cipher.encrypt_padded_vec::<Pkcs7>(text)].concat();
    Ok(Value::from(BASE64_STANDARD.encode(encrypted)))
}

fn decrypt(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Outcome {
    let text = args.str(1);
    if text.is_empty() {
        return Ok(Value::from(""));
    }
    ctx.step(text.len() as u64 / 8)?;
    ctx.allocate(text.len().saturating_mul(2))?;
    let encrypted = encoding::decode_base64(text).map_err(FunctionError::new)?;
    let Some((vector, encrypted)) = encrypted.split_first_chunk::<BLOCK>() else {
        let capacity = text.len() / 4 * 3;
        let problem = format!("runtime error: slice bounds out of range [:16] with capacity {capacity}");
        return Err(FunctionError::new(problem));
    };
    if !encrypted.len().is_multiple_of(BLOCK) {
        return Err(FunctionError::new("crypto/cipher: input not full blocks"));
    }
    let cipher = cbc::Decryptor::<Aes256>::new(&key(args.str(0)).into(), &(*vector).into());
    let mut decrypted = cipher
        .decrypt_padded_vec::<NoPadding>(encrypted)
        .map_err(|_| FunctionError::new("crypto/cipher: input not full blocks"))?;
    let Some(&padding) = decrypted.last() else {
        return Err(FunctionError::new("runtime error: index out of range [-1]"));
    };
    // Sprig trusts the last byte, whatever the bytes before it are.
    let Some(length) = decrypted.len().checked_sub(usize::from(padding)) else {
        let beyond = usize::from(padding) - decrypted.len();
        return Err(FunctionError::new(format!("runtime error: slice bounds out of range [:-{beyond}]")));
    };
    decrypted.truncate(length);
    Ok(Value::String(decrypted.into()))
}
