//! Resource quantities: `500m`, `1.5Gi`, `1e3`. Kubernetes: `k8s.io/apimachinery/pkg/api/resource`.
//!
//! The API server stores a quantity in its canonical form, so that text that differs may mean the same.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use serde_json::Value;

use crate::Error;

/// Nothing is finer than a billionth; what is, is rounded away from zero.
const FINEST_EXPONENT: i32 = -9;
/// The largest quantity with a binary suffix; what is larger is capped.
const LARGEST_BINARY: &str = "9223372036854775807";
/// More digits than any number has that we count with.
const MOST_DIGITS: usize = 40;

const DECIMAL_SUFFIXES: &[(&str, i32)] = &[
    ("n", -9),
    ("u", -6),
    ("m", -3),
    ("", 0),
    ("k", 3),
    ("M", 6),
    ("G", 9),
    ("T", 12),
    ("P", 15),
    ("E", 18),
];
/// With the power of two.
const BINARY_SUFFIXES: &[(&str, u32)] =
    &[("Ki", 10), ("Mi", 20), ("Gi", 30), ("Ti", 40), ("Pi", 50), ("Ei", 60)];

/// An exact amount. Compares by value: `1000m` equals `1`, `1Ki` equals `1024`.
#[derive(Clone, Debug)]
pub struct Quantity {
    amount: Amount,
    notation: Notation,
}

/// The suffixes that a quantity was written with and is written with again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Notation {
    Decimal,
    Binary,
    Exponent,
}

/// `digits` times ten to the power of `exponent`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Amount {
    negative: bool,
    /// Without zeros at the ends; none for zero.
    digits: Vec<u8>,
    exponent: i32,
}

impl Quantity {
    /// Reads a value of a manifest, where a quantity may be a text or a number.
    pub fn from_json(value: &Value) -> Result<Self, Error> {
        match value {
            Value::String(text) => text.trim().parse(),
            Value::Number(number) => number.to_string().parse(),
            _ => Err(Error::Quantity { text: crate::manifest::describe(value) }),
        }
    }

    /// The amount in whole units, what is a part of one counted as one. None when it is below zero or too large to count.
    pub fn units(&self) -> Option<u64> {
        match (self.amount.negative, self.amount.exponent) {
            (true, _) => None,
            (false, 0..) => self.amount.as_integer(),
            (false, exponent) => {
                let cut = usize::try_from(exponent.unsigned_abs()).ok()?;
                let kept = self.amount.digits.len().saturating_sub(cut);
                let whole = self.amount.digits.iter().take(kept).copied().collect();
                // There are no zeros at the end, so something is always cut off.
                Amount::new(false, increment(whole), 0).as_integer()
            }
        }
    }
}

impl Quantity {
    /// The amount in billionths, than which nothing is finer. None when it is too large to count.
    pub fn nanos(&self) -> Option<i128> {
        let zeros = usize::try_from(self.amount.exponent.checked_sub(FINEST_EXPONENT)?).ok()?;
        let zeros = std::iter::repeat_n(&0, zeros.min(MOST_DIGITS));
        let add = |sum: i128, digit: &u8| sum.checked_mul(10)?.checked_add(i128::from(*digit));
        let nanos = self.amount.digits.iter().chain(zeros).try_fold(0, add)?;
        Some(if self.amount.negative { -nanos } else { nanos })
    }

    /// An amount of so many billionths.
    pub fn from_nanos(nanos: i128) -> Self {
        let digits = nanos.unsigned_abs().to_string().bytes().map(|digit| digit - b'0').collect();
        Self { amount: Amount::new(nanos < 0, digits, FINEST_EXPONENT), notation: Notation::Decimal }
    }

    /// The same amount, written with a binary suffix where that is as exact.
    #[must_use]
    pub fn in_binary(self) -> Self {
        Self { notation: Notation::Binary, ..self }
    }
}

impl FromStr for Quantity {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let malformed = || Error::Quantity { text: text.to_owned() };
        let negative = text.starts_with('-');
        let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
        if text.is_empty() {
            return Err(malformed());
        }
        let (whole, rest) = split_digits(unsigned);
        let (fraction, suffix) = rest.strip_prefix('.').map_or(("", rest), split_digits);
        let places = i32::try_from(fraction.len()).map_err(|_| malformed())?;
        let digits: Vec<u8> = whole.bytes().chain(fraction.bytes()).map(|digit| digit - b'0').collect();
        let amount = |digits: Vec<u8>, exponent: i32| Amount::new(negative, digits, exponent).rounded();

        if let Some((_, exponent)) = DECIMAL_SUFFIXES.iter().find(|(known, _)| *known == suffix) {
            return Ok(Self { amount: amount(digits, exponent - places), notation: Notation::Decimal });
        }
        if let Some((_, power)) = BINARY_SUFFIXES.iter().find(|(known, _)| *known == suffix) {
            let amount = amount(multiply(&digits, 1 << power), -places).capped();
            let notation = if amount.is_fraction() { Notation::Decimal } else { Notation::Binary };
            return Ok(Self { amount, notation });
        }
        let exponent = suffix.strip_prefix(['e', 'E']).and_then(|exponent| exponent.parse::<i32>().ok());
        let exponent = exponent.and_then(|exponent| exponent.checked_sub(places)).ok_or_else(malformed)?;
        Ok(Self { amount: amount(digits, exponent), notation: Notation::Exponent })
    }
}

/// Splits where the digits end.
fn split_digits(text: &str) -> (&str, &str) {
    let end = text.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

/// Digits times a number.
fn multiply(digits: &[u8], factor: u64) -> Vec<u8> {
    let mut product = Vec::with_capacity(digits.len() + 20);
    let mut carry = 0_u128;
    for digit in digits.iter().rev() {
        carry += u128::from(*digit) * u128::from(factor);
        product.push(u8::try_from(carry % 10).unwrap_or_default());
        carry /= 10;
    }
    while carry > 0 {
        product.push(u8::try_from(carry % 10).unwrap_or_default());
        carry /= 10;
    }
    product.reverse();
    product
}

impl Amount {
    fn new(negative: bool, digits: Vec<u8>, exponent: i32) -> Self {
        let first = digits.iter().position(|digit| *digit != 0).unwrap_or(digits.len());
        let mut digits: Vec<u8> = digits.into_iter().skip(first).collect();
        let mut exponent = exponent;
        while digits.last() == Some(&0) {
            digits.pop();
            exponent = exponent.saturating_add(1);
        }
        if digits.is_empty() {
            return Self { negative: false, digits, exponent: 0 };
        }
        Self { negative, digits, exponent }
    }

    fn is_zero(&self) -> bool {
        self.digits.is_empty()
    }

    /// How many digits stand before the decimal point; negative when there are zeros after it.
    fn magnitude(&self) -> i64 {
        i64::try_from(self.digits.len()).unwrap_or(i64::MAX) + i64::from(self.exponent)
    }

    /// Is this not zero and between minus one and one?
    fn is_fraction(&self) -> bool {
        !self.is_zero() && self.magnitude() <= 0
    }

    /// Without anything finer than a billionth, away from zero.
    fn rounded(self) -> Self {
        let excess = FINEST_EXPONENT.saturating_sub(self.exponent);
        if self.is_zero() || excess <= 0 {
            return self;
        }
        let kept = self.digits.len().saturating_sub(usize::try_from(excess).unwrap_or(usize::MAX));
        // There are no zeros at the end, so something is always cut off.
        let digits = increment(self.digits.into_iter().take(kept).collect());
        Self::new(self.negative, digits, FINEST_EXPONENT)
    }

    /// Not larger than Kubernetes allows with a binary suffix.
    fn capped(self) -> Self {
        let largest = LARGEST_BINARY.bytes().map(|digit| digit - b'0').collect();
        let largest = Self::new(false, largest, 0);
        match self.compare_magnitude(&largest) {
            Ordering::Greater => Self { negative: self.negative, ..largest },
            _ => self,
        }
    }

    fn compare_magnitude(&self, other: &Self) -> Ordering {
        match (self.is_zero(), other.is_zero()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            (false, false) => {
                self.magnitude().cmp(&other.magnitude()).then_with(|| self.digits.cmp(&other.digits))
            }
        }
    }

    /// The amount as an integer, if it is one that fits.
    fn as_integer(&self) -> Option<u64> {
        let zeros = usize::try_from(self.exponent).ok().filter(|zeros| *zeros < LARGEST_BINARY.len())?;
        let zeros = std::iter::repeat_n(&0, zeros);
        self.digits
            .iter()
            .chain(zeros)
            .try_fold(0_u64, |integer, digit| integer.checked_mul(10)?.checked_add(u64::from(*digit)))
    }
}

/// The number that follows the one of these digits.
fn increment(mut digits: Vec<u8>) -> Vec<u8> {
    for digit in digits.iter_mut().rev() {
        if *digit < 9 {
            *digit += 1;
            return digits;
        }
        *digit = 0;
    }
    digits.insert(0, 1);
    digits
}

impl Ord for Amount {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.negative, other.negative) {
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
            (false, false) => self.compare_magnitude(other),
            (true, true) => other.compare_magnitude(self),
        }
    }
}

impl PartialOrd for Amount {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.amount == other.amount
    }
}

impl Eq for Quantity {}

impl Hash for Quantity {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.amount.hash(state);
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> Ordering {
        self.amount.cmp(&other.amount)
    }
}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Prints the canonical form: no fraction, the largest suffix that needs none, the kind of suffix it was read with.
impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.amount.is_zero() {
            return f.write_str("0");
        }
        if self.amount.negative {
            f.write_str("-")?;
        }
        match (self.notation, self.amount.as_integer()) {
            (Notation::Binary, Some(integer)) if integer >= 1024 => write_binary(f, integer),
            (Notation::Exponent, _) => write_decimal(f, &self.amount, |exponent| match exponent {
                0 => String::new(),
                exponent => format!("e{exponent}"),
            }),
            _ => write_decimal(f, &self.amount, |exponent| {
                let known = DECIMAL_SUFFIXES.iter().rev().find(|(_, known)| *known <= exponent);
                let (suffix, known) = known.copied().unwrap_or(("", 0));
                // Kubernetes has no suffix beyond E and then prints none at all; zeros say what is meant.
                let zeros = usize::try_from(exponent - known).unwrap_or_default();
                "0".repeat(zeros) + suffix
            }),
        }
    }
}

fn write_binary(f: &mut fmt::Formatter<'_>, integer: u64) -> fmt::Result {
    let power = integer.trailing_zeros() / 10 * 10;
    let suffix = BINARY_SUFFIXES.iter().find(|(_, known)| *known == power).map_or("", |(suffix, _)| suffix);
    write!(f, "{}{suffix}", integer >> power)
}

/// Writes digits with an exponent that is a multiple of three.
fn write_decimal(f: &mut fmt::Formatter<'_>, amount: &Amount, suffix: impl Fn(i32) -> String) -> fmt::Result {
    for digit in &amount.digits {
        write!(f, "{digit}")?;
    }
    let zeros = amount.exponent.rem_euclid(3);
    for _ in 0..zeros {
        f.write_str("0")?;
    }
    f.write_str(&suffix(amount.exponent.saturating_sub(zeros)))
}
