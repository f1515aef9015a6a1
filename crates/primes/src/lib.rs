//! Prime numbers for keys, drawn from random bytes.
//!
//! The search is our own and always the same: an odd number is drawn, and the first prime from there on is taken.
//! So the same random bytes give the same keys for ever, whatever becomes of the libraries that are used here.
//!
//! This is a crate so that it alone can be optimised in builds for development, where a key would take a minute.

mod montgomery;
mod sieve;

use crypto_bigint::modular::{FixedMontyForm, FixedMontyParams};
use crypto_bigint::{Odd, U256, U1024, U2048, Uint};
use crypto_primes::Flavor;

use crate::montgomery::Modulus;
use crate::sieve::sieve;

/// The public exponent of RSA. A factor is not one more than a multiple of it.
pub const EXPONENT: u32 = 65_537;

/// How many numbers after the first are looked at before another one is drawn.
const WINDOW: usize = 1 << 15;

/// How many of them are sieved at once. There is nearly always a prime among the first.
const PART: usize = 1 << 12;

/// Where random bytes come from: fills a buffer with them.
pub type Fill<'a> = &'a mut dyn FnMut(&mut [u8]);

/// A factor for a key of RSA with 2048 bits: a prime of 1024 bits with the two highest set, the highest byte first.
pub fn rsa_2048_factor(fill: Fill<'_>) -> Vec<u8> {
    bytes(&rsa_factor::<{ U1024::LIMBS }>(fill))
}

/// A factor for a key of RSA with 4096 bits, as [`rsa_2048_factor`].
pub fn rsa_4096_factor(fill: Fill<'_>) -> Vec<u8> {
    bytes(&rsa_factor::<{ U2048::LIMBS }>(fill))
}

/// A key of DSA, each number with its highest byte first.
#[derive(Debug)]
pub struct DsaKey {
    /// The modulus, a prime of 2048 bits.
    pub p: Vec<u8>,
    /// The order of the generator, a prime of 256 bits.
    pub q: Vec<u8>,
    /// The generator.
    pub g: Vec<u8>,
    /// The public key.
    pub y: Vec<u8>,
    /// The private key.
    pub x: Vec<u8>,
}

/// Makes a key of DSA. `None` if no small number gives a generator, which no modulus is known to show.
pub fn dsa_key(fill: Fill<'_>) -> Option<DsaKey> {
    let q: U256 = prime(fill);
    let wide: U2048 = q.resize();
    let p = prime_above_multiple(fill, &wide.shl_vartime(1));
    let params = FixedMontyParams::new_vartime(Odd::new(p).into_option()?);
    let cofactor = p.wrapping_sub(&U2048::ONE).wrapping_div_vartime(&wide.to_nz().into_option()?);
    let one = FixedMontyForm::one(&params);
    let power = |number: u32| FixedMontyForm::new(&U2048::from_u32(number), &params).pow(&cofactor);
    let base = (2..100).map(power).find(|power| *power != one)?;
    let x: U256 = loop {
        let x = drawn(fill);
        if x != U256::ZERO && x < q {
            break x;
        }
    };
    let y = base.pow(&x).retrieve();
    Some(DsaKey { p: bytes(&p), q: bytes(&q), g: bytes(&base.retrieve()), y: bytes(&y), x: bytes(&x) })
}

/// A prime with the two highest bits set. A product of two such numbers has twice as many bits.
fn rsa_factor<const LIMBS: usize>(fill: Fill<'_>) -> Uint<LIMBS> {
    loop {
        let start = drawn::<LIMBS>(fill) | top(1) | top(2) | Uint::ONE;
        if let Some(prime) = first(start, Uint::from_u32(2), |prime| residue(prime, EXPONENT) != 1) {
            return prime;
        }
    }
}

/// A prime with the highest bit set.
fn prime<const LIMBS: usize>(fill: Fill<'_>) -> Uint<LIMBS> {
    loop {
        let start = drawn::<LIMBS>(fill) | top(1) | Uint::ONE;
        if let Some(prime) = first(start, Uint::from_u32(2), |_| true) {
            return prime;
        }
    }
}

/// A prime with the highest bit set that is one more than a multiple of `step`, an even number.
fn prime_above_multiple<const LIMBS: usize>(fill: Fill<'_>, step: &Uint<LIMBS>) -> Uint<LIMBS> {
    let Some(divisor) = step.to_nz().into_option() else { return Uint::ZERO };
    loop {
        let start = drawn::<LIMBS>(fill) | top(1);
        let start = start.wrapping_sub(&start.rem_vartime(&divisor)).wrapping_add(&Uint::ONE);
        if let Some(prime) = first(start, *step, |_| true) {
            return prime;
        }
    }
}

/// A number of random bits.
fn drawn<const LIMBS: usize>(fill: Fill<'_>) -> Uint<LIMBS> {
    let mut number = Uint::ZERO;
    for word in number.as_mut_words() {
        let mut bytes = [0; 8];
        fill(&mut bytes);
        *word = u64::from_be_bytes(bytes);
    }
    number
}

/// The number of the bit that is `place` from the top.
fn top<const LIMBS: usize>(place: u32) -> Uint<LIMBS> {
    Uint::ONE.shl_vartime(Uint::<LIMBS>::BITS - place)
}

/// The first prime among `start` and what comes after it in steps, if it still has the highest bit set.
fn first<const LIMBS: usize>(
    start: Uint<LIMBS>,
    step: Uint<LIMBS>,
    fits: impl Fn(&Uint<LIMBS>) -> bool,
) -> Option<Uint<LIMBS>> {
    let mut candidates = vec![true; PART];
    let mut number = start;
    for place in 0..WINDOW {
        let in_part = place % PART;
        if in_part == 0 {
            sieve(&mut candidates, &number, &step);
        }
        if number.bit_width_vartime() < Uint::<LIMBS>::BITS {
            return None;
        }
        let is_candidate = candidates.get(in_part).copied().unwrap_or_default();
        if is_candidate && is_prime(&number) && fits(&number) {
            return Some(number);
        }
        number = number.wrapping_add(&step);
    }
    None
}

/// What is left of a number when it is divided by a small one.
fn residue<const LIMBS: usize>(number: &Uint<LIMBS>, divisor: u32) -> u32 {
    let divisor = u64::from(divisor);
    let words = number.as_words().iter().rev();
    let halves = words.flat_map(|word| [word >> 32, word & u64::from(u32::MAX)]);
    let rest = halves.fold(0, |rest, half| (rest << 32 | half) % divisor);
    u32::try_from(rest).unwrap_or_default()
}

/// Whether an odd number is prime. No composite number is known that passes (Baillie-PSW).
fn is_prime<const LIMBS: usize>(number: &Uint<LIMBS>) -> bool {
    passes_base_two(number) && crypto_primes::is_prime(Flavor::Any, number)
}

/// The test of Miller and Rabin with base 2, which nearly every composite number fails. It is quick, for doubling
/// takes the place of multiplying.
fn passes_base_two<const LIMBS: usize>(number: &Uint<LIMBS>) -> bool {
    let Some(modulus) = Modulus::new(number) else { return false };
    let (one, minus_one) = (modulus.one(), modulus.minus_one());
    let even = number.wrapping_sub(&Uint::ONE);
    let twos = even.trailing_zeros_vartime();
    let exponent = even.wrapping_shr_vartime(twos);
    let mut power = one.clone();
    for bit in (0..exponent.bit_width_vartime()).rev() {
        power = modulus.square(&power);
        if exponent.bit_vartime(bit) {
            power = modulus.double(&power);
        }
    }
    if power == one || power == minus_one {
        return true;
    }
    for _ in 1..twos {
        power = modulus.square(&power);
        if power == minus_one {
            return true;
        }
    }
    false
}

/// The bytes of a number, the highest first.
fn bytes<const LIMBS: usize>(number: &Uint<LIMBS>) -> Vec<u8> {
    number.as_words().iter().rev().flat_map(|word| word.to_be_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes that are the same each time, and as good as random for a test.
    fn fill(seed: u64) -> impl FnMut(&mut [u8]) {
        let mut state = seed;
        move |buffer| {
            for byte in buffer {
                // SplitMix64.
                state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
                let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                *byte = mixed.to_be_bytes()[1];
            }
        }
    }

    #[test]
    fn residues_are_those_of_the_library() {
        let number = U1024::MAX.wrapping_sub(&U1024::from_u64(0x1234_5678_9abc_def0));
        for divisor in [1, 2, 3, 65_537, 524_287, u32::MAX] {
            let expected = number.rem_vartime(&U1024::from_u32(divisor).to_nz().unwrap());
            assert_eq!(U1024::from_u32(residue(&number, divisor)), expected);
        }
    }

    #[test]
    fn the_quick_test_agrees() {
        for number in (1001..3001_u32).step_by(2) {
            let number = U256::from_u32(number);
            let expected = crypto_primes::is_prime(Flavor::Any, &number);
            // 2047 = 23 * 89 is the one number here that fools base 2.
            assert_eq!(passes_base_two(&number), expected || number == U256::from_u32(2047), "{number}");
            assert_eq!(is_prime(&number), expected, "{number}");
        }
    }

    #[test]
    fn factors_are_primes_of_full_length_and_always_the_same() {
        let factor = rsa_2048_factor(&mut fill(1));
        assert_eq!(factor.len(), 128);
        assert!(factor[0] >= 0xc0);
        assert!(crypto_primes::is_prime(Flavor::Any, &U1024::from_be_slice(&factor)));
        assert_eq!(factor, rsa_2048_factor(&mut fill(1)));
        assert_ne!(factor, rsa_2048_factor(&mut fill(2)));
        let large = rsa_4096_factor(&mut fill(1));
        assert!(crypto_primes::is_prime(Flavor::Any, &U2048::from_be_slice(&large)) && large[0] >= 0xc0);
    }

    #[test]
    fn the_numbers_of_dsa_fit_together() {
        let key = dsa_key(&mut fill(3)).unwrap();
        let (p, q) = (U2048::from_be_slice(&key.p), U256::from_be_slice(&key.q));
        assert!(crypto_primes::is_prime(Flavor::Any, &p) && crypto_primes::is_prime(Flavor::Any, &q));
        let params = FixedMontyParams::new_vartime(Odd::new(p).unwrap());
        let base = FixedMontyForm::new(&U2048::from_be_slice(&key.g), &params);
        assert_eq!(base.pow(&q), FixedMontyForm::one(&params));
        assert_eq!(base.pow(&U256::from_be_slice(&key.x)).retrieve(), U2048::from_be_slice(&key.y));
    }
}
