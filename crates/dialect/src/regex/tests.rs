//! Regular expressions as tables.

use super::*;

fn compiled(source: &str) -> regex::Regex {
    let pattern = Pattern::parse(source).unwrap_or_else(|error| panic!("{source}: {error}"));
    let built = regex::RegexBuilder::new(pattern.translated())
        .nest_limit(NEST_LIMIT)
        .size_limit(SIZE_LIMIT)
        .build();
    built.unwrap_or_else(|error| panic!("{source} as {}: {error}", pattern.translated()))
}

fn matches(source: &str, text: &[u8]) -> bool {
    compiled(source).is_match(&subject(text))
}

#[test]
fn meaning() {
    for (source, good, bad) in MEANING {
        let pattern = compiled(source);
        for text in *good {
            assert!(pattern.is_match(text), "{source} matches {text:?}");
        }
        for text in *bad {
            assert!(!pattern.is_match(text), "{source} does not match {text:?}");
        }
    }
}

#[test]
fn a_byte_that_is_not_unicode_is_one_character() {
    assert!(matches("^/.$", b"/\xff"));
    assert!(matches("^/[^x]{2}$", b"/\xe2\x82"));
    assert!(matches("\u{fffd}", b"\xff"));
    assert!(!matches("^/é$", b"/\xc3"));
    assert!(matches!(subject("é".as_bytes()), Cow::Borrowed("é")));
}

#[test]
fn refusals() {
    for &(source, expect) in REFUSALS {
        let shown = Pattern::parse(source).map_err(|error| error.to_string());
        let expect = format!("error parsing regexp: {expect}");
        assert_eq!(
            shown.map(|pattern| pattern.translated().to_owned()),
            Err(expect),
            "{source}"
        );
    }
}

#[test]
fn size_and_depth_are_bounded() {
    let nested = |depth: usize| "(".repeat(depth) + "ab" + &")".repeat(depth);
    assert!(Pattern::parse(&nested(999)).is_ok());
    let problem = |source: &str| Pattern::parse(source).map_err(|error| error.problem);
    assert_eq!(problem(&nested(1000)), Err(crate::RegexProblem::Depth));
    assert!(
        Pattern::parse(
            &"(?:"
                .repeat(5_000)
                .chars()
                .chain(")".repeat(5_000).chars())
                .collect::<String>()
        )
        .is_ok()
    );
    let large = format!("({}){{1000}}", "(xx?)".repeat(1_000));
    assert_eq!(problem(&large), Err(crate::RegexProblem::Size));
    assert_eq!(
        problem(&"((".repeat(100_000)),
        Err(crate::RegexProblem::MissingParenthesis)
    );
}

#[test]
fn what_upstream_accepts_compiles() {
    for source in ["((a{100}){10}){1}", "a{1000}", "(?:(?:a{0}){1000}){1000}"] {
        compiled(source);
    }
    let mut nested = "a".to_owned();
    for _ in 0..330 {
        nested = format!("(?:{nested}b|c)*");
    }
    std::thread::Builder::new()
        .stack_size(2 << 20)
        .spawn(move || compiled(&nested))
        .and_then(|thread| thread.join().map_err(|_| std::io::Error::other("stack")))
        .expect("the stack of a worker is enough");
}

const REFUSALS: &[(&str, &str)] = &[
    ("*.html", "missing argument to repetition operator: `*`"),
    ("|*", "missing argument to repetition operator: `*`"),
    ("(+?)", "missing argument to repetition operator: `+?`"),
    ("{1}", "missing argument to repetition operator: `{1}`"),
    ("(?i)?", "missing argument to repetition operator: `?`"),
    ("a**", "invalid nested repetition operator: `**`"),
    ("a*?*", "invalid nested repetition operator: `*?*`"),
    ("a++b", "invalid nested repetition operator: `++`"),
    ("a{2}{3}?", "invalid nested repetition operator: `{2}{3}?`"),
    ("a{2}*", "invalid nested repetition operator: `{2}*`"),
    ("a{1001}", "invalid repeat count: `{1001}`"),
    ("a{1001,}b", "invalid repeat count: `{1001,}`"),
    ("a{99999999999}", "invalid repeat count: `{99999999999}`"),
    ("a{2,1}", "invalid repeat count: `{2,1}`"),
    ("(a{1000}){1000}", "invalid repeat count: `{1000}`"),
    ("((a{100}){10}b{3}){2,}", "invalid repeat count: `{2,}`"),
    ("(", "missing closing ): `(`"),
    ("a(b(c)", "missing closing ): `a(b(c)`"),
    ("(?i:", "missing closing ): `(?i:`"),
    ("(?P<n>", "missing closing ): `(?P<n>`"),
    (")", "unexpected ): `)`"),
    ("a)b", "unexpected ): `a)b`"),
    ("[", "missing closing ]: `[`"),
    ("x[]", "missing closing ]: `[]`"),
    ("[^]a", "missing closing ]: `[^]a`"),
    ("[a-", "missing closing ]: `[a-`"),
    ("[z-a]", "invalid character class range: `z-a`"),
    (r"[\x7a-a]", r"invalid character class range: `\x7a-a`"),
    ("[[:foo:]]", "invalid character class range: `[:foo:]`"),
    ("[[:^foo:]]", "invalid character class range: `[:^foo:]`"),
    (r"\p{Foo}x", r"invalid character class range: `\p{Foo}`"),
    (r"\p{^Foo}x", r"invalid character class range: `\p{^Foo}`"),
    (r"\p{Greek", r"invalid character class range: `\p{Greek`"),
    (r"\pX", r"invalid character class range: `\pX`"),
    (r"\p", r"invalid character class range: `\p`"),
    (r"[\pé]", r"invalid character class range: `\pé`"),
    (r"\p{Grek}", r"invalid character class range: `\p{Grek}`"),
    (
        r"\p{Script=Greek}",
        r"invalid character class range: `\p{Script=Greek}`",
    ),
    (
        r"\p{Alphabetic}",
        r"invalid character class range: `\p{Alphabetic}`",
    ),
    (r"(a)\1", r"invalid escape sequence: `\1`"),
    (r"\18", r"invalid escape sequence: `\1`"),
    (r"\9", r"invalid escape sequence: `\9`"),
    (r"\8", r"invalid escape sequence: `\8`"),
    (r"a\Z", r"invalid escape sequence: `\Z`"),
    (r"\C", r"invalid escape sequence: `\C`"),
    (r"\G", r"invalid escape sequence: `\G`"),
    (r"\u0041", r"invalid escape sequence: `\u`"),
    (r"\é", r"invalid escape sequence: `\é`"),
    (r"\xZZ", r"invalid escape sequence: `\xZZ`"),
    (r"\x", r"invalid escape sequence: `\x`"),
    (r"\x4", r"invalid escape sequence: `\x4`"),
    (r"\x{110000}", r"invalid escape sequence: `\x{110000`"),
    (r"\x{41", r"invalid escape sequence: `\x{41`"),
    (r"\x{}", r"invalid escape sequence: `\x{}`"),
    (r"\x{4g}", r"invalid escape sequence: `\x{4g`"),
    (r"[a-\d]", r"invalid escape sequence: `\d`"),
    (r"[\b]", r"invalid escape sequence: `\b`"),
    (r"[\Qa\E]", r"invalid escape sequence: `\Q`"),
    (r"a\", "trailing backslash at end of expression: ``"),
    (r"[\", "trailing backslash at end of expression: ``"),
    ("(?P<n!>x)", "invalid named capture: `(?P<n!>`"),
    ("(?<>x)", "invalid named capture: `(?<>`"),
    ("(?P<n", "invalid named capture: `(?P<n`"),
    ("x(?<=a)", "invalid named capture: `(?<=a)`"),
    ("(?!a)", "invalid or unsupported Perl syntax: `(?!`"),
    ("(?=a)", "invalid or unsupported Perl syntax: `(?=`"),
    ("(?#x)a", "invalid or unsupported Perl syntax: `(?#`"),
    ("(?>a)", "invalid or unsupported Perl syntax: `(?>`"),
    ("(?(1)a|b)", "invalid or unsupported Perl syntax: `(?(`"),
    ("(?x)a", "invalid or unsupported Perl syntax: `(?x`"),
    ("(?iz)a", "invalid or unsupported Perl syntax: `(?iz`"),
    ("(?R)", "invalid or unsupported Perl syntax: `(?R`"),
    ("(?P=n)", "invalid or unsupported Perl syntax: `(?P`"),
    ("(?P<", "invalid or unsupported Perl syntax: `(?P`"),
    ("(?<", "invalid or unsupported Perl syntax: `(?<`"),
    ("(?i-)", "invalid or unsupported Perl syntax: `(?i-)`"),
    ("(?-)", "invalid or unsupported Perl syntax: `(?-)`"),
    ("(?i-s-m)", "invalid or unsupported Perl syntax: `(?i-s-`"),
    ("(?", "invalid or unsupported Perl syntax: `(?`"),
    ("(?i", "invalid or unsupported Perl syntax: `(?i`"),
];

/// An expression; texts in which it is found; texts in which it is not.
const MEANING: &[(&str, &[&str], &[&str])] = &[
    ("/api/*", &["/api", "/x/api2"], &["/ap"]),
    (r"^\d$", &["5"], &["٣", "x"]),
    (r"^\w$", &["_", "k"], &["é", "ſ"]),
    (r"^\s$", &[" ", "\t", "\x0c"], &["\x0b", "\u{a0}"]),
    (r"^[[:space:]]$", &["\x0b", " "], &["x"]),
    (r"^[[:^space:]]$", &["x", "é"], &["\x0b"]),
    (r"^[[:word:][:punct:]]$", &["_", "!"], &[" "]),
    ("(?i)^k$", &["k", "K", "\u{212a}"], &["x"]),
    (r"(?i)^\w$", &["ſ", "\u{212a}"], &["é"]),
    (r"(?i)^\W$", &["é"], &["ſ"]),
    ("(?i)^[^k]$", &["x"], &["\u{212a}", "K"]),
    ("(?i)a(?-i)b", &["Ab"], &["AB"]),
    ("(?i:a)b", &["Ab"], &["AB"]),
    ("(?i)^é$", &["É"], &["e"]),
    ("a(?i)b|c", &["aB", "C"], &["A"]),
    (r"\bé", &["aé"], &["é"]),
    (r"^\B", &["é", ""], &["a"]),
    (r"\B", &["ab"], &["aéa", "a"]),
    ("^.$", &["x", "é"], &["\n", ""]),
    ("(?s)^.$", &["\n"], &["ab"]),
    ("(?m)^b$", &["a\nb"], &["ab"]),
    ("a$", &["a"], &["a\n"]),
    (r"\Aa\z", &["a"], &["ba"]),
    (r"^\Qa.b\E$", &["a.b"], &["axb"]),
    (r"^a\Q*\E+$", &["a**"], &["aa"]),
    (r"^\Qa.", &["a.x"], &["ab"]),
    (r"^\101\x42\x{43}\0$", &["ABC\0"], &["A"]),
    (r"^\018$", &["\x018"], &["0"]),
    (r"^\_\-\/\<\>\ $", &["_-/<> "], &["x"]),
    (r"^\a\f\t\n\r\v$", &["\x07\x0c\t\n\r\x0b"], &["x"]),
    ("^a{,3}$", &["a{,3}"], &["a"]),
    ("^a{x}{$", &["a{x}{"], &["a"]),
    ("^a{01}$", &["a{01}"], &["a"]),
    ("^a}]$", &["a}]"], &["a"]),
    ("^a{2,3}$", &["aa", "aaa"], &["a", "aaaa"]),
    ("^a{2,}?$", &["aaaa"], &["a"]),
    ("^[a&&b]+$", &["a&b"], &["ac"]),
    ("^[+--~~c]+$", &["~,c"], &["a"]),
    ("^[[a]$", &["[", "a"], &["]"]),
    ("^[a-c[d]]$", &["a]", "[]"], &["a"]),
    ("^[]a]$", &["]", "a"], &["b"]),
    ("^[^]a]$", &["b", "\n"], &["]"]),
    ("^[a-]$", &["-"], &["b"]),
    ("^[-a]$", &["-"], &["b"]),
    (r"^[\d-x]$", &["-", "5", "x"], &["w"]),
    (r"^[\Wé\pN]$", &["!", "5"], &["a"]),
    (
        r"^\pL\p{Greek}\p{ greek }\p{^Lu}\PN$",
        &["xααxx"],
        &["xααAx", "xααx1"],
    ),
    (r"^\p{lowercase letter}\p{lc}\p{L}$", &["aAz"], &["AAz"]),
    (r"^\p{Any}$", &["\n"], &[""]),
    (r"^\p{Assigned}$", &["a"], &["\u{378}"]),
    (r"^\p{Cn}\p{C}\p{C}$", &["\u{378}\u{378}\0"], &["a"]),
    (r"(?i)^\p{Lu}$", &["a"], &["1"]),
    (r"^\p{ascii}$", &["a"], &["é"]),
    ("^(?P<n>x)(?<1>y)(?P<n>z)$", &["xyz"], &["x"]),
    ("(?U)^a+?b*$", &["aab"], &["b"]),
    ("^*a", &["a"], &["b"]),
    (r"\b*a", &["a"], &["b"]),
    ("(?:)*(|a)()$*", &[""], &[]),
    ("a|", &["x"], &[]),
    (r"^[\x{D800}-\x{DFFF}a]$", &["a"], &["\u{fffd}"]),
    (r"\x{D800}", &[], &["\u{fffd}", "a"]),
    (r"\p{Cs}", &[], &["a"]),
    (r"^[\x{D000}-\x{E001}]$", &["\u{d000}", "\u{e000}"], &["a"]),
    (r"^[^\pL\PL]$", &[], &["a", "1"]),
];
