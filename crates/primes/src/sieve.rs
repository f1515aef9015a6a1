//! Numbers that may be prime: those that have no small factor.

use std::sync::LazyLock;

use crypto_bigint::Uint;

/// Numbers are sieved with the primes below this. A larger one strikes out too few for what it costs.
const BOUND: u32 = 1 << 17;

/// Factors whose product fits into a word: a long number is first taken modulo their product.
const GROUP: usize = 3;

/// Long numbers are read in blocks of so many words.
const BLOCK: usize = 16;

/// How many numbers are looked at, the first among them.
const WINDOW: usize = 1 << 15;

/// How many of them are sieved at once. There is nearly always a prime among the first.
const PART: usize = 1 << 12;

/// Some factors, and what helps to take long numbers modulo their product.
struct Group {
    factors: [u32; GROUP],
    product: u64,
    /// What gives -1 when it is multiplied with the product, modulo a word.
    negative_inverse: u64,
    /// 2 to the number of bits of a block and of a word more.
    power: u64,
}

static GROUPS: LazyLock<Vec<Group>> = LazyLock::new(|| {
    let primes: Vec<u32> = small_primes(BOUND).collect();
    // What does not fill a group is left out: nothing depends on which of the largest are there.
    primes.as_chunks().0.iter().map(|factors| Group::new(*factors)).collect()
});

impl Group {
    fn new(factors: [u32; GROUP]) -> Self {
        let product = factors.iter().map(|factor| u64::from(*factor)).product();
        let mut group = Self { factors, product, negative_inverse: negative_inverse(product), power: 0 };
        let word = (1_u128 << 64) % u128::from(product);
        group.power = u64::try_from(word * word % u128::from(product)).unwrap_or_default();
        // From 2 to two words on: the words beyond the first become twice as many each time.
        for _ in 0..BLOCK.ilog2() {
            group.power = group.product_over_word(group.power, group.power);
        }
        group
    }

    /// A number divided by 2 to the number of bits of a word, modulo the product.
    fn over_word(&self, low: u64, high: u64) -> u64 {
        let factor = low.wrapping_mul(self.negative_inverse);
        // The lower word of the sum is zero, and carries unless both parts of it are.
        factor.carrying_mul(self.product, low).1.wrapping_add(high)
    }

    fn product_over_word(&self, left: u64, right: u64) -> u64 {
        let (low, high) = left.carrying_mul(right, 0);
        self.over_word(low, high)
    }

    /// A long number modulo the product, or the product itself for zero.
    fn rest<const LIMBS: usize>(&self, number: &Uint<LIMBS>) -> u64 {
        let mut rest = 0;
        let mut blocks = 0;
        for block in number.as_words().chunks(BLOCK) {
            for place in 0..BLOCK {
                let word = block.get(place).copied().unwrap_or_default();
                let (low, carry) = word.overflowing_add(rest);
                rest = self.over_word(low, u64::from(carry));
            }
            blocks += 1;
        }
        (0..blocks).fold(rest, |rest, _| self.product_over_word(rest, self.power))
    }
}

/// The numbers from one on in steps that have no small factor, as long as the highest bit is set and not for ever.
pub(crate) struct Candidates<const LIMBS: usize> {
    number: Uint<LIMBS>,
    step: Uint<LIMBS>,
    place: usize,
    sieved: Vec<bool>,
}

impl<const LIMBS: usize> Candidates<LIMBS> {
    pub(crate) fn new(start: Uint<LIMBS>, step: Uint<LIMBS>) -> Self {
        Self { number: start, step, place: 0, sieved: vec![true; PART] }
    }
}

impl<const LIMBS: usize> Iterator for Candidates<LIMBS> {
    type Item = Uint<LIMBS>;

    fn next(&mut self) -> Option<Uint<LIMBS>> {
        while self.place < WINDOW && self.number.bit_width_vartime() == Uint::<LIMBS>::BITS {
            let in_part = self.place % PART;
            if in_part == 0 {
                sieve(&mut self.sieved, &self.number, &self.step);
            }
            let number = self.number;
            self.number = number.wrapping_add(&self.step);
            self.place += 1;
            if self.sieved.get(in_part).copied().unwrap_or_default() {
                return Some(number);
            }
        }
        None
    }
}

/// Which of the first numbers from `start` on in steps have no small factor.
fn sieve<const LIMBS: usize>(candidates: &mut [bool], start: &Uint<LIMBS>, step: &Uint<LIMBS>) {
    candidates.fill(true);
    let by_two = *step == Uint::from_u32(2);
    for group in &*GROUPS {
        let offsets = group.rest(start);
        let steps = if by_two { 2 } else { group.rest(step) };
        for factor in group.factors {
            let offset = remainder(offsets, factor);
            let missing = if offset == 0 { 0 } else { factor - offset };
            // start + index * step is a multiple of the factor.
            let index = if by_two {
                let even = if missing % 2 == 0 { missing } else { missing + factor };
                even / 2
            } else {
                let Some(inverse) = inverse(remainder(steps, factor), factor) else { continue };
                remainder(u64::from(missing) * u64::from(inverse), factor)
            };
            strike(candidates, index as usize, factor as usize);
        }
    }
}

fn strike(candidates: &mut [bool], index: usize, step: usize) {
    let Some(places) = candidates.get_mut(index..) else { return };
    places.iter_mut().step_by(step).for_each(|candidate| *candidate = false);
}

/// The odd primes below a bound.
fn small_primes(bound: u32) -> impl Iterator<Item = u32> {
    let mut composite = vec![false; bound as usize / 2];
    let root = bound.isqrt() as usize;
    for number in (3..=root).step_by(2) {
        if !composite.get(number / 2).copied().unwrap_or(true) {
            composite.iter_mut().skip(number * number / 2).step_by(number).for_each(|place| *place = true);
        }
    }
    (1_u32..)
        .zip(composite.into_iter().skip(1))
        .filter(|(_, composite)| !composite)
        .map(|(half, _)| half * 2 + 1)
}

fn remainder(number: u64, divisor: u32) -> u32 {
    u32::try_from(number % u64::from(divisor)).unwrap_or_default()
}

/// The inverse of a number modulo a prime, if it has one.
fn inverse(number: u32, modulus: u32) -> Option<u32> {
    let (mut old, mut new) = ((i64::from(modulus), 0_i64), (i64::from(number), 1_i64));
    while new.0 != 0 {
        let quotient = old.0 / new.0;
        (old, new) = (new, (old.0 - quotient * new.0, old.1 - quotient * new.1));
    }
    (old.0 == 1).then(|| u32::try_from(old.1.rem_euclid(i64::from(modulus))).ok()).flatten()
}

/// What gives -1 when it is multiplied with an odd number, modulo a word.
pub(crate) fn negative_inverse(number: u64) -> u64 {
    // Each step doubles the number of bits that are right, from 3 on.
    let inverse = (0..5)
        .fold(number, |inverse, _| inverse.wrapping_mul(2_u64.wrapping_sub(number.wrapping_mul(inverse))));
    inverse.wrapping_neg()
}

#[cfg(test)]
mod tests {
    use crypto_bigint::{U256, U1024, U2048};

    use super::*;

    #[test]
    fn small_primes_are_found() {
        let primes: Vec<u32> = small_primes(50).collect();
        assert_eq!(primes, [3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47]);
    }

    fn check<const LIMBS: usize>(start: Uint<LIMBS>, step: Uint<LIMBS>) {
        let mut candidates = vec![false; 300];
        sieve(&mut candidates, &start, &step);
        let mut number = start;
        for (index, is_candidate) in candidates.iter().enumerate() {
            let has_factor = GROUPS
                .iter()
                .flat_map(|group| group.factors)
                .any(|factor| crate::residue(&number, factor) == 0);
            assert_eq!(*is_candidate, !has_factor, "{index}");
            number = number.wrapping_add(&step);
        }
    }

    #[test]
    fn multiples_are_struck_out_and_nothing_else() {
        check(U256::from_u64(1_000_000_000_000_000_003), Uint::from_u32(2));
        check(U1024::MAX.shr_vartime(1), Uint::from_u32(2));
        check(U1024::MAX.wrapping_sub(&U1024::from_u32(10_000)), Uint::from_u32(2));
        check(U2048::MAX.shr_vartime(3), Uint::from_u32(2));
        check(U2048::MAX.shr_vartime(3), U2048::MAX.shr_vartime(1700).wrapping_sub(&U2048::from_u32(77)));
        check(U256::from_u32(1), Uint::from_u32(210));
        check(Uint::<3>::MAX.shr_vartime(9), Uint::from_u32(30));
    }

    #[test]
    fn inverses_are_inverses() {
        for number in 1..101 {
            assert_eq!(number * inverse(number, 101).unwrap() % 101, 1);
        }
        assert_eq!(inverse(0, 101), None);
    }
}
