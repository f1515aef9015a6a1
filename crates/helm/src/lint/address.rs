//! Addresses of people and pages, as Helm's checks of `Chart.yaml` take them.

/// A URL with a scheme, as it could stand in a request.
pub(super) fn is_request_url(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    let mut letters = scheme.bytes();
    letters.next().is_some_and(|byte| byte.is_ascii_alphabetic())
        && letters.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
        && rest.starts_with('/')
        && !text.bytes().any(|byte| byte.is_ascii_control())
        && is_escaped_well(rest)
        && rest.strip_prefix("//").is_none_or(is_authority_valid)
}

fn is_escaped_well(text: &str) -> bool {
    text.split('%').skip(1).all(|escape| {
        escape.get(..2).is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
    })
}

/// Host and port in front of a path.
fn is_authority_valid(rest: &str) -> bool {
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    let (host, port) = match host.rfind(']') {
        Some(end) => host.split_at(end + 1),
        None => host.split_at(host.find(':').unwrap_or(host.len())),
    };
    let port = port.strip_prefix(':').unwrap_or(port);
    port.bytes().all(|byte| byte.is_ascii_digit())
        && !host
            .bytes()
            .any(|byte| matches!(byte, b' ' | b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}'))
}

/// A web address; the scheme may be missing.
pub(super) fn is_url(text: &str) -> bool {
    const SCHEMES: [&str; 7] = ["ftp", "tcp", "udp", "ws", "wss", "http", "https"];
    if text.len() <= 3 || text.chars().count() >= 2083 || text.starts_with('.') {
        return false;
    }
    if text.chars().any(char::is_whitespace) {
        return false;
    }
    let rest = match text.split_once("://") {
        Some((scheme, rest)) if SCHEMES.contains(&scheme) => rest,
        Some(_) => return false,
        None => text,
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    if host.starts_with('[') {
        return host.contains(']');
    }
    let (host, port) = host.split_once(':').unwrap_or((host, "0"));
    let is_port = (1..=5).contains(&port.len()) && port.bytes().all(|byte| byte.is_ascii_digit());
    let is_label = |label: &str| {
        let mut characters = label.chars();
        characters.all(|it| it.is_ascii_alphanumeric() || matches!(it, '-' | '_') || it as u32 > 0xA0)
            && label.starts_with(|it: char| it.is_ascii_alphanumeric() || it as u32 > 0xA0)
            && label.ends_with(|it: char| it.is_ascii_alphanumeric() || it as u32 > 0xA0)
    };
    let has_host = text.contains("://") || host.contains('.') || text.contains(':');
    is_port && has_host && host.trim_end_matches('.').split('.').all(is_label)
}

/// An address of mail.
pub(super) fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    let is_wide = |it: char| matches!(it as u32, 0xA0..=0xD7FF | 0xF900..=0xFDCF | 0xFDF0..=0xFFEF);
    let is_atom = |atom: &str| {
        !atom.is_empty()
            && atom
                .chars()
                .all(|it| it.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(it) || is_wide(it))
    };
    let is_quoted = local.len() > 1 && local.starts_with('"') && local.ends_with('"');
    let is_local = is_quoted || local.split('.').all(is_atom);
    let domain = domain.strip_suffix('.').unwrap_or(domain);
    let labels: Vec<&str> = domain.split('.').collect();
    let is_edge = |it: char| it.is_ascii_alphanumeric() || is_wide(it);
    let is_label = |label: &&str| {
        label.starts_with(is_edge)
            && label.ends_with(is_edge)
            && label.chars().all(|it| is_edge(it) || matches!(it, '-' | '_' | '~'))
    };
    let is_last = |label: &&str| {
        let is_letter = |it: char| it.is_ascii_alphabetic() || is_wide(it);
        label.starts_with(is_letter) && label.ends_with(is_letter)
    };
    is_local && labels.len() > 1 && labels.iter().all(is_label) && labels.last().is_some_and(is_last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mail() {
        for good in ["a@b.co", "a.b+c@d-e.example.com", "\"a b\"@c.org", "ä@ö.de", "a@b.c.d."] {
            assert!(is_email(good), "{good}");
        }
        for bad in
            ["", "a", "a@b", "@b.co", "a@", "a b@c.org", "a..b@c.org", "a@-b.org", "a@b.org1", "<a@b.org>"]
        {
            assert!(!is_email(bad), "{bad}");
        }
    }

    #[test]
    fn pages() {
        for good in ["http://a.b", "https://a.b/c?d#e", "example.com", "localhost:80", "http://[::1]/a"] {
            assert!(is_url(good), "{good}");
        }
        for bad in ["", "abc", "name", ".com.a", "gopher://a.b", "http://a b", "http://a.b:123456"] {
            assert!(!is_url(bad), "{bad}");
        }
        for good in ["http://a", "git+ssh://a/b", "file:///a", "https://a.b:80/c%20d"] {
            assert!(is_request_url(good), "{good}");
        }
        for bad in
            ["", "a/b", "/a/b", "mailto:a@b", "http://a:b/", "http://a/%zz", "1http://a", "http://a b/"]
        {
            assert!(!is_request_url(bad), "{bad}");
        }
    }
}
