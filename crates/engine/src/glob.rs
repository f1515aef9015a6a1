//! Globs in rules that people write: `*` is any text, slashes and dots included.

use globset::GlobBuilder;

/// Whether a text matches a glob. What is no valid glob matches only itself.
pub fn matches(glob: &str, text: &str) -> bool {
    if glob == "*" || glob == text {
        return true;
    }
    // Most rules and references are no patterns, and making one of each for each object would take its time.
    if !glob.contains(['*', '?', '[', '{', '\\']) {
        return false;
    }
    GlobBuilder::new(glob)
        .literal_separator(false)
        .build()
        .is_ok_and(|glob| glob.compile_matcher().is_match(text))
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
            ("a\\*", "a*", true),
            ("a\\*", "ab", false),
        ] {
            assert_eq!(matches(glob, text), expected, "{glob:?} {text:?}");
        }
    }
}
