//! Decimal fractions of any length, with the rounding of shopspring/decimal.

use gotemplate::{FunctionError, print_float};
use num_bigint::{BigInt, Sign};

/// Decimal places that a quotient has.
const PLACES: i32 = 16;

/// `value` times ten to the power of `exponent`.
#[derive(Clone, Debug)]
pub(super) struct Decimal {
    value: BigInt,
    exponent: i32,
}

impl Decimal {
    /// The shortest decimal fraction that means the float. Infinities and NaN are errors.
    pub(super) fn from_float(float: f64) -> Result<Self, FunctionError> {
        let printed = print_float(float);
        if !float.is_finite() {
            return Err(FunctionError::new(format!("Cannot create a Decimal from {printed}")));
        }
        let (mantissa, exponent) = printed.split_once('e').unwrap_or((&printed, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let places = i32::try_from(fraction.len()).unwrap_or(0);
        Ok(Self {
            value: format!("{whole}{fraction}").parse().unwrap_or_default(),
            exponent: exponent.parse::<i32>().unwrap_or(0) - places,
        })
    }

    /// The nearest float.
    pub(super) fn to_float(&self) -> f64 {
        format!("{}e{}", self.value, self.exponent).parse().unwrap_or(0.0)
    }

    /// A measure of the work that the next operation takes.
    pub(super) fn size(&self) -> u64 {
        self.value.bits() / 64 + 1
    }

    /// The values of both at the smaller of their exponents.
    fn aligned(&self, other: &Self) -> (BigInt, BigInt, i32) {
        let exponent = self.exponent.min(other.exponent);
        let raised = |decimal: &Self| &decimal.value * power_of_ten(decimal.exponent - exponent);
        (raised(self), raised(other), exponent)
    }

    pub(super) fn add(&self, other: &Self) -> Self {
        let (first, second, exponent) = self.aligned(other);
        Self { value: first + second, exponent }
    }

    pub(super) fn subtract(&self, other: &Self) -> Self {
        let (first, second, exponent) = self.aligned(other);
        Self { value: first - second, exponent }
    }

    pub(super) fn multiply(&self, other: &Self) -> Self {
        Self { value: &self.value * &other.value, exponent: self.exponent + other.exponent }
    }

    /// The quotient to [`PLACES`] decimal places, halves rounded away from zero.
    pub(super) fn divide(&self, other: &Self) -> Result<Self, FunctionError> {
        if other.value.sign() == Sign::NoSign {
            return Err(FunctionError::new("decimal division by 0"));
        }
        let shift = self.exponent - other.exponent + PLACES;
        let dividend = &self.value * power_of_ten(shift);
        let divisor = &other.value * power_of_ten(-shift);
        let (quotient, rest) = (&dividend / &divisor, &dividend % &divisor);
        let is_half = (rest * 2_u8).magnitude() >= divisor.magnitude();
        let away = if dividend.sign() == divisor.sign() { 1 } else { -1 };
        let value = if is_half { quotient + away } else { quotient };
        Ok(Self { value, exponent: -PLACES })
    }
}

/// Ten to a power; 1 for a negative one.
fn power_of_ten(power: i32) -> BigInt {
    BigInt::from(10).pow(u32::try_from(power).unwrap_or(0))
}
