use std::borrow::Cow;

use super::Dialect;
use crate::yaml::node::Node;

type Entry<'n, 'a> = &'n (Cow<'a, str>, Node<'a>);

/// The entries in go-yaml's order: runs of digits by their number, letters after everything else.
///
/// In v2 this order is not one: `10` is before `1a`, `1a` before `2`, and `2` before `10`. What Go makes of such keys is
/// up to chance; here it is always the same. The standard library may panic on such an order, a merge sort does not.
pub(super) fn sort_keys<'n, 'a>(
    entries: &'n [(Cow<'a, str>, Node<'a>)],
    dialect: Dialect,
) -> Vec<Entry<'n, 'a>> {
    let mut by_bytes: Vec<_> = entries.iter().collect();
    by_bytes.sort_by(|left, right| left.0.cmp(&right.0));
    merge_sort(by_bytes, dialect)
}

fn merge_sort<'n, 'a>(mut entries: Vec<Entry<'n, 'a>>, dialect: Dialect) -> Vec<Entry<'n, 'a>> {
    let comes_later =
        |pair: &[Entry<'_, '_>]| matches!(pair, [left, right] if is_less(&right.0, &left.0, dialect));
    if !entries.windows(2).any(comes_later) {
        return entries;
    }
    let right = entries.split_off(entries.len() / 2);
    let mut right = merge_sort(right, dialect).into_iter().peekable();
    let mut merged = Vec::with_capacity(entries.len() + right.len());
    for left in merge_sort(entries, dialect) {
        while let Some(smaller) = right.next_if(|right| is_less(&right.0, &left.0, dialect)) {
            merged.push(smaller);
        }
        merged.push(left);
    }
    merged.extend(right);
    merged
}

/// go-yaml: `keyList.Less` for strings.
fn is_less(left: &str, right: &str, dialect: Dialect) -> bool {
    let mut common = 0;
    let mut after_digit = false;
    for (left_char, right_char) in left.chars().zip(right.chars()) {
        if left_char == right_char {
            after_digit = left_char.is_ascii_digit();
            common += left_char.len_utf8();
            continue;
        }
        let (left_letter, right_letter) = (left_char.is_alphabetic(), right_char.is_alphabetic());
        if left_letter && right_letter {
            return left_char < right_char;
        }
        if left_letter || right_letter {
            let digits_last = dialect == Dialect::V3 && after_digit;
            return if digits_last { left_letter } else { right_letter };
        }
        let prefix = left.get(..common).unwrap_or_default();
        let start = i64::from((left_char == '0' || right_char == '0') && ends_in_number(prefix));
        let left_number = leading_number(left.get(common..).unwrap_or_default(), start);
        let right_number = leading_number(right.get(common..).unwrap_or_default(), start);
        return (left_number, left_char) < (right_number, right_char);
    }
    left.len() < right.len()
}

/// Does the run of digits at the end have one that is not zero? Then a zero after it counts.
fn ends_in_number(prefix: &str) -> bool {
    prefix.bytes().rev().take_while(u8::is_ascii_digit).any(|digit| digit != b'0')
}

/// The number that the digits at the start make after `start`, and how many they are. Go lets it overflow.
fn leading_number(text: &str, start: i64) -> (i64, usize) {
    text.bytes().take_while(u8::is_ascii_digit).fold((start, 0), |(number, count), digit| {
        (number.wrapping_mul(10).wrapping_add(i64::from(digit - b'0')), count + 1)
    })
}
