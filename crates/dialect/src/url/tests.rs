//! URLs as tables.

use super::*;

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn parts() {
    for &(given, scheme, user, host, path, query, display) in PARTS {
        let url = Url::parse(given).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(url.scheme(), scheme, "{given}");
        let shown = url.user().map_or_else(String::new, |user| match &user.password {
            Some(password) => format!("{}:{}", text(&user.name), text(password)),
            None => text(&user.name),
        });
        assert_eq!(shown, user, "{given}");
        assert_eq!(text(url.host()), host, "{given}");
        assert_eq!(text(url.path()), path, "{given}");
        assert_eq!(url.query().map(text).as_deref(), query, "{given}");
        assert_eq!(url.to_string(), display, "{given}");
    }
}

#[test]
fn refusals() {
    for &(given, expect) in REFUSALS {
        assert_eq!(
            Url::parse(given).map_err(|error| error.to_string()),
            Err(expect.to_owned())
        );
    }
}

#[test]
fn request_targets() {
    let rows: &[(&[u8], &[u8])] = &[
        (b"https://h", b"/"),
        (b"https://h?x=1", b"/?x=1"),
        (b"https://h/a?", b"/a?"),
        (b"https://h/a?b?c", b"/a?b?c"),
        (b"https://h/a%2fb", b"/a%2fb"),
        (b"https://h/a%2Fb|c", b"/a/b%7Cc"),
        (b"https://h/a b", b"/a%20b"),
        (b"https://h/a[1]", b"/a[1]"),
        (b"https://h/\xc3\xa9", b"/%C3%A9"),
        (b"https://h/\xff?\xff", b"/%FF?\xff"),
        (b"https://h/a!$&'()*+,;=:@b", b"/a!$&'()*+,;=:@b"),
        (b"https://h/%41%7e", b"/%41%7e"),
        (b"https://h//a/../b/./c/", b"//a/../b/./c/"),
        (b"https://h/?x=|^\"<>`{}\\", b"/?x=|^\"<>`{}\\"),
        (b"https://h/x#frag", b"/x"),
        (b"mailto:x?y", b"x?y"),
        (b"a:b", b"b"),
        (b"/only?q", b"/only?q"),
        (b"*", b"*"),
        (b"x/y", b"x/y"),
        (b"?q", b"/?q"),
    ];
    for (given, expect) in rows {
        let url = Url::parse(given).expect("the URL is right");
        assert_eq!(text(&url.request_target()), text(expect), "{}", text(given));
    }
}

#[test]
fn targets_of_requests() {
    let good = [
        ("//a//b", "//a//b", ""),
        ("/a#b", "/a%23b", ""),
        ("http://h/x?y", "/x?y", "h"),
        ("*", "*", ""),
        ("mailto:x", "x", ""),
    ];
    for (given, target, host) in good {
        let url = Url::parse_target(given).expect("the target is right");
        assert_eq!(
            (text(&url.request_target()).as_str(), text(url.host()).as_str()),
            (target, host)
        );
    }
    let bad = [
        ("", r#"parse "": empty url"#),
        ("a", r#"parse "a": invalid URI for request"#),
        ("/%zz", r#"parse "/%zz": invalid URL escape "%zz""#),
    ];
    for (given, expect) in bad {
        assert_eq!(
            Url::parse_target(given).map_err(|error| error.to_string()),
            Err(expect.to_owned())
        );
    }
}

#[test]
fn hosts_and_ports() {
    let rows = [
        ("http://h:80", "h", "80"),
        ("http://h:", "h", ""),
        ("http://h", "h", ""),
        ("http://[::1]:443", "::1", "443"),
        ("http://[::1]", "::1", ""),
        ("http://[fe80::1%25e]", "fe80::1%e", ""),
        ("foo:bar", "", ""),
        ("pg://a:b:80", "a:b", "80"),
    ];
    for (given, host, port) in rows {
        let url = Url::parse(given).expect("the URL is right");
        assert_eq!(
            (text(url.hostname()), text(url.port())),
            (host.to_owned(), port.to_owned()),
            "{given}"
        );
    }
}

#[test]
fn a_plain_url_is_borrowed() {
    let given = b"https://app.example.com/a/b?c=d";
    let url = Url::parse(given).expect("the URL is right");
    assert!(matches!(url.path, Cow::Borrowed(_)) && matches!(url.host, Cow::Borrowed(_)));
    assert!(matches!(url.request_target(), Cow::Borrowed(target) if target.as_ptr() == given[23..].as_ptr()));
}

/// A URL; its scheme, user, host, path, query; how it is displayed.
type Parts = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    Option<&'static str>,
    &'static str,
);

const PARTS: &[Parts] = &[
    (
        "http://localhost:8080",
        "http",
        "",
        "localhost:8080",
        "",
        None,
        "http://localhost:8080",
    ),
    (
        "HTTPS://u:p%40@H/a%2Fb?q#f",
        "https",
        "u:p@",
        "H",
        "/a/b",
        Some("q"),
        "https://u:p%40@H/a%2Fb?q#f",
    ),
    ("http://é", "http", "", "é", "", None, "http://%C3%A9"),
    ("mailto:x@y", "mailto", "", "", "", None, "mailto:x@y"),
    ("//other/x", "", "", "other", "/x", None, "//other/x"),
    (
        "http:///nohost",
        "http",
        "",
        "",
        "/nohost",
        None,
        "http:///nohost",
    ),
    ("http:/nohost", "http", "", "", "/nohost", None, "http:/nohost"),
    ("https://?q", "https", "", "", "", Some("q"), "https:?q"),
    ("https:///", "https", "", "", "/", None, "https:///"),
    (
        "/only/path?q=1",
        "",
        "",
        "",
        "/only/path",
        Some("q=1"),
        "/only/path?q=1",
    ),
    ("///a", "", "", "", "///a", None, "///a"),
    ("*", "", "", "", "*", None, "*"),
    ("a/b:c", "", "", "", "a/b:c", None, "a/b:c"),
    ("", "", "", "", "", None, ""),
    ("http://h?", "http", "", "h", "", Some(""), "http://h?"),
    ("http://h??", "http", "", "h", "", Some("?"), "http://h??"),
    (
        "http://[fe80::1%25eth0]:80/",
        "http",
        "",
        "[fe80::1%eth0]:80",
        "/",
        None,
        "http://[fe80::1%25eth0]:80/",
    ),
    ("http://a%25b", "http", "", "a%b", "", None, "http://a%25b"),
    ("http://%e4%bd%a0", "http", "", "你", "", None, "http://%E4%BD%A0"),
    (
        "postgres://a:b:80",
        "postgres",
        "",
        "a:b:80",
        "",
        None,
        "postgres://a:b:80",
    ),
    ("ssh://:22", "ssh", "", ":22", "", None, "ssh://:22"),
    (
        "http://h/a|b#c d",
        "http",
        "",
        "h",
        "/a|b",
        None,
        "http://h/a%7Cb#c%20d",
    ),
    ("http://u:@h", "http", "u:", "h", "", None, "http://u:@h"),
];

const REFUSALS: &[(&str, &str)] = &[
    (
        "127.0.0.1:8080",
        r#"parse "127.0.0.1:8080": first path segment in URL cannot contain colon"#,
    ),
    (
        "http://localhost:abc",
        r#"parse "http://localhost:abc": invalid port ":abc" after host"#,
    ),
    (
        "http://local host",
        r#"parse "http://local host": invalid character " " in host name"#,
    ),
    (
        "http://a\\b",
        r#"parse "http://a\\b": invalid character "\\" in host name"#,
    ),
    ("http://[::1", r#"parse "http://[::1": missing ']' in host"#),
    (
        "http://::1/",
        r#"parse "http://::1/": invalid port "::1" after host"#,
    ),
    (
        "http://[fe80::1%eth0]",
        r#"parse "http://[fe80::1%eth0]": invalid URL escape "%et""#,
    ),
    (
        "http://[1.2.3.4]",
        r#"parse "http://[1.2.3.4]": invalid IP-literal"#,
    ),
    (
        "http://[x]",
        r#"parse "http://[x]": invalid host: ParseAddr("x"): unable to parse IP"#,
    ),
    (
        "http://[]",
        r#"parse "http://[]": invalid host: ParseAddr(""): unable to parse IP"#,
    ),
    (
        "http://[::1]x",
        r#"parse "http://[::1]x": invalid port "x" after host"#,
    ),
    ("http://a[::1]", r#"parse "http://a[::1]": invalid IP-literal"#),
    (
        "http://u:p w@h",
        r#"parse "http://u:p w@h": net/url: invalid userinfo"#,
    ),
    (
        "http://u%zz@h",
        r#"parse "http://u%zz@h": invalid URL escape "%zz""#,
    ),
    (
        "http://u @h h",
        r#"parse "http://u @h h": invalid character " " in host name"#,
    ),
    (
        "http://h%20x",
        r#"parse "http://h%20x": invalid URL escape "%20""#,
    ),
    (
        "http://%2A.x y/",
        r#"parse "http://%2A.x y/": invalid URL escape "%2A""#,
    ),
    (
        "http://h\x01",
        r#"parse "http://h\x01": net/url: invalid control character in URL"#,
    ),
    (
        "http://h\x7f",
        r#"parse "http://h\x7f": net/url: invalid control character in URL"#,
    ),
    ("::", r#"parse "::": missing protocol scheme"#),
    (
        "http://a:b:80",
        r#"parse "http://a:b:80": invalid port ":b:80" after host"#,
    ),
    ("tcp://a:b", r#"parse "tcp://a:b": invalid port ":b" after host"#),
    (
        "http://h/%zz#f",
        r#"parse "http://h/%zz": invalid URL escape "%zz""#,
    ),
    ("http://h/a%", r#"parse "http://h/a%": invalid URL escape "%""#),
    ("http://h/a%1", r#"parse "http://h/a%1": invalid URL escape "%1""#),
    (
        "http://h/#%zz",
        r##"parse "http://h/#%zz": invalid URL escape "%zz""##,
    ),
    (
        "http://é:é",
        r#"parse "http://é:é": invalid port ":é" after host"#,
    ),
];
