//! Powers of two modulo eight numbers at once, one in each lane of a vector.
//!
//! Processors with AVX-512 multiply eight pairs of numbers of 52 bits in the time in which they otherwise multiply one
//! of 64 bits. So a number is a run of digits of 52 bits, the lowest first, and a vector holds the digits of one place
//! of eight numbers. All lanes do the same steps, whatever their numbers are.
//!
//! Sums of products stay in columns of 64 bits until all of them are there: only then what is above 52 bits goes to the
//! next column. Numbers are not kept below the modulus either: what a number is divided by in each step is more than
//! 16 times the modulus, so a number below four times the modulus has a square that is left below twice the modulus, and
//! below four times after it is doubled.

use std::arch::x86_64::{
    __m512i, _mm512_add_epi64, _mm512_and_si512, _mm512_madd52hi_epu64, _mm512_madd52lo_epu64,
    _mm512_set1_epi64, _mm512_setzero_si512, _mm512_sllv_epi64, _mm512_srli_epi64, _mm512_srlv_epi64,
};
use std::{array, mem};

use crypto_bigint::Uint;
use fearless_simd::prelude::*;
use fearless_simd::x86::Avx512;
use fearless_simd::{Level, kernel, u64x8};

use crate::sieve::negative_inverse;

/// How many numbers are looked at together.
pub(crate) const LANES: usize = 8;

/// The bits of a digit. The instructions are made for so many.
const DIGIT_BITS: u32 = 52;

const DIGIT_MASK: i64 = (1 << DIGIT_BITS) - 1;

/// How many digits of a number are multiplied with another one together: so many sums stay in registers.
const ROWS: usize = 5;

/// One number of each lane.
type Lanes = [u64; LANES];

/// A proof that the processor has the instructions.
#[derive(Clone, Copy)]
pub(crate) struct Vectors(Avx512);

impl Vectors {
    /// `None` if the processor does not have them.
    pub(crate) fn new() -> Option<Self> {
        Level::new().as_avx512().map(Self)
    }

    /// Which of some numbers, at most as many as there are lanes, pass the test of Fermat with base 2.
    pub(crate) fn pass<const LIMBS: usize>(self, numbers: &[Uint<LIMBS>]) -> Vec<bool> {
        // A lane that is left over gets a number that does not pass.
        let lanes = array::from_fn(|lane| *numbers.get(lane).unwrap_or(&Uint::ONE));
        let powers = powers_of_two(self.0, &Batch::new(&lanes));
        let is_one = |lane: usize| {
            let mut digits = powers.iter().map(|digits| digits.get(lane));
            digits.next() == Some(Some(&1)) && digits.all(|digit| digit == Some(&0))
        };
        (0..).zip(numbers).map(|(lane, number)| is_one(lane) && number.bit_vartime(0)).collect()
    }
}

/// How many digits a number of so many bits has: with room for one of four bits more, and so that all rows are taken
/// in full (`ROWS`).
const fn digits(bits: u32) -> u32 {
    let digits = (bits + 4).div_ceil(DIGIT_BITS).next_multiple_of(5);
    assert!(digits * DIGIT_BITS < bits * 2, "2 to the number of bits of all digits has twice as many bits");
    digits
}

/// The digit of a place.
fn digit<const LIMBS: usize>(number: &Uint<LIMBS>, place: u32) -> u64 {
    let bit = place * DIGIT_BITS;
    let mut words = number.as_words().iter().skip((bit / u64::BITS) as usize).copied();
    let (low, high) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let both = u128::from(high) << u64::BITS | u128::from(low);
    #[expect(clippy::cast_possible_truncation, reason = "what is above the digit is cut off")]
    let digit = (both >> (bit % u64::BITS)) as u64;
    digit & ((1 << DIGIT_BITS) - 1)
}

/// What powers of two are made of, place by place.
struct Batch {
    moduli: Vec<Lanes>,
    /// What gives -1 when it is multiplied with the lowest digit of the modulus.
    inverses: Lanes,
    /// What the powers start from, in the form that squaring needs.
    one: Vec<Lanes>,
    /// The words of the moduli, the highest first. The exponent is one less.
    exponents: Vec<Lanes>,
}

impl Batch {
    fn new<const LIMBS: usize>(numbers: &[Uint<LIMBS>; LANES]) -> Self {
        let places = const { digits(Uint::<LIMBS>::BITS) };
        // What numbers are divided by in each step, less the bits of a number: the lower half is zero.
        let upper = Uint::ONE.shl_vartime(places * DIGIT_BITS - Uint::<LIMBS>::BITS);
        let one = numbers.map(|number| {
            let number = number.to_nz().into_option();
            number.map(|number| Uint::rem_wide_vartime((Uint::ZERO, upper), &number)).unwrap_or_default()
        });
        let word = |place| numbers.map(|number| *number.as_words().get(place).unwrap_or(&0));
        Self {
            moduli: (0..places).map(|place| numbers.map(|number| digit(&number, place))).collect(),
            inverses: word(0).map(negative_inverse),
            one: (0..places).map(|place| one.map(|one| digit(&one, place))).collect(),
            exponents: (0..LIMBS).rev().map(word).collect(),
        }
    }
}

kernel!(
    /// The digits of 2 to the power of the modulus less one, modulo the modulus.
    fn powers_of_two(token: Avx512, batch: &Batch) -> Vec<Lanes> {
        let vectors = |numbers: &[Lanes]| -> Vec<__m512i> {
            numbers.iter().map(|lanes| u64x8::simd_from(token, *lanes).into()).collect()
        };
        let digits = vectors(&batch.moduli);
        let Some((lowest, above)) = digits.split_first_chunk() else { return Vec::new() };
        let inverse = u64x8::simd_from(token, batch.inverses).into();
        let modulus = Modulus { lowest: *lowest, above, inverse };
        let mut exponents = vectors(&batch.exponents);
        // The modulus is odd: less one, only its lowest bit is another.
        if let Some(lowest) = exponents.last_mut() {
            *lowest = _mm512_and_si512(*lowest, _mm512_set1_epi64(-2));
        }
        let power = modulus.power_of_two(vectors(&batch.one), &exponents).unwrap_or_default();
        power.into_iter().map(|digits| u64x8::simd_from(token, digits).into()).collect()
    }
);

/// The numbers that others are taken modulo of.
struct Modulus<'a> {
    lowest: [__m512i; ROWS],
    above: &'a [__m512i],
    inverse: __m512i,
}

/// The factors that make the lowest columns zero.
struct Factors {
    factors: [__m512i; ROWS],
    /// What their products with the lowest digits of the modulus add to the columns above.
    added: [__m512i; ROWS],
}

impl Modulus<'_> {
    /// 2 to the power of an exponent, whose words are given with the highest first. It is no more than the modulus.
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn power_of_two(&self, one: Vec<__m512i>, exponent: &[__m512i]) -> Option<Vec<__m512i>> {
        let (one_bit, none) = (_mm512_set1_epi64(1), _mm512_setzero_si512());
        let mut power = one;
        let mut columns = vec![none; power.len() * 2];
        for word in exponent {
            for bit in (0..64).rev() {
                square(&mut columns, &power)?;
                self.divide(&mut columns)?;
                let doubled = _mm512_and_si512(_mm512_srlv_epi64(*word, _mm512_set1_epi64(bit)), one_bit);
                carry(&mut power, &mut columns, doubled);
            }
        }
        // Dividing once more takes it out of the form.
        columns.iter_mut().zip(power.iter()).for_each(|(column, digit)| *column = *digit);
        self.divide(&mut columns)?;
        carry(&mut power, &mut columns, none);
        Some(power)
    }

    /// Divides the numbers in the columns by 2 to the number of bits of half of the columns, modulo these. The result is
    /// in the upper half, and the lower half is zero.
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn divide(&self, mut columns: &mut [__m512i]) -> Option<()> {
        let places = ROWS + self.above.len();
        while columns.len() > places {
            let (lowest, above) = columns.split_first_chunk_mut()?;
            let Factors { factors, added } = self.factors(lowest);
            *lowest = [_mm512_setzero_si512(); ROWS];
            let window = Window::new(above, &added)?;
            window.add_products(above.get_mut(..places)?, &factors, self.above);
            columns = above;
        }
        Some(())
    }

    /// The factors that make the lowest columns zero, and what their products with the lowest digits of the modulus add
    /// to the columns above.
    #[target_feature(enable = "avx512f,avx512ifma")]
    #[inline]
    fn factors(&self, &[c0, c1, c2, c3, c4]: &[__m512i; ROWS]) -> Factors {
        let zero = _mm512_setzero_si512();
        let [n0, n1, n2, n3, n4] = self.lowest;
        let factor = |column| low(zero, column, self.inverse);
        let mask = _mm512_set1_epi64(DIGIT_MASK);
        // The digit that becomes zero carries if it was not zero before. This is known before the factor is.
        let over = |column| _mm512_srli_epi64::<DIGIT_BITS>(_mm512_add_epi64(column, mask));
        let sum = |left, right| _mm512_add_epi64(left, right);
        let f0 = factor(c0);
        let c1 = sum(highs(over(c0), [f0], [n0]), lows(c1, [f0], [n1]));
        let f1 = factor(c1);
        let c2 = sum(highs(over(c1), [f0, f1], [n1, n0]), lows(c2, [f0, f1], [n2, n1]));
        let f2 = factor(c2);
        let c3 = sum(highs(over(c2), [f0, f1, f2], [n2, n1, n0]), lows(c3, [f0, f1, f2], [n3, n2, n1]));
        let f3 = factor(c3);
        let f = [f0, f1, f2, f3];
        let c4 = sum(highs(over(c3), f, [n3, n2, n1, n0]), lows(c4, f, [n4, n3, n2, n1]));
        let f4 = factor(c4);
        let f = [f0, f1, f2, f3, f4];
        let high_sum = highs(over(c4), f, [n4, n3, n2, n1, n0]);
        let added = [
            sum(high_sum, lows(zero, [f1, f2, f3, f4], [n4, n3, n2, n1])),
            lows(highs(zero, [f1, f2, f3, f4], [n4, n3, n2, n1]), [f2, f3, f4], [n4, n3, n2]),
            lows(highs(zero, [f2, f3, f4], [n4, n3, n2]), [f3, f4], [n4, n3]),
            lows(highs(zero, [f3, f4], [n4, n3]), [f4], [n4]),
            high(zero, f4, n4),
        ];
        Factors { factors: f, added }
    }
}

/// The square of a number, in twice as many columns as it has digits. They have to be zero before.
#[target_feature(enable = "avx512f,avx512ifma")]
fn square(mut columns: &mut [__m512i], mut digits: &[__m512i]) -> Option<()> {
    while let Some((rows, rest)) = digits.split_first_chunk() {
        let above = columns.get_mut(ROWS..rest.len() + 2 * ROWS)?;
        Window::new(above, &[_mm512_setzero_si512(); ROWS])?.add_products(above, rows, rest);
        let (complete, above) = columns.split_first_chunk_mut()?;
        complete_square(complete, rows);
        (columns, digits) = (above, rest);
    }
    Some(())
}

/// Adds the products of some rows with each other to columns that have those with all later rows. Then these are
/// doubled, for each is there twice, and the squares are added.
#[target_feature(enable = "avx512f,avx512ifma")]
#[inline]
fn complete_square(columns: &mut [__m512i; 2 * ROWS], &[a0, a1, a2, a3, a4]: &[__m512i; ROWS]) {
    let [c0, c1, c2, c3, c4, c5, c6, c7, c8, c9] = columns;
    *c1 = low(*c1, a0, a1);
    *c2 = low(high(*c2, a0, a1), a0, a2);
    *c3 = lows(high(*c3, a0, a2), [a0, a1], [a3, a2]);
    *c4 = lows(highs(*c4, [a0, a1], [a3, a2]), [a0, a1], [a4, a3]);
    *c5 = lows(highs(*c5, [a0, a1], [a4, a3]), [a1, a2], [a4, a3]);
    *c6 = low(highs(*c6, [a1, a2], [a4, a3]), a2, a4);
    *c7 = low(high(*c7, a2, a4), a3, a4);
    *c8 = high(*c8, a3, a4);
    let twice = |sum| _mm512_add_epi64(sum, sum);
    (*c0, *c1) = (low(twice(*c0), a0, a0), high(twice(*c1), a0, a0));
    (*c2, *c3) = (low(twice(*c2), a1, a1), high(twice(*c3), a1, a1));
    (*c4, *c5) = (low(twice(*c4), a2, a2), high(twice(*c5), a2, a2));
    (*c6, *c7) = (low(twice(*c6), a3, a3), high(twice(*c7), a3, a3));
    (*c8, *c9) = (low(twice(*c8), a4, a4), high(twice(*c9), a4, a4));
}

/// The sums of the columns that the products of the rows with one digit go to. There are two for each column, for the
/// lower and the upper halves of products, so that no addition waits for the one before it.
struct Window {
    low: [__m512i; ROWS - 1],
    high: [__m512i; ROWS],
}

impl Window {
    /// The first columns, and what is to be added to them.
    #[inline]
    fn new(columns: &[__m512i], added: &[__m512i; ROWS]) -> Option<Self> {
        Some(Self { low: *columns.first_chunk()?, high: *added })
    }

    /// Adds the products of some rows with all digits. There are as many columns as both together.
    #[target_feature(enable = "avx512f,avx512ifma")]
    #[inline]
    fn add_products(mut self, mut columns: &mut [__m512i], rows: &[__m512i; ROWS], digits: &[__m512i]) {
        for &[d0, d1, d2, d3, d4] in digits.as_chunks().0 {
            let Some(&[c0, c1, c2, c3, c4]) = columns.get(ROWS - 1..).and_then(|it| it.first_chunk()) else {
                return;
            };
            let complete = [
                self.next(rows, d0, c0),
                self.next(rows, d1, c1),
                self.next(rows, d2, c2),
                self.next(rows, d3, c3),
                self.next(rows, d4, c4),
            ];
            let Some((lowest, above)) = columns.split_first_chunk_mut() else { return };
            *lowest = complete;
            columns = above;
        }
        let Some([c0, c1, c2, c3, c4]) = columns.first_chunk_mut() else { return };
        let Self { low: [l0, l1, l2, l3], high: [h0, h1, h2, h3, h4] } = self;
        *c0 = _mm512_add_epi64(l0, h0);
        *c1 = _mm512_add_epi64(l1, h1);
        *c2 = _mm512_add_epi64(l2, h2);
        *c3 = _mm512_add_epi64(l3, h3);
        *c4 = _mm512_add_epi64(*c4, h4);
    }

    /// Adds the products with the next digit, for which one more column is needed, and gives the column that is
    /// complete.
    #[target_feature(enable = "avx512f,avx512ifma")]
    #[inline]
    fn next(&mut self, rows: &[__m512i; ROWS], digit: __m512i, column: __m512i) -> __m512i {
        let &[r0, r1, r2, r3, r4] = rows;
        let ([l0, l1, l2, l3], [h0, h1, h2, h3, h4]) = (self.low, self.high);
        let complete = _mm512_add_epi64(low(l0, r0, digit), h0);
        self.low = [low(l1, r1, digit), low(l2, r2, digit), low(l3, r3, digit), low(column, r4, digit)];
        let none = _mm512_setzero_si512();
        self.high = [
            high(h1, r0, digit),
            high(h2, r1, digit),
            high(h3, r2, digit),
            high(h4, r3, digit),
            high(none, r4, digit),
        ];
        complete
    }
}

/// Takes the upper half of the columns to digits again, doubled in some lanes.
#[target_feature(enable = "avx512f,avx512ifma")]
#[inline]
fn carry(digits: &mut [__m512i], columns: &mut [__m512i], doubled: __m512i) {
    let mask = _mm512_set1_epi64(DIGIT_MASK);
    let mut over = _mm512_setzero_si512();
    let (_, columns) = columns.split_at_mut(columns.len() / 2);
    for (digit, column) in digits.iter_mut().zip(columns) {
        let column = mem::replace(column, _mm512_setzero_si512());
        let sum = _mm512_add_epi64(_mm512_sllv_epi64(column, doubled), over);
        *digit = _mm512_and_si512(sum, mask);
        over = _mm512_srli_epi64::<DIGIT_BITS>(sum);
    }
}

/// A sum and the lower half of a product.
#[target_feature(enable = "avx512f,avx512ifma")]
#[inline]
fn low(sum: __m512i, left: __m512i, right: __m512i) -> __m512i {
    _mm512_madd52lo_epu64(sum, left, right)
}

/// A sum and the upper half of a product.
#[target_feature(enable = "avx512f,avx512ifma")]
#[inline]
fn high(sum: __m512i, left: __m512i, right: __m512i) -> __m512i {
    _mm512_madd52hi_epu64(sum, left, right)
}

/// A sum and the lower halves of products.
#[target_feature(enable = "avx512f,avx512ifma")]
#[inline]
fn lows<const COUNT: usize>(sum: __m512i, left: [__m512i; COUNT], right: [__m512i; COUNT]) -> __m512i {
    left.into_iter().zip(right).fold(sum, |sum, (left, right)| low(sum, left, right))
}

/// A sum and the upper halves of products.
#[target_feature(enable = "avx512f,avx512ifma")]
#[inline]
fn highs<const COUNT: usize>(sum: __m512i, left: [__m512i; COUNT], right: [__m512i; COUNT]) -> __m512i {
    left.into_iter().zip(right).fold(sum, |sum, (left, right)| high(sum, left, right))
}

#[cfg(test)]
mod tests {
    use crypto_bigint::modular::{FixedMontyForm, FixedMontyParams};
    use crypto_bigint::{Odd, U256, U1024, U2048};

    use super::*;

    fn number<const LIMBS: usize>(digits: &[Lanes], lane: usize) -> Uint<LIMBS> {
        let add =
            |number: Uint<LIMBS>, lanes: &Lanes| number.shl_vartime(DIGIT_BITS) | Uint::from_u64(lanes[lane]);
        digits.iter().rev().fold(Uint::ZERO, add)
    }

    /// Compares whole powers with those of the library.
    fn check<const LIMBS: usize>(numbers: [Uint<LIMBS>; LANES]) {
        let Some(Vectors(token)) = Vectors::new() else { return };
        let batch = Batch::new(&numbers);
        let powers = powers_of_two(token, &batch);
        for (lane, modulus) in numbers.into_iter().enumerate() {
            assert_eq!(number::<LIMBS>(&batch.moduli, lane), modulus);
            let params = FixedMontyParams::new_vartime(Odd::new(modulus).unwrap());
            let two = FixedMontyForm::new(&Uint::from_u32(2), &params);
            let expected = two.pow(&modulus.wrapping_sub(&Uint::ONE)).retrieve();
            assert_eq!(number::<LIMBS>(&powers, lane), expected, "lane {lane}: {modulus}");
        }
    }

    fn check_limits<const LIMBS: usize>() {
        let bits = Uint::<LIMBS>::BITS;
        let less = |less: u32| Uint::<LIMBS>::MAX.wrapping_sub(&Uint::from_u32(less));
        let power = |place: u32| Uint::<LIMBS>::ONE.shl_vartime(place);
        check([0, 2, 4, 6, 8, 104, 1_000_000, u32::MAX - 1].map(less));
        check([3, 5, 7, 9, 341, 65_537, u32::MAX - 2, u32::MAX].map(Uint::<LIMBS>::from_u32));
        check([1, 51, 52, 53, 104, 255, bits - 2, bits - 1].map(|place| power(place) | Uint::ONE));
        check(
            [2, 51, 52, 53, 104, 255, bits - 2, bits - 1].map(|place| power(place).wrapping_sub(&Uint::ONE)),
        );
        check([3, 52, 60, 104, 156, 208, 240, bits - 1].map(|place| less(0).wrapping_sub(&power(place))));
        check([3, 50, 90, 104, 156, 208, 240, bits - 1].map(|place| less(0).shr_vartime(bits - place)));
        // Every second digit is full.
        let full = (0..bits)
            .filter(|bit| (bit / DIGIT_BITS).is_multiple_of(2))
            .fold(Uint::ZERO, |all, bit| all | power(bit));
        check([0, 1, 2, 3, 60, 61, 100, 200].map(|shift| full.shr_vartime(shift) | Uint::ONE));
    }

    #[test]
    fn powers_at_the_limits_are_those_of_the_library() {
        check_limits::<{ U256::LIMBS }>();
        check_limits::<{ U1024::LIMBS }>();
        check_limits::<{ U2048::LIMBS }>();
    }

    #[test]
    fn powers_of_random_numbers_are_those_of_the_library() {
        let mut state = 0_u64;
        let mut word = || {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed ^ (mixed >> 27)
        };
        for _ in 0..20 {
            check([(); LANES].map(|()| U256::from_words(array::from_fn(|_| word())) | U256::ONE));
            check([(); LANES].map(|()| U1024::from_words(array::from_fn(|_| word())) | U1024::ONE));
        }
    }
}
