//! Addresses: what is accepted and how it is shown, what is refused.
#![allow(clippy::unwrap_used, reason = "a step that fails here is a test that fails")]

use proptest::prelude::*;
use tiphys_source::{RemoteUrl, Scheme};

#[test]
fn accepted() {
    for (text, shown, scheme, host, port) in [
        (
            "https://git.example.com/acme/deploy.git",
            "https://git.example.com/acme/deploy.git",
            Scheme::Https,
            "git.example.com",
            443,
        ),
        ("HTTPS://Git.Example.COM./a/", "https://git.example.com/a", Scheme::Https, "git.example.com", 443),
        ("https://git.example.com:443/a", "https://git.example.com/a", Scheme::Https, "git.example.com", 443),
        (
            "https://git.example.com:8443/a",
            "https://git.example.com:8443/a",
            Scheme::Https,
            "git.example.com",
            8443,
        ),
        (
            "https://token@git.example.com/a",
            "https://git.example.com/a",
            Scheme::Https,
            "git.example.com",
            443,
        ),
        (
            "https://git.example.com/ü/a%20b",
            "https://git.example.com/%C3%BC/a%20b",
            Scheme::Https,
            "git.example.com",
            443,
        ),
        ("http://h/a", "http://h/a", Scheme::Http, "h", 80),
        ("http://[::1]:8080/a", "http://[::1]:8080/a", Scheme::Http, "::1", 8080),
        ("ssh://git@h/a.git", "ssh://git@h/a.git", Scheme::Ssh, "h", 22),
        ("ssh://git@h:2222/~/a", "ssh://git@h:2222/~/a", Scheme::Ssh, "h", 2222),
        ("git+ssh://h/a", "ssh://h/a", Scheme::Ssh, "h", 22),
        (
            "git@github.com:acme/deploy.git",
            "ssh://git@github.com/acme/deploy.git",
            Scheme::Ssh,
            "github.com",
            22,
        ),
        ("git@h:/srv/a.git", "ssh://git@h/srv/a.git", Scheme::Ssh, "h", 22),
        ("git@[::1]:a", "ssh://git@[::1]/a", Scheme::Ssh, "::1", 22),
    ] {
        let url = RemoteUrl::parse(text).unwrap();
        assert_eq!(url.to_string(), shown, "{text}");
        assert_eq!((url.scheme(), url.host().as_str(), url.port()), (scheme, host, port), "{text}");
        assert!(!format!("{url:?}").contains("token"));
    }
}

#[test]
fn refused() {
    for (text, expected) in [
        ("file:///etc", "file:// is refused"),
        ("git://h/a", "git:// is refused"),
        ("ftp://h/a", "ftp:// is refused"),
        ("ext::sh -c x", "the character ' '"),
        ("ext::sh", "ext:: is refused"),
        ("fd::17", "fd:: is refused"),
        ("rad:x", "a path without a host is refused"),
        ("/srv/git/a", "a path without a host is refused"),
        ("./a", "a path without a host is refused"),
        ("a/b@c:d", "a path without a host is refused"),
        ("C:\\a", "a path without a host is refused"),
        ("", "a path without a host is refused"),
        ("https://user:password@h/a", "contains a password"),
        ("ssh://git:password@h/a", "contains a password"),
        ("https://h/a\nb", "the character '\\n'"),
        ("https://h\0/a", "the character '\\0'"),
        ("https://h/a%0ab c", "the character ' '"),
        ("https:///a", "no valid host name"),
        ("https://-oProxyCommand=x/a", "no valid host name"),
        ("ssh://-oProxyCommand=x/a", "no valid host name"),
        ("-oProxyCommand=x@h:a", "no valid user name"),
        ("https://h<script>/a", "no valid host name"),
        ("https://[::1/a", "no valid host name"),
        ("https://[::1]x/a", "no valid host name"),
        ("https://h:0/a", "no valid port"),
        ("https://h:65536/a", "no valid port"),
        ("https://h:+1/a", "no valid port"),
        ("https://h", "it names no repository"),
        ("https://h/", "it names no repository"),
        ("https://h/../a", "it contains \"..\""),
        ("https://h/a?b=c", "it contains \"?\""),
        ("https://h/a#b", "it contains \"?\" or \"#\""),
        ("ssh://h/a'b", "a quote or a backslash"),
        ("git@h:--upload-pack=x", "it begins with \"-\""),
        ("git@h", "a path without a host is refused"),
    ] {
        let error = RemoteUrl::parse(text).unwrap_err().to_string();
        assert!(error.contains(expected), "{text:?}: {error}");
        assert!(!error.contains("password@"), "{error}");
    }
}

#[test]
fn one_repository_has_many_addresses() {
    let url = |text: &str| RemoteUrl::parse(text).unwrap();
    let one = url("https://git.example.com/acme/deploy.git");
    for (other, same) in [
        ("https://git.example.com/acme/deploy", true),
        ("https://robot@git.example.com/Acme/Deploy.git/", true),
        ("git@git.example.com:acme/deploy.git", true),
        ("ssh://git@git.example.com:2222/acme/deploy", true),
        ("https://git.example.com/acme/deploy2", false),
        ("https://example.com/acme/deploy", false),
        ("https://git.example.com/deploy", false),
    ] {
        assert_eq!(one.same_repository(&url(other)), same, "{other}");
    }
    assert!(one.same_server(&url("https://git.example.com:443/x")));
    for other in [
        "http://git.example.com/x",
        "https://git.example.com:444/x",
        "https://example.com/x",
        "git@git.example.com:x",
    ] {
        assert!(!one.same_server(&url(other)), "{other}");
    }
}

proptest! {
    #[test]
    fn what_is_shown_can_be_read_again(text in "(https|ssh)://([a-z]{1,3}@)?[a-zA-Z.-]{1,5}(:[0-9]{1,5})?/[a-zü/.%-]{0,8}") {
        if let Ok(url) = RemoteUrl::parse(&text) {
            let again = RemoteUrl::parse(&url.to_string()).unwrap();
            prop_assert_eq!(again.to_string(), url.to_string());
            prop_assert!(again.same_server(&url) && again.same_repository(&url));
        }
    }

    #[test]
    fn nothing_panics(text in ".{0,40}") {
        let _ = RemoteUrl::parse(&text);
    }
}
