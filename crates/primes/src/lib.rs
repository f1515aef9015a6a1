//! Prime numbers for keys, drawn from random bytes.
//!
//! The search is our own and always the same: an odd number is drawn, and the first prime from there on is taken.
//! So the same random bytes give the same keys for ever, whatever becomes of the libraries that are used here.
//!
//! This is a crate so that it alone can be optimised in builds for development, where a key would take a minute.

mod base_two;
mod montgomery;
mod sieve;
#[cfg(target_arch = "x86_64")]
mod vector;

use std::thread;

use crypto_bigint::modular::{FixedMontyForm, FixedMontyParams};
use crypto_bigint::{Odd, U256, U1024, U2048, Uint};
use crypto_primes::Flavor;

use crate::base_two::BaseTwo;
use crate::sieve::Candidates;

/// The public exponent of RSA. A factor is not one more than a multiple of it.
pub const EXPONENT: u32 = 65_537;

/// Where random bytes come from: fills a buffer with them.
pub type Fill<'a> = &'a mut dyn FnMut(&mut [u8]);

/// Both factors for a key of RSA with 2048 bits: different primes of 1024 bits with the two highest set, the highest byte
/// first. It takes half the time where there are two processors and threads may be started.
pub fn rsa_2048_factors(fill: Fill<'_>) -> [Vec<u8>; 2] {
    rsa_factors::<{ U1024::LIMBS }>(fill, both).map(|factor| bytes(&factor))
}

/// Both factors for a key of RSA with 4096 bits, as [`rsa_2048_factors`].
pub fn rsa_4096_factors(fill: Fill<'_>) -> [Vec<u8>; 2] {
    rsa_factors::<{ U2048::LIMBS }>(fill, both).map(|factor| bytes(&factor))
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

/// Two factors. Where no prime is found for one, or the same as for the other, just so many numbers are drawn again as
/// are missing: the result is the same as when the second search begins after the first.
fn rsa_factors<const LIMBS: usize>(
    fill: Fill<'_>,
    both: impl Fn([Uint<LIMBS>; 2]) -> [Option<Uint<LIMBS>>; 2],
) -> [Uint<LIMBS>; 2] {
    let [mut first, mut second] = both([rsa_start(fill), rsa_start(fill)]);
    loop {
        match (first, second) {
            (Some(first), Some(second)) if first != second => return [first, second],
            (Some(_), _) => second = rsa_search(rsa_start(fill)),
            (None, Some(_)) => (first, second) = (second, None),
            (None, None) => [first, second] = both([rsa_start(fill), rsa_start(fill)]),
        }
    }
}

/// Where the search for a factor begins: with the two highest bits set, for a product of two such numbers has twice as
/// many bits.
fn rsa_start<const LIMBS: usize>(fill: Fill<'_>) -> Uint<LIMBS> {
    drawn::<LIMBS>(fill) | top(1) | top(2) | Uint::ONE
}

fn rsa_search<const LIMBS: usize>(start: Uint<LIMBS>) -> Option<Uint<LIMBS>> {
    first(start, Uint::from_u32(2), |prime| residue(prime, EXPONENT) != 1)
}

/// Searches from two numbers on, at the same time if there is a processor for each. Where no thread may be started, as
/// in a process that is shut off from the system, the second search comes after the first.
fn both<const LIMBS: usize>([start, other]: [Uint<LIMBS>; 2]) -> [Option<Uint<LIMBS>>; 2] {
    if thread::available_parallelism().is_ok_and(|processors| processors.get() == 1) {
        return [rsa_search(start), rsa_search(other)];
    }
    thread::scope(|scope| {
        let thread = thread::Builder::new().spawn_scoped(scope, move || rsa_search(other));
        let found = rsa_search(start);
        let other = match thread.map(thread::ScopedJoinHandle::join) {
            Ok(Ok(found)) => found,
            _ => rsa_search(other),
        };
        [found, other]
    })
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

/// The first prime among `start` and what comes after it in steps, if it still has the highest bit set. No composite
/// number is known that is taken for one (Baillie-PSW).
fn first<const LIMBS: usize>(
    start: Uint<LIMBS>,
    step: Uint<LIMBS>,
    fits: impl Fn(&Uint<LIMBS>) -> bool,
) -> Option<Uint<LIMBS>> {
    let mut candidates = Candidates::new(start, step);
    let base_two = BaseTwo::new();
    loop {
        let batch: Vec<_> = candidates.by_ref().take(base_two.batch()).collect();
        if batch.is_empty() {
            return None;
        }
        let passed = base_two.pass(&batch);
        let mut passed =
            batch.into_iter().zip(passed).filter_map(|(number, passed)| passed.then_some(number));
        let prime = passed.find(|number| crypto_primes::is_prime(Flavor::Any, number) && fits(number));
        if prime.is_some() {
            return prime;
        }
    }
}

/// What is left of a number when it is divided by a small one.
fn residue<const LIMBS: usize>(number: &Uint<LIMBS>, divisor: u32) -> u32 {
    let divisor = u64::from(divisor);
    let words = number.as_words().iter().rev();
    let halves = words.flat_map(|word| [word >> 32, word & u64::from(u32::MAX)]);
    let rest = halves.fold(0, |rest, half| (rest << 32 | half) % divisor);
    u32::try_from(rest).unwrap_or_default()
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

    /// The factor that is drawn next.
    fn factor<const LIMBS: usize>(source: Fill<'_>) -> Uint<LIMBS> {
        rsa_search(rsa_start(source)).unwrap()
    }

    /// Checksums (FNV-1a) of what the first version of this crate made from the seeds from 1 on.
    const RSA_2048: [u64; 24] = [
        0x1db8_e2be_d34a_4ed9,
        0x3ec6_031a_a977_8b59,
        0xa9ea_893b_8bb6_75f3,
        0x224f_5948_cf5e_df0c,
        0xceac_d123_0c6e_f259,
        0x82d2_ff61_6151_8431,
        0x9cac_ea43_2b4b_6e26,
        0x19fa_a2ea_04a4_a510,
        0x3025_bb4e_edd4_8cdf,
        0x8ee2_09c0_9e86_9555,
        0x2006_20bf_2675_874f,
        0x831d_23f6_47ce_8fab,
        0x3a41_15af_fbfd_2a4a,
        0xae37_61d6_d8e8_371a,
        0x61d8_0462_488b_2d78,
        0x7b80_371f_f445_6b7c,
        0x906b_c6b0_61a4_c971,
        0x35f3_563e_88b6_063e,
        0x0c97_68ff_c3b4_2e38,
        0xdc18_c492_66a2_12ca,
        0xdd99_35d6_b39f_b512,
        0xbe2e_09c3_8a0e_ccfe,
        0x7f8c_a4b7_1a29_5ba3,
        0x0f00_0d74_5a4e_12bb,
    ];
    const RSA_4096: [u64; 4] =
        [0xd5a7_0e61_8d2a_26d5, 0x600a_fee8_852e_ab5f, 0x0797_7ad5_75dc_fde2, 0xd4fb_3e9c_5e11_255b];
    const DSA: [u64; 4] =
        [0x6c76_93c1_0c69_8e74, 0xb79b_b7b5_f5b3_b0a4, 0x5a99_e9b5_74cf_7770, 0x6234_9a87_8664_d28b];

    fn checksum<'a>(bytes: impl IntoIterator<Item = &'a Vec<u8>>) -> u64 {
        let bytes = bytes.into_iter().flatten();
        bytes.fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
    }

    #[test]
    fn the_same_bytes_give_the_same_keys_for_ever() {
        for (seed, expected) in (1..).zip(RSA_2048) {
            assert_eq!(checksum(&rsa_2048_factors(&mut fill(seed))[..1]), expected, "seed {seed}");
        }
        for (seed, expected) in (1..).zip(RSA_4096) {
            assert_eq!(checksum(&rsa_4096_factors(&mut fill(seed))[..1]), expected, "seed {seed}");
        }
        for (seed, expected) in (1..).zip(DSA) {
            let DsaKey { p, q, g, y, x } = dsa_key(&mut fill(seed)).unwrap();
            assert_eq!(checksum([&p, &q, &g, &y, &x]), expected, "seed {seed}");
        }
    }

    #[test]
    fn both_factors_are_those_that_come_one_after_the_other() {
        let (mut one, mut other) = (fill(7), fill(7));
        let expected = [factor::<{ U1024::LIMBS }>(&mut one), factor(&mut one)].map(|it| bytes(&it));
        assert_eq!(rsa_2048_factors(&mut other), expected);
        assert_eq!(factor::<{ U256::LIMBS }>(&mut one), factor(&mut other), "as much was drawn");
        let mut one = fill(8);
        let expected = [factor::<{ U2048::LIMBS }>(&mut one), factor(&mut one)].map(|it| bytes(&it));
        assert_eq!(rsa_4096_factors(&mut fill(8)), expected);
    }

    #[test]
    fn what_is_missing_is_drawn_again() {
        // Searches that find nothing, or the same, at first, and then what the numbers say that were drawn.
        let small = |starts: [U256; 2], lost: [bool; 2]| {
            let [first, second] = starts.map(rsa_search);
            [first.filter(|_| !lost[0]), second.filter(|_| !lost[1])]
        };
        let mut source = fill(9);
        let found: Vec<U256> = (0..4).map(|_| factor(&mut source)).collect();
        for (lost, expected) in [
            ([false, false], [found[0], found[1]]),
            ([true, false], [found[1], found[2]]),
            ([false, true], [found[0], found[2]]),
            ([true, true], [found[2], found[3]]),
        ] {
            let calls = std::cell::Cell::new(0);
            let both = |starts| {
                calls.set(calls.get() + 1);
                small(starts, if calls.get() == 1 { lost } else { [false, false] })
            };
            assert_eq!(rsa_factors(&mut fill(9), both), expected, "{lost:?}");
        }
        let same = |starts: [U256; 2]| [rsa_search(starts[0]), rsa_search(starts[0])];
        assert_eq!(rsa_factors(&mut fill(9), same), [found[0], found[2]]);
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
    fn factors_are_primes_of_full_length_and_always_the_same() {
        let factors = rsa_2048_factors(&mut fill(1));
        for factor in &factors {
            assert_eq!(factor.len(), 128);
            assert!(factor[0] >= 0xc0);
            assert!(crypto_primes::is_prime(Flavor::Any, &U1024::from_be_slice(factor)));
        }
        assert_ne!(factors[0], factors[1]);
        assert_eq!(factors, rsa_2048_factors(&mut fill(1)));
        assert_ne!(factors, rsa_2048_factors(&mut fill(2)));
        let [large, _] = rsa_4096_factors(&mut fill(1));
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
