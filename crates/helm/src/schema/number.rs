//! Numbers in schemas and in messages about them.

use serde_json::Value as Json;

/// Makes integers of whole floats, at every depth.
#[expect(clippy::cast_possible_truncation, reason = "the range is checked before")]
pub(super) fn make_whole(value: &mut Json) {
    const BOUND: f64 = 9_007_199_254_740_992.0;
    match value {
        Json::Number(number) => {
            if let Some(float) = number.as_f64().filter(|_| number.is_f64())
                && float.fract() == 0.0
                && float.abs() <= BOUND
            {
                *value = Json::from(float as i64);
            }
        }
        Json::Array(items) => items.iter_mut().for_each(make_whole),
        Json::Object(entries) => entries.values_mut().for_each(make_whole),
        _ => {}
    }
}

/// A float in English, as golang.org/x/text prints it: `12,345.5`, `1.5×10⁰⁷`.
pub(super) fn english(value: f64) -> String {
    let text = gotemplate::print_float(value);
    let (mantissa, exponent) = match text.split_once('e') {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text.as_str(), None),
    };
    let mut english = grouped(mantissa);
    if let Some(exponent) = exponent {
        english.push_str("×10");
        english.extend(exponent.chars().filter_map(superscript));
    }
    english
}

/// A count in English: `1,000`.
pub(super) fn count(value: usize) -> String {
    grouped(&value.to_string())
}

fn grouped(number: &str) -> String {
    let (sign, digits) = number.strip_prefix('-').map_or(("", number), |digits| ("-", digits));
    let (whole, fraction) = digits.find('.').map_or((digits, ""), |point| digits.split_at(point));
    let mut text = sign.to_owned();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text.push_str(fraction);
    text
}

fn superscript(character: char) -> Option<char> {
    const DIGITS: [char; 10] = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
    match character {
        '-' => Some('⁻'),
        digit => DIGITS.get(digit.to_digit(10)? as usize).copied(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_english() {
        let cases = [
            (1.0, "1"),
            (1.5, "1.5"),
            (-12_345.5, "-12,345.5"),
            (1e7, "1×10⁰⁷"),
            (1.000_000_1e7, "1.0000001×10⁰⁷"),
        ];
        for (value, expected) in cases {
            assert_eq!(english(value), expected);
        }
        assert_eq!(count(1_234_567), "1,234,567");
    }
}
