//! Squares modulo an odd number, after Montgomery.
//!
//! Nearly all the time that a key takes goes into squaring modulo candidates, and what the library has for that takes as
//! long as a multiplication: it does not use that half of the products are there twice.

#![expect(clippy::inline_always, reason = "columns are without loops only when all of it is in one function")]

use crypto_bigint::Uint;

use crate::sieve::negative_inverse;

/// An odd number that others are taken modulo of.
pub(crate) struct Modulus<const LIMBS: usize> {
    number: [u64; LIMBS],
    /// What gives -1 when it is multiplied with the lowest word.
    negative_inverse: u64,
}

/// A number modulo another, times 2 to the number of bits: in the form in which squaring is quick.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Form<const LIMBS: usize>([u64; LIMBS]);

impl<const LIMBS: usize> Modulus<LIMBS> {
    /// `None` for an even number.
    pub(crate) fn new(number: &Uint<LIMBS>) -> Option<Self> {
        let number = *number.as_words();
        let lowest = number.first().filter(|lowest| *lowest % 2 == 1)?;
        Some(Self { number, negative_inverse: negative_inverse(*lowest) })
    }

    pub(crate) fn one(&self) -> Form<LIMBS> {
        let number = Uint::from_words(self.number);
        // 2 to the number of bits, less the modulus once.
        let power = Uint::ZERO.wrapping_sub(&number);
        let rest = number.to_nz().into_option().map(|number| power.rem_vartime(&number));
        Form(*rest.unwrap_or_default().as_words())
    }

    pub(crate) fn double(&self, Form(words): &Form<LIMBS>) -> Form<LIMBS> {
        let mut carry = 0;
        let doubled = words.map(|word| {
            let low = word << 1 | carry;
            carry = word >> 63;
            low
        });
        Form(self.within(doubled, carry))
    }

    /// Column by column: that of a place holds all products that count there, those of the square and those that make
    /// the lower half of it zero.
    pub(crate) fn square(&self, Form(words): &Form<LIMBS>) -> Form<LIMBS> {
        let mut factors = [0; LIMBS];
        let mut high = [0; LIMBS];
        let mut sum = Sum::default();
        // With a length that the compiler knows each column is a run of multiplications without a loop.
        macro_rules! each {
            ($method:ident, $places:expr; $($column:literal)*) => {
                $(if $column < LIMBS {
                    let word = self.$method::<$column>(&mut sum, words, &factors);
                    $places.iter_mut().skip($column).take(1).for_each(|place| *place = word);
                })*
            };
        }
        macro_rules! each_of_32 {
            ($method:ident, $places:expr) => {
                each!($method, $places; 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15
                    16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31);
            };
        }
        const { assert!(LIMBS <= 32, "all columns are listed") };
        each_of_32!(lower, factors);
        each_of_32!(higher, high);
        Form(self.within(high, sum.0))
    }

    /// The factor that makes the column zero.
    #[inline(always)]
    fn lower<const COLUMN: usize>(&self, sum: &mut Sum, words: &[u64; LIMBS], factors: &[u64; LIMBS]) -> u64 {
        sum.add_square(words, 0, COLUMN);
        sum.add_products(part(factors, 0, COLUMN), part(&self.number, 1, COLUMN + 1));
        let factor = sum.0.wrapping_mul(self.negative_inverse);
        sum.add_product(factor, *self.number.first().unwrap_or(&0));
        sum.shift();
        factor
    }

    /// A word of the upper half.
    #[inline(always)]
    fn higher<const COLUMN: usize>(
        &self,
        sum: &mut Sum,
        words: &[u64; LIMBS],
        factors: &[u64; LIMBS],
    ) -> u64 {
        sum.add_square(words, COLUMN + 1, LIMBS - 1);
        sum.add_products(part(factors, COLUMN + 1, LIMBS), part(&self.number, COLUMN + 1, LIMBS));
        sum.shift()
    }

    /// A number below twice the modulus, taken modulo it.
    #[inline]
    fn within(&self, words: [u64; LIMBS], overflow: u64) -> [u64; LIMBS] {
        let mut less = words;
        let mut borrow = false;
        for (word, other) in less.iter_mut().zip(&self.number) {
            (*word, borrow) = word.borrowing_sub(*other, borrow);
        }
        if overflow == 0 && borrow { words } else { less }
    }
}

#[inline(always)]
fn part(words: &[u64], from: usize, to: usize) -> &[u64] {
    words.get(from..to).unwrap_or_default()
}

/// A sum of products: three words, the lowest first.
#[derive(Clone, Copy, Default)]
struct Sum(u64, u64, u64);

impl Sum {
    #[inline(always)]
    fn add_product(&mut self, left: u64, right: u64) {
        let (low, high) = left.carrying_mul(right, 0);
        self.add(Self(low, high, 0));
    }

    #[inline(always)]
    fn add(&mut self, Self(low, middle, high): Self) {
        let carry;
        (self.0, carry) = self.0.overflowing_add(low);
        let (middle, carry) = self.1.carrying_add(middle, carry);
        self.1 = middle;
        self.2 = self.2.wrapping_add(high).wrapping_add(u64::from(carry));
    }

    /// The products of the words of one number with those of another from its end.
    #[inline(always)]
    fn add_products(&mut self, left: &[u64], right: &[u64]) {
        for (left, right) in left.iter().zip(right.iter().rev()) {
            self.add_product(*left, *right);
        }
    }

    /// The products of the words from the first to the last with those from the last to the first. All but that in the
    /// middle are there twice.
    #[inline(always)]
    fn add_square(&mut self, words: &[u64], first: usize, last: usize) {
        let pairs = (last + 1).saturating_sub(first) / 2;
        let mut once = Self::default();
        once.add_products(part(words, first, first + pairs), part(words, last + 1 - pairs, last + 1));
        let Self(low, middle, high) = once;
        self.add(Self(low << 1, middle << 1 | low >> 63, high << 1 | middle >> 63));
        if first <= last && (last - first).is_multiple_of(2) {
            let middle = *words.get(first + pairs).unwrap_or(&0);
            self.add_product(middle, middle);
        }
    }

    /// Takes the lowest word off.
    #[inline(always)]
    fn shift(&mut self) -> u64 {
        let Self(low, middle, high) = *self;
        *self = Self(middle, high, 0);
        low
    }
}

#[cfg(test)]
mod tests {
    use crypto_bigint::modular::{FixedMontyForm, FixedMontyParams};
    use crypto_bigint::{Odd, U1024, Uint};

    use super::*;

    /// Squares and doubles many times, here and with the library.
    fn check<const LIMBS: usize>(number: Uint<LIMBS>) {
        let modulus = Modulus::new(&number).unwrap();
        let params = FixedMontyParams::new_vartime(Odd::new(number).unwrap());
        let one = FixedMontyForm::one(&params);
        let words = |form: &FixedMontyForm<LIMBS>| Form(*form.as_montgomery().as_words());
        assert_eq!(modulus.one(), words(&one));
        let (mut here, mut there) = (modulus.one(), one);
        for step in 0..500 {
            if step % 3 != 1 {
                (here, there) = (modulus.double(&here), there.double());
            }
            (here, there) = (modulus.square(&here), there.square());
            assert_eq!(here, words(&there), "{number} after {step} steps");
        }
        let there = -one;
        assert_eq!(modulus.square(&words(&there)), words(&there.square()));
    }

    #[test]
    fn squares_are_those_of_the_library() {
        check(U1024::MAX);
        check(U1024::MAX.wrapping_sub(&U1024::from_u32(104)));
        check(U1024::from_u32(3));
        check(U1024::ONE.shl_vartime(1023).wrapping_add(&U1024::ONE));
        check(U1024::ONE.shl_vartime(64).wrapping_add(&U1024::ONE));
        check(U1024::from_u128(u128::MAX).shl_vartime(700).wrapping_add(&U1024::from_u32(7)));
        check(Uint::<1>::from_u64(u64::MAX));
        check(Uint::<32>::MAX.wrapping_sub(&Uint::from_u32(1000)));
        check(Uint::<3>::MAX.wrapping_sub(&Uint::from_u32(58)));
        assert!(Modulus::new(&U1024::from_u32(4)).is_none());
    }
}
