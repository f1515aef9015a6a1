//! Private keys: made, read from PEM and written as Go does it.

use crypto_bigint::BoxedUint;
use gotemplate::{Context, FunctionError, Functions, Type, Value};
use p256::pkcs8::PrivateKeyInfoRef;
use p256::pkcs8::der::Decode as _;
use p256::pkcs8::der::asn1::{ObjectIdentifier, Uint};
use rsa::pkcs1::{DecodeRsaPrivateKey as _, EncodeRsaPrivateKey as _};
use rsa::signature::Signer as _;
use rsa::traits::PublicKeyParts as _;
use sha2::{Digest as _, Sha256};
use tiphys_primes::DsaKey;
use zeroize::Zeroizing;

use super::{asn1, pem};
use crate::chance::{self, Generator};
use crate::functions::support::{Outcome, fixed};

/// Steps that the making of keys counts for. About 20 million steps are a second.
const RSA_2048_STEPS: u64 = 1_000_000;
const RSA_4096_STEPS: u64 = 5_000_000;
const DSA_STEPS: u64 = 5_000_000;
const CURVE_STEPS: u64 = 10_000;

const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const SHA256_WITH_RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.11");
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const P521: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.35");
const ECDSA_WITH_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");
const ECDSA_WITH_SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.3");
const ECDSA_WITH_SHA512: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.4");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// Adds the functions of this file.
pub(super) fn add(functions: &mut Functions) {
    fixed(functions, "genPrivateKey", &[Type::String], Type::String, |ctx, args| {
        generate(ctx, &args.str(0).to_string_lossy())
    });
}

/// Sprig's `genPrivateKey`: no name means RSA, and an unknown one is the result.
fn generate(ctx: &mut Context<'_>, kind: &str) -> Outcome {
    let text = match kind {
        "" | "rsa" => rsa_key(ctx, RSA_4096_STEPS, tiphys_primes::rsa_4096_factors)?.to_pem()?,
        "dsa" => {
            ctx.step(DSA_STEPS)?;
            dsa(&mut chance::generator(ctx)?).ok_or_else(|| broken("no generator"))?
        }
        "ecdsa" => {
            ctx.step(CURVE_STEPS)?;
            ecdsa(&mut chance::generator(ctx)?).to_pem()?
        }
        "ed25519" => {
            ctx.step(CURVE_STEPS)?;
            let seed = chance::generator(ctx)?.array();
            PrivateKey::Ed25519(ed25519_dalek::SigningKey::from_bytes(&seed)).to_pem()?
        }
        _ => format!("Unknown type {kind}"),
    };
    Ok(Value::from(text))
}

/// A key of RSA with 2048 bits.
pub(super) fn rsa_2048(ctx: &mut Context<'_>) -> Result<PrivateKey, FunctionError> {
    rsa_key(ctx, RSA_2048_STEPS, tiphys_primes::rsa_2048_factors)
}

/// A key of RSA of two factors.
fn rsa_key(
    ctx: &mut Context<'_>,
    steps: u64,
    factors: fn(tiphys_primes::Fill<'_>) -> [Vec<u8>; 2],
) -> Result<PrivateKey, FunctionError> {
    ctx.step(steps)?;
    let mut generator = chance::generator(ctx)?;
    let [p, q] = factors(&mut |buffer| generator.fill(buffer));
    let exponent = BoxedUint::from(tiphys_primes::EXPONENT);
    let key = rsa::PrivateKey::from_p_q(
        BoxedUint::from_be_slice_vartime(&p),
        BoxedUint::from_be_slice_vartime(&q),
        exponent,
    );
    key.map(|key| PrivateKey::Rsa(Box::new(key))).map_err(broken)
}

/// A key of ECDSA on the curve P-256.
fn ecdsa(generator: &mut Generator) -> PrivateKey {
    loop {
        // All but one in four thousand million numbers of 256 bits are keys.
        if let Ok(key) = p256::SecretKey::from_slice(&generator.array::<32>()) {
            return PrivateKey::P256(key.into());
        }
    }
}

/// A key of DSA with 2048 and 256 bits, as OpenSSL writes it.
fn dsa(generator: &mut Generator) -> Option<String> {
    let DsaKey { p, q, g, y, x } = tiphys_primes::dsa_key(&mut |buffer| generator.fill(buffer))?;
    let numbers = [Vec::new(), p, q, g, y, x].map(|number| asn1::unsigned(&number));
    Some(pem::encode("DSA PRIVATE KEY", &asn1::sequence(&numbers)))
}

/// A private key that can sign certificates.
pub(super) enum PrivateKey {
    Rsa(Box<rsa::PrivateKey>),
    P256(p256::ecdsa::SigningKey),
    P384(p384::ecdsa::SigningKey),
    P521(p521::ecdsa::SigningKey),
    Ed25519(ed25519_dalek::SigningKey),
    /// Certificates are not signed with it.
    Dsa,
}

/// A key of an elliptic curve in parts.
struct CurveKey {
    curve: ObjectIdentifier,
    secret: Zeroizing<Vec<u8>>,
    public: Vec<u8>,
}

impl PrivateKey {
    /// Reads a key. The error is Sprig's message.
    pub(super) fn from_pem(text: &[u8]) -> Result<Self, String> {
        let Some(block) = pem::decode(text) else { return Err("no PEM data in input".to_owned()) };
        let bytes = block.bytes.as_slice();
        let (what, key) = match block.label.as_slice() {
            b"PRIVATE KEY" => ("decoding PEM as PKCS#8", Self::from_pkcs8(bytes)),
            b"RSA PRIVATE KEY" => ("parsing RSA private key from PEM", Self::from_pkcs1(bytes)),
            b"EC PRIVATE KEY" => ("parsing EC private key from PEM", Self::from_sec1(bytes)),
            b"DSA PRIVATE KEY" => ("parsing DSA private key from PEM", Self::from_openssl_dsa(bytes)),
            label => {
                let label = String::from_utf8_lossy(label);
                return Err(format!("no private key data in PEM block of type {label}"));
            }
        };
        key.map_err(|error| format!("{what}: {error}"))
    }

    fn from_openssl_dsa(bytes: &[u8]) -> Result<Self, String> {
        Vec::<Uint>::from_der(bytes).map(|_| Self::Dsa).map_err(|error| error.to_string())
    }

    fn from_pkcs8(bytes: &[u8]) -> Result<Self, String> {
        let info = PrivateKeyInfoRef::from_der(bytes).map_err(|error| error.to_string())?;
        match info.algorithm.oid {
            RSA => Self::from_pkcs1(info.private_key.as_bytes()),
            ED25519 => {
                let key = ed25519_dalek::SigningKey::try_from(info).map_err(|error| error.to_string())?;
                Ok(Self::Ed25519(key))
            }
            EC => {
                let curve = info.algorithm.parameters_oid().map_err(|error| error.to_string())?;
                match curve {
                    P256 => p256::SecretKey::try_from(info).map(|key| Self::P256(key.into())),
                    P384 => p384::SecretKey::try_from(info).map(|key| Self::P384(key.into())),
                    P521 => p521::SecretKey::try_from(info).map(|key| Self::P521(key.into())),
                    _ => return Err("x509: unknown elliptic curve".to_owned()),
                }
                .map_err(|error| error.to_string())
            }
            other => {
                Err(format!("x509: PKCS#8 wrapping contained private key with unknown algorithm: {other}"))
            }
        }
    }

    fn from_pkcs1(bytes: &[u8]) -> Result<Self, String> {
        let key = rsa::PrivateKey::from_pkcs1_der(bytes).map_err(|error| error.to_string())?;
        Ok(Self::Rsa(Box::new(key)))
    }

    /// Each curve refuses the keys of the others.
    fn from_sec1(bytes: &[u8]) -> Result<Self, String> {
        p256::SecretKey::from_sec1_der(bytes)
            .map(|key| Self::P256(key.into()))
            .or_else(|_| p384::SecretKey::from_sec1_der(bytes).map(|key| Self::P384(key.into())))
            .or_else(|_| p521::SecretKey::from_sec1_der(bytes).map(|key| Self::P521(key.into())))
            .map_err(|error| format!("x509: failed to parse EC private key: {error}"))
    }

    fn curve_key(&self) -> Option<CurveKey> {
        macro_rules! parts {
            ($curve:expr, $key:expr) => {
                CurveKey {
                    curve: $curve,
                    secret: Zeroizing::new($key.to_bytes().to_vec()),
                    public: $key.verifying_key().to_sec1_point(false).as_bytes().to_vec(),
                }
            };
        }
        match self {
            Self::P256(key) => Some(parts!(P256, key)),
            Self::P384(key) => Some(parts!(P384, key)),
            Self::P521(key) => Some(parts!(P521, key)),
            Self::Rsa(_) | Self::Ed25519(_) | Self::Dsa => None,
        }
    }

    /// The key as Go writes it: RSA by PKCS#1, curves by SEC 1, Ed25519 by PKCS#8.
    pub(super) fn to_pem(&self) -> Result<String, FunctionError> {
        if let Some(CurveKey { curve, secret, public }) = self.curve_key() {
            let key = asn1::sequence(&[
                asn1::unsigned(&[1]),
                asn1::value(asn1::OCTET_STRING, &secret),
                asn1::value(asn1::context(0, true), &oid(curve)),
                asn1::value(asn1::context(1, true), &asn1::bits(&public)),
            ]);
            return Ok(pem::encode("EC PRIVATE KEY", &key));
        }
        match self {
            Self::Rsa(key) => {
                let key = key.to_pkcs1_der().map_err(broken)?;
                Ok(pem::encode("RSA PRIVATE KEY", key.as_bytes()))
            }
            Self::Ed25519(key) => {
                let seed = asn1::value(asn1::OCTET_STRING, &key.to_bytes());
                let key = asn1::sequence(&[
                    asn1::unsigned(&[]),
                    asn1::sequence(&[oid(ED25519)]),
                    asn1::value(asn1::OCTET_STRING, &seed),
                ]);
                Ok(pem::encode("PRIVATE KEY", &key))
            }
            Self::P256(_) | Self::P384(_) | Self::P521(_) | Self::Dsa => Err(no_signer()),
        }
    }

    /// The public key with its algorithm (`SubjectPublicKeyInfo`), and the bytes of the key alone.
    pub(super) fn public(&self) -> Result<(Vec<u8>, Vec<u8>), FunctionError> {
        let (algorithm, key) = if let Some(key) = self.curve_key() {
            (asn1::sequence(&[oid(EC), oid(key.curve)]), key.public)
        } else {
            match self {
                Self::Rsa(key) => {
                    let number = |number: &BoxedUint| asn1::unsigned(&number.to_be_bytes());
                    (with_null(RSA), asn1::sequence(&[number(key.n()), number(key.e())]))
                }
                Self::Ed25519(key) => {
                    (asn1::sequence(&[oid(ED25519)]), key.verifying_key().to_bytes().to_vec())
                }
                Self::P256(_) | Self::P384(_) | Self::P521(_) | Self::Dsa => return Err(no_signer()),
            }
        };
        Ok((asn1::sequence(&[algorithm, asn1::bits(&key)]), key))
    }

    /// The name of the algorithm that the key signs with, in DER.
    pub(super) fn algorithm(&self) -> Result<Vec<u8>, FunctionError> {
        Ok(match self {
            Self::Rsa(_) => with_null(SHA256_WITH_RSA),
            Self::P256(_) => asn1::sequence(&[oid(ECDSA_WITH_SHA256)]),
            Self::P384(_) => asn1::sequence(&[oid(ECDSA_WITH_SHA384)]),
            Self::P521(_) => asn1::sequence(&[oid(ECDSA_WITH_SHA512)]),
            Self::Ed25519(_) => asn1::sequence(&[oid(ED25519)]),
            Self::Dsa => return Err(no_signer()),
        })
    }

    /// Signs a message. None of the schemes needs random numbers: RSA by PKCS#1 v1.5, ECDSA by RFC 6979.
    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, FunctionError> {
        Ok(match self {
            Self::Rsa(key) => {
                let hash = Sha256::digest(message);
                key.sign(rsa::Pkcs1v15Sign::new::<Sha256>(), &hash).map_err(broken)?
            }
            Self::P256(key) => {
                let signature: p256::ecdsa::DerSignature = key.try_sign(message).map_err(broken)?;
                signature.as_bytes().to_vec()
            }
            Self::P384(key) => {
                let signature: p384::ecdsa::DerSignature = key.try_sign(message).map_err(broken)?;
                signature.as_bytes().to_vec()
            }
            Self::P521(key) => {
                let signature: p521::ecdsa::DerSignature = key.try_sign(message).map_err(broken)?;
                signature.as_bytes().to_vec()
            }
            Self::Ed25519(key) => key.try_sign(message).map_err(broken)?.to_bytes().to_vec(),
            Self::Dsa => return Err(no_signer()),
        })
    }
}

fn oid(oid: ObjectIdentifier) -> Vec<u8> {
    asn1::value(asn1::OID, oid.as_bytes())
}

/// An algorithm that has no parameters, and says so.
fn with_null(algorithm: ObjectIdentifier) -> Vec<u8> {
    asn1::sequence(&[oid(algorithm), asn1::value(asn1::NULL, &[])])
}

/// What Go says of keys that cannot sign certificates.
fn no_signer() -> FunctionError {
    FunctionError::new("x509: certificate private key does not implement crypto.Signer")
}

/// What the library says of a key that it cannot use.
fn broken(error: impl std::fmt::Display) -> FunctionError {
    FunctionError::new(format!("error generating private key: {error}"))
}
