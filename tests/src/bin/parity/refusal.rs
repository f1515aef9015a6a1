//! Comparing how two programs refuse the same chart.

use std::sync::LazyLock;

use regex::Regex;
use serde::Serialize;

/// How far two refusals agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Refusal {
    /// The same text, but for the order of its lines, which in Helm depends on chance.
    SameText,
    /// Other words that name the same file and line, for the outermost and the innermost template.
    SamePlace,
    /// Nothing that could be compared is the same.
    Other,
}

/// Compares two error texts.
pub fn compare(ours: &str, helm: &str) -> Refusal {
    if ours == helm || sorted_lines(ours) == sorted_lines(helm) {
        return Refusal::SameText;
    }
    let (ours, helm) = (places(ours), places(helm));
    if !helm.is_empty() && ours.first() == helm.first() && ours.last() == helm.last() {
        return Refusal::SamePlace;
    }
    Refusal::Other
}

fn sorted_lines(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines
}

/// The files with their lines that a text names, in its order. The column is not compared.
fn places(text: &str) -> Vec<(&str, &str)> {
    static PLACE: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r#"([^\s:()<>"]+/templates/[^\s:()<>"]+):(\d+)"#).expect("the expression is right")
    });
    PLACE.captures_iter(text).map(|found| found.extract::<2>().1).map(|[file, line]| (file, line)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_agree_in_text_or_place_or_not() {
        let helm = "t/templates/t.yaml:2:6\n  executing \"x\" at <include>:\n    error calling include:\nt/templates/_h.tpl:3:1\n  no";
        for (ours, expected) in [
            (helm, Refusal::SameText),
            ("t/templates/t.yaml:2:9: in include: t/templates/_h.tpl:3: other words", Refusal::SamePlace),
            ("t/templates/t.yaml:2:9: in include: t/templates/_h.tpl:4: no", Refusal::Other),
            ("t/templates/t.yaml:1:6: in include: t/templates/_h.tpl:3: no", Refusal::Other),
            ("t/templates/t.yaml:2:6: no", Refusal::Other),
            ("something else", Refusal::Other),
            ("", Refusal::Other),
        ] {
            assert_eq!(compare(ours, helm), expected, "{ours}");
        }
    }

    #[test]
    fn the_order_of_lines_is_chance() {
        assert_eq!(compare("chart:\n- b\n- a\n", "chart:\n- a\n- b\n"), Refusal::SameText);
        assert_eq!(compare("chart:\n- b\n- a\n", "chart:\n- a\n- a\n"), Refusal::Other);
    }

    #[test]
    fn texts_without_a_place_agree_only_in_text() {
        assert_eq!(compare("no chart", "missing chart"), Refusal::Other);
    }
}
