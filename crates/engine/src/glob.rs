//! Globs in rules that people write: `*` is any text, slashes and dots included.

use globset::GlobBuilder;

/// Whether a text matches a glob. What is no valid glob matches only itself.
pub fn matches(glob: &str, text: &str) -> bool {
    if glob == "*" || glob == text {
        return true;
    }
    // Rules are asked for each object again, and making an automaton of one takes a thousand times as long as this.
    if !glob.contains(['?', '[', ']', '{', '}', '\\']) {
        return matches_stars(glob, text);
    }
    GlobBuilder::new(glob)
        .literal_separator(false)
        .build()
        .is_ok_and(|glob| glob.compile_matcher().is_match(text))
}

/// Whether a text matches a glob in which nothing but `*` is special.
fn matches_stars(glob: &str, text: &str) -> bool {
    let Some((prefix, rest)) = glob.split_once('*') else {
        return glob == text;
    };
    let Some(mut text) = text.strip_prefix(prefix) else {
        return false;
    };
    let (inner, suffix) = rest.rsplit_once('*').unwrap_or(("", rest));
    // The first place of each part leaves the most for those after it.
    for part in inner.split('*') {
        let Some((_, after)) = text.split_once(part) else {
            return false;
        };
        text = after;
    }
    text.ends_with(suffix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_as_people_expect() {
        for (glob, text, expected) in [
            ("*", "", true),
            ("*", "anything/at all", true),
            ("", "", true),
            ("", "a", false),
            ("team-*", "team-a", true),
            ("team-*", "a-team-a", false),
            ("team-?", "team-ab", false),
            ("{a,b}", "b", true),
            ("https://git.example.com/*", "https://git.example.com/acme/deploy.git", true),
            ("https://git.example.com/*", "https://git.example.com.evil.org/a", false),
            ("[", "[", true),
            ("[", "a", false),
            ("*.example.com", "x.EXAMPLE.com", false),
            ("plain", "other", false),
            ("a*b", "ab", true),
            ("a*a", "a", false),
            ("a*b*c", "aXbYc", true),
            ("a*b*c", "acb", false),
            ("a*bc*c", "abc", false),
            ("*a*a*", "xaxax", true),
            ("*a*a*", "xax", false),
            ("a**c", "abc", true),
            ("**", "a/b", true),
            ("é*ß", "é–ß", true),
            ("a\\*", "a*", true),
            ("a\\*", "ab", false),
        ] {
            assert_eq!(matches(glob, text), expected, "{glob:?} {text:?}");
        }
    }

    #[test]
    fn stars_alone_match_as_the_library_has_it() {
        let mut random = fastrand::Rng::with_seed(1);
        let mut any = |letters: &[u8], most: usize| -> String {
            (0..random.usize(..=most)).map(|_| char::from(letters[random.usize(..letters.len())])).collect()
        };
        let mut matched = 0;
        for _ in 0..20_000 {
            let (glob, text) = (any(b"ab*", 6), any(b"ab/", 7));
            let library = GlobBuilder::new(&glob).literal_separator(false).build().unwrap().compile_matcher();
            assert_eq!(matches_stars(&glob, &text), library.is_match(&text), "{glob:?} {text:?}");
            matched += usize::from(library.is_match(&text));
        }
        assert!(matched > 1_000, "{matched} pairs matched");
    }
}
