//! The test of Fermat with base 2, which nearly every composite number fails: 2 to the power of a number less one is
//! one modulo the number if that is prime.
//!
//! It is there to be quick: what passes it is tested again, more strictly and by the library.

use crypto_bigint::Uint;

use crate::montgomery::Modulus;
#[cfg(target_arch = "x86_64")]
use crate::vector::{LANES, Vectors};

/// How numbers are tested. Both ways give the same.
#[derive(Clone, Copy)]
pub(crate) enum BaseTwo {
    /// One after the other, on every processor.
    Single,
    /// Several at once. The time is the same for fewer.
    #[cfg(target_arch = "x86_64")]
    Together(Vectors),
}

impl BaseTwo {
    /// The quickest way that this processor has.
    pub(crate) fn new() -> Self {
        #[cfg(target_arch = "x86_64")]
        if let Some(vectors) = Vectors::new() {
            return Self::Together(vectors);
        }
        Self::Single
    }

    /// How many numbers are best tested at once.
    pub(crate) fn batch(self) -> usize {
        match self {
            Self::Single => 1,
            #[cfg(target_arch = "x86_64")]
            Self::Together(_) => LANES,
        }
    }

    /// Which numbers pass, in their order. Even ones and 1 do not.
    pub(crate) fn pass<const LIMBS: usize>(self, numbers: &[Uint<LIMBS>]) -> Vec<bool> {
        match self {
            Self::Single => numbers.iter().map(passes).collect(),
            #[cfg(target_arch = "x86_64")]
            Self::Together(vectors) => numbers.chunks(LANES).flat_map(|batch| vectors.pass(batch)).collect(),
        }
    }
}

/// Doubling takes the place of multiplying with the base.
fn passes<const LIMBS: usize>(number: &Uint<LIMBS>) -> bool {
    let Some(modulus) = Modulus::new(number) else { return false };
    let one = modulus.one();
    let exponent = number.wrapping_sub(&Uint::ONE);
    let mut power = one.clone();
    for bit in (0..exponent.bit_width_vartime()).rev() {
        power = modulus.square(&power);
        if exponent.bit_vartime(bit) {
            power = modulus.double(&power);
        }
    }
    power == one && *number != Uint::ONE
}

#[cfg(test)]
mod tests {
    use crypto_bigint::modular::{FixedMontyForm, FixedMontyParams};
    use crypto_bigint::{Odd, U256, U1024, U2048};

    use super::*;

    /// Tests numbers in both ways, and with the library.
    fn check<const LIMBS: usize>(numbers: &[Uint<LIMBS>]) {
        let expected: Vec<bool> = numbers
            .iter()
            .map(|number| {
                let params = FixedMontyParams::new_vartime(Odd::new(*number).unwrap());
                let power =
                    FixedMontyForm::new(&Uint::from_u32(2), &params).pow(&number.wrapping_sub(&Uint::ONE));
                power.retrieve() == Uint::ONE && *number != Uint::ONE
            })
            .collect();
        for way in [BaseTwo::Single, BaseTwo::new()] {
            for (batch, expected) in numbers.chunks(11).zip(expected.chunks(11)) {
                assert_eq!(way.pass(batch), expected, "batch from {}", batch[0]);
            }
        }
    }

    #[test]
    fn small_numbers_pass_as_with_the_library() {
        let numbers: Vec<_> = (1..9000).step_by(2).map(U256::from_u32).collect();
        check(&numbers);
        let way = BaseTwo::new();
        // 341 is the smallest composite number that passes; the others pass the test of Miller and Rabin too.
        let liars = [341, 2047, 3277, 4033, 4681, 8321, 1_373_653, 25_326_001].map(U1024::from_u32);
        assert_eq!(way.pass(&liars), [true; 8]);
        assert_eq!(way.pass(&[1, 4, 15, 561, 2049].map(U2048::from_u32)), [false, false, false, true, false]);
        assert!(way.pass::<{ U1024::LIMBS }>(&[]).is_empty());
    }

    #[test]
    fn numbers_at_the_limits_pass_as_with_the_library() {
        let mut numbers: Vec<U1024> =
            (0..40).map(|less| U1024::MAX.wrapping_sub(&U1024::from_u32(less * 2))).collect();
        let powers = [51, 52, 53, 103, 104, 105, 259, 260, 261, 519, 520, 521, 1014, 1022, 1023];
        for power in powers.map(|bits| U1024::ONE.shl_vartime(bits)) {
            numbers.extend([power.wrapping_add(&U1024::ONE), power.wrapping_sub(&U1024::ONE)]);
        }
        // Primes: 2^521 - 1, 2^255 - 19 and 2^1024 - 105, and a pseudoprime: 2^p - 1 is one for each prime p.
        numbers.push(U1024::ONE.shl_vartime(255).wrapping_sub(&U1024::from_u32(19)));
        numbers.push(U1024::MAX.wrapping_sub(&U1024::from_u32(104)));
        numbers.push(U1024::ONE.shl_vartime(1021).wrapping_sub(&U1024::ONE));
        check(&numbers);
        assert_eq!(BaseTwo::new().pass(&numbers[numbers.len() - 3..]), [true; 3]);
        let large: Vec<U2048> =
            numbers.iter().map(|number| number.resize::<32>().shl_vartime(1024) | number.resize()).collect();
        check(&large);
    }

    #[test]
    fn random_numbers_pass_as_with_the_library() {
        let mut state = 0_u64;
        let mut number = || {
            let words = std::array::from_fn(|_| {
                state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
                let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                mixed ^ (mixed >> 27)
            });
            U256::from_words(words) | U256::ONE
        };
        let numbers: Vec<U256> = (0..4000).map(|_| number()).collect();
        check(&numbers);
        let passed = BaseTwo::new().pass(&numbers);
        assert!(passed.iter().filter(|passed| **passed).count() > 10, "there are primes among them");
    }
}
