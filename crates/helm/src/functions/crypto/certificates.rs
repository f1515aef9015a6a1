//! X.509 certificates with the fields and extensions that Sprig gives them.

use std::any::Any;
use std::borrow::Cow;
use std::net::IpAddr;
use std::rc::Rc;

use gotemplate::{Args, Context, FunctionError, Functions, List, Native, Str, Type, Value};
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest as _, Sha256};
use x509_cert::Certificate;
use x509_cert::der::{Decode as _, Encode as _};
use x509_cert::ext::pkix::SubjectKeyIdentifier;

use super::keys::{self, PrivateKey};
use super::{asn1, pem};
use crate::chance;
use crate::functions::encoding;
use crate::functions::support::{Outcome, fixed};

/// The Go type of a certificate with its key.
const TYPE: Type = Type::Struct("sprig.certificate");

/// Object identifiers of the extensions (RFC 5280, section 4.2.1), without the arc `id-ce`.
const SUBJECT_KEY_IDENTIFIER: u8 = 14;
const KEY_USAGE: u8 = 15;
const SUBJECT_ALTERNATIVE_NAME: u8 = 17;
const BASIC_CONSTRAINTS: u8 = 19;
const AUTHORITY_KEY_IDENTIFIER: u8 = 35;
const EXTENDED_KEY_USAGE: u8 = 37;

const COMMON_NAME: [u8; 3] = [0x55, 0x04, 0x03];
const SERVER_AUTH: [u8; 8] = [0x2b, 6, 1, 5, 5, 7, 3, 1];
const CLIENT_AUTH: [u8; 8] = [0x2b, 6, 1, 5, 5, 7, 3, 2];

/// Adds the functions of this file.
pub(super) fn add(functions: &mut Functions) {
    const LEAF: &[Type] = &[Type::String, Type::ANY_LIST, Type::ANY_LIST, Type::INT];
    const LEAF_WITH_KEY: &[Type] = &[Type::String, Type::ANY_LIST, Type::ANY_LIST, Type::INT, Type::String];
    const SIGNED: &[Type] = &[Type::String, Type::ANY_LIST, Type::ANY_LIST, Type::INT, TYPE];
    const SIGNED_WITH_KEY: &[Type] =
        &[Type::String, Type::ANY_LIST, Type::ANY_LIST, Type::INT, TYPE, Type::String];
    fixed(functions, "genCA", &[Type::String, Type::INT], TYPE, |ctx, args| {
        let key = keys::rsa_2048(ctx)?;
        authority(ctx, args.str(0), args.int(1), &key)
    });
    fixed(functions, "genCAWithKey", &[Type::String, Type::INT, Type::String], TYPE, |ctx, args| {
        let key = given_key(args.str(2))?;
        authority(ctx, args.str(0), args.int(1), &key)
    });
    fixed(functions, "genSelfSignedCert", LEAF, TYPE, |ctx, args| {
        let key = keys::rsa_2048(ctx)?;
        leaf(ctx, args, &key, None)
    });
    fixed(functions, "genSelfSignedCertWithKey", LEAF_WITH_KEY, TYPE, |ctx, args| {
        let key = given_key(args.str(4))?;
        leaf(ctx, args, &key, None)
    });
    fixed(functions, "genSignedCert", SIGNED, TYPE, |ctx, args| {
        let key = keys::rsa_2048(ctx)?;
        let issuer = Issuer::of(args.get(4))?;
        leaf(ctx, args, &key, Some(&issuer))
    });
    fixed(functions, "genSignedCertWithKey", SIGNED_WITH_KEY, TYPE, |ctx, args| {
        let key = given_key(args.str(5))?;
        let issuer = Issuer::of(args.get(4))?;
        leaf(ctx, args, &key, Some(&issuer))
    });
    fixed(functions, "buildCustomCert", &[Type::String, Type::String], TYPE, |ctx, args| custom(ctx, args));
}

/// A certificate and its private key, both in PEM.
#[derive(Debug, PartialEq, Eq)]
struct KeyPair {
    cert: Str,
    key: Str,
}

impl Native for KeyPair {
    fn type_of(&self) -> &'static Type {
        &TYPE
    }

    fn field(&self, name: &[u8]) -> Option<Value> {
        match name {
            b"Cert" => Some(Value::String(self.cert.clone())),
            b"Key" => Some(Value::String(self.key.clone())),
            _ => None,
        }
    }

    fn fields(&self) -> Vec<(Cow<'static, str>, Value)> {
        vec![
            ("Cert".into(), Value::String(self.cert.clone())),
            ("Key".into(), Value::String(self.key.clone())),
        ]
    }

    fn equals(&self, other: &dyn Native) -> Option<bool> {
        Some(other.as_any().downcast_ref::<Self>() == Some(self))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

fn given_key(text: &Str) -> Result<PrivateKey, FunctionError> {
    PrivateKey::from_pem(text).map_err(|error| FunctionError::new(format!("parsing private key: {error}")))
}

/// What signs a certificate: another one, with its key.
struct Issuer {
    /// The subject of the certificate, in DER.
    subject: Vec<u8>,
    key_identifier: Option<Vec<u8>>,
    /// Its public key with the algorithm, in DER.
    public: Vec<u8>,
    key: PrivateKey,
}

impl Issuer {
    fn of(value: &Value) -> Result<Self, FunctionError> {
        let Value::Native(native) = value else {
            return Err(FunctionError::new("unable to decode certificate"));
        };
        let pair = native.as_any().downcast_ref::<KeyPair>();
        let pair = pair.ok_or_else(|| FunctionError::new("unable to decode certificate"))?;
        let certificate = read(&pair.cert, "decodedSignerCert.Bytes")?;
        let key = PrivateKey::from_pem(&pair.key)
            .map_err(|error| FunctionError::new(format!("error parsing private key: {error}")))?;
        let parts = certificate.tbs_certificate();
        let unreadable = |error| parse_failure("decodedSignerCert.Bytes", error);
        let identifier = parts.get_extension::<SubjectKeyIdentifier>().map_err(unreadable)?;
        Ok(Self {
            subject: parts.subject().to_der().map_err(unreadable)?,
            key_identifier: identifier.map(|(_, identifier)| identifier.0.as_bytes().to_vec()),
            public: parts.subject_public_key_info().to_der().map_err(unreadable)?,
            key,
        })
    }
}

/// Reads a certificate from PEM. The name is that of a variable of Sprig's, which its message shows.
fn read(text: &[u8], name: &str) -> Result<Certificate, FunctionError> {
    let block = pem::decode(text).ok_or_else(|| FunctionError::new("unable to decode certificate"))?;
    Certificate::from_der(&block.bytes).map_err(|error| parse_failure(name, error))
}

fn parse_failure(name: &str, error: x509_cert::der::Error) -> FunctionError {
    FunctionError::new(format!("error parsing certificate: {name}: x509: malformed certificate: {error}"))
}

/// Sprig's `buildCustomCert`: a certificate and key that the chart brings along.
fn custom(ctx: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    ctx.allocate(args.str(0).len().saturating_add(args.str(1).len()))?;
    ctx.step((args.str(0).len() + args.str(1).len()) as u64)?;
    let decoded = |index: usize, what: &str| {
        encoding::decode_base64(args.str(index))
            .map_err(|_| FunctionError::new(format!("unable to decode base64 {what}")))
    };
    let cert = decoded(0, "certificate")?;
    let key = decoded(1, "private key")?;
    read(&cert, "decodedCert.Bytes")?;
    PrivateKey::from_pem(&key)
        .map_err(|error| FunctionError::new(format!("error parsing private key: {error}")))?;
    Ok(Value::Native(Rc::new(KeyPair { cert: cert.into(), key: key.into() })))
}

/// What a certificate says.
struct Template<'a> {
    name: &'a Str,
    is_authority: bool,
    alternative_names: Vec<u8>,
    days: i64,
}

fn authority(ctx: &mut Context<'_>, name: &Str, days: i64, key: &PrivateKey) -> Outcome {
    let template = Template { name, is_authority: true, alternative_names: Vec::new(), days };
    certify(ctx, &template, key, None)
}

fn leaf(ctx: &mut Context<'_>, args: &Args<'_>, key: &PrivateKey, issuer: Option<&Issuer>) -> Outcome {
    let addresses = addresses(args.list(1))?;
    let names = dns_names(args.list(2))?;
    let template = Template {
        name: args.str(0),
        is_authority: false,
        alternative_names: [names, addresses].concat(),
        days: args.int(3),
    };
    certify(ctx, &template, key, issuer)
}

fn no_string(value: &Value) -> String {
    format!("{value} is not a string")
}

/// Addresses as alternative names.
fn addresses(list: Option<&List>) -> Result<Vec<u8>, FunctionError> {
    let mut out = Vec::new();
    for item in list.into_iter().flatten() {
        let fails = |text: String| FunctionError::new(format!("error parsing ip: {text}"));
        let text = item.as_string().ok_or_else(|| fails(no_string(item)))?.to_string_lossy();
        let address: IpAddr = text.parse().map_err(|_| fails(text.clone().into_owned()))?;
        let octets = match address.to_canonical() {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        };
        out.extend(asn1::value(asn1::context(7, false), &octets));
    }
    Ok(out)
}

/// Names of hosts as alternative names.
fn dns_names(list: Option<&List>) -> Result<Vec<u8>, FunctionError> {
    let mut out = Vec::new();
    for item in list.into_iter().flatten() {
        let text = item.as_string().ok_or_else(|| {
            FunctionError::new(format!("error processing alternate dns name: {}", no_string(item)))
        })?;
        if !text.is_ascii() {
            let text = gotemplate::quote(text);
            return Err(creation(&format!("x509: {text} cannot be encoded as an IA5String")));
        }
        out.extend(asn1::value(asn1::context(2, false), text));
    }
    Ok(out)
}

fn creation(problem: &str) -> FunctionError {
    FunctionError::new(format!("error creating certificate: {problem}"))
}

/// Makes a certificate for a key, signed by the issuer or by itself.
fn certify(
    ctx: &mut Context<'_>,
    template: &Template<'_>,
    key: &PrivateKey,
    issuer: Option<&Issuer>,
) -> Outcome {
    let signer = issuer.map_or(key, |issuer| &issuer.key);
    let wrapped = |error: FunctionError| creation(&error.to_string());
    let serial: [u8; 16] = chance::generator(ctx)?.array();
    let (public, public_key) = key.public().map_err(wrapped)?;
    let (signer_public, _) = signer.public().map_err(wrapped)?;
    if issuer.is_some_and(|issuer| issuer.public != signer_public) {
        return Err(creation("x509: provided PrivateKey doesn't match parent's PublicKey"));
    }
    let subject = subject(template.name)?;
    let issuer_name = issuer.map_or(&subject, |issuer| &issuer.subject);
    let authority = issuer.filter(|issuer| issuer.subject != subject);
    let authority = authority.and_then(|issuer| issuer.key_identifier.as_deref());
    let algorithm = signer.algorithm().map_err(wrapped)?;
    let content = asn1::sequence(&[
        // Version 3.
        asn1::value(asn1::context(0, true), &asn1::unsigned(&[2])),
        asn1::unsigned(&serial),
        algorithm.clone(),
        issuer_name.clone(),
        validity(chance::clock(ctx).now, template.days),
        subject.clone(),
        public,
        extensions(template, &subject, &public_key, authority),
    ]);
    let signature = signer.sign(&content).map_err(wrapped)?;
    let certificate = asn1::sequence(&[content, algorithm, asn1::bits(&signature)]);
    let cert = pem::encode("CERTIFICATE", &certificate).into();
    let key = key.to_pem()?.into();
    Ok(Value::Native(Rc::new(KeyPair { cert, key })))
}

/// A distinguished name of a common name only. Go takes the type of string that suffices.
fn subject(name: &Str) -> Result<Vec<u8>, FunctionError> {
    if name.is_empty() {
        return Ok(asn1::sequence::<&[u8]>(&[]));
    }
    if name.as_str().is_none() {
        return Err(creation("asn1: string not valid UTF-8"));
    }
    let is_printable = |byte: &u8| byte.is_ascii_alphanumeric() || b"'()+,-./ :=?".contains(byte);
    let tag = if name.iter().all(is_printable) { asn1::PRINTABLE_STRING } else { asn1::UTF8_STRING };
    let attribute = asn1::sequence(&[asn1::value(asn1::OID, &COMMON_NAME), asn1::value(tag, name)]);
    Ok(asn1::sequence(&[asn1::value(asn1::SET, &attribute)]))
}

/// From now on, for so many days. A number of days beyond what a duration of Go holds wraps around, as there.
fn validity(now: Timestamp, days: i64) -> Vec<u8> {
    const DAY: i64 = 86_400 * 1_000_000_000;
    let end = now.checked_add(SignedDuration::from_nanos(days.wrapping_mul(DAY))).unwrap_or(Timestamp::MAX);
    asn1::sequence(&[time(now), time(end)])
}

fn time(moment: Timestamp) -> Vec<u8> {
    let civil = moment.to_zoned(jiff::tz::TimeZone::UTC).datetime();
    if (1950..2050).contains(&civil.year()) {
        asn1::value(asn1::UTC_TIME, civil.strftime("%y%m%d%H%M%SZ").to_string().as_bytes())
    } else {
        asn1::value(asn1::GENERALIZED_TIME, civil.strftime("%Y%m%d%H%M%SZ").to_string().as_bytes())
    }
}

/// The extensions in Go's order.
fn extensions(
    template: &Template<'_>,
    subject: &[u8],
    public_key: &[u8],
    authority: Option<&[u8]>,
) -> Vec<u8> {
    // Bits from the left: digital signature, key encipherment, and for authorities to sign certificates.
    let usage: &[u8] = if template.is_authority { &[2, 0b1010_0100] } else { &[5, 0b1010_0000] };
    let purposes = [asn1::value(asn1::OID, &SERVER_AUTH), asn1::value(asn1::OID, &CLIENT_AUTH)];
    let is_authority = if template.is_authority { asn1::value(asn1::BOOLEAN, &[0xff]) } else { Vec::new() };
    let mut all = vec![
        extension(KEY_USAGE, true, &asn1::value(asn1::BIT_STRING, usage)),
        extension(EXTENDED_KEY_USAGE, false, &asn1::sequence(&purposes)),
        extension(BASIC_CONSTRAINTS, true, &asn1::sequence(&[is_authority])),
    ];
    if template.is_authority {
        // RFC 7093, section 2, method 1.
        let hash = Sha256::digest(public_key);
        let identifier = hash.get(..20).unwrap_or_default();
        all.push(extension(SUBJECT_KEY_IDENTIFIER, false, &asn1::value(asn1::OCTET_STRING, identifier)));
    }
    if let Some(identifier) = authority {
        let identifier = asn1::value(asn1::context(0, false), identifier);
        all.push(extension(AUTHORITY_KEY_IDENTIFIER, false, &asn1::sequence(&[identifier])));
    }
    if !template.alternative_names.is_empty() {
        let names = asn1::sequence(&[&template.alternative_names]);
        let has_no_other_name = subject == asn1::sequence::<&[u8]>(&[]);
        all.push(extension(SUBJECT_ALTERNATIVE_NAME, has_no_other_name, &names));
    }
    asn1::value(asn1::context(3, true), &asn1::sequence(&all))
}

fn extension(number: u8, is_critical: bool, content: &[u8]) -> Vec<u8> {
    let mut fields = vec![asn1::value(asn1::OID, &[0x55, 0x1d, number])];
    if is_critical {
        fields.push(asn1::value(asn1::BOOLEAN, &[0xff]));
    }
    fields.push(asn1::value(asn1::OCTET_STRING, content));
    asn1::sequence(&fields)
}
