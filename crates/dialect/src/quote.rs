//! Sans-IO. Text in quotes, as messages show it.

use std::sync::LazyLock;

use regex_syntax::hir::{Class, ClassUnicode, HirKind};

/// Puts `text` in double quotes, with what cannot be printed escaped.
#[must_use]
pub fn quote(text: impl AsRef<[u8]>) -> String {
    quoted(text.as_ref(), push)
}

/// As [`quote`], with everything escaped that is not ASCII.
#[must_use]
pub fn quote_ascii(text: impl AsRef<[u8]>) -> String {
    quoted(text.as_ref(), |out, c| {
        if c.is_ascii() {
            push(out, c);
        } else {
            escape(out, c);
        }
    })
}

fn quoted(text: &[u8], push: fn(&mut String, char)) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for chunk in text.utf8_chunks() {
        for c in chunk.valid().chars() {
            push(&mut out, c);
        }
        for byte in chunk.invalid() {
            out.push_str(&format!("\\x{byte:02x}"));
        }
    }
    out.push('"');
    out
}

/// Puts one byte of a JSON text, read as Latin-1, in single quotes.
pub(crate) fn character(byte: u8) -> String {
    match byte {
        b'\'' => r"'\''".to_owned(),
        b'"' => "'\"'".to_owned(),
        _ => {
            let mut out = String::from('\'');
            push(&mut out, char::from(byte));
            out.push('\'');
            out
        }
    }
}

fn push(out: &mut String, c: char) {
    match c {
        '"' | '\\' => out.extend(['\\', c]),
        '\x07' => out.push_str("\\a"),
        '\x08' => out.push_str("\\b"),
        '\x0c' => out.push_str("\\f"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\x0b' => out.push_str("\\v"),
        ' '..='~' => out.push(c),
        '\0'..' ' | '\x7f' => out.push_str(&format!("\\x{:02x}", u32::from(c))),
        _ if is_printable(c) => out.push(c),
        _ => escape(out, c),
    }
}

fn escape(out: &mut String, c: char) {
    let code = u32::from(c);
    if code < 0x1_0000 {
        out.push_str(&format!("\\u{code:04x}"));
    } else {
        out.push_str(&format!("\\U{code:08x}"));
    }
}

/// Tells whether `c`, which is not ASCII, is a letter, mark, number, punctuation or symbol.
fn is_printable(c: char) -> bool {
    static PRINTABLE: LazyLock<ClassUnicode> = LazyLock::new(|| {
        let hir = regex_syntax::parse(r"[\p{L}\p{M}\p{N}\p{P}\p{S}]").expect("the pattern is a class");
        let HirKind::Class(Class::Unicode(class)) = hir.into_kind() else {
            return ClassUnicode::empty();
        };
        class
    });
    let ranges = PRINTABLE.ranges();
    let behind = ranges.partition_point(|range| range.start() <= c);
    behind > 0 && ranges[behind - 1].end() >= c
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_as_messages_show_it() {
        let rows: &[(&[u8], &str)] = &[
            (b"", r#""""#),
            (b"a b", r#""a b""#),
            (b"say \"x\" \\", r#""say \"x\" \\""#),
            (b"\x07\x08\x0c\n\r\t\x0b", r#""\a\b\f\n\r\t\v""#),
            (b"\x00\x1f\x7f", r#""\x00\x1f\x7f""#),
            ("é日".as_bytes(), r#""é日""#),
            (b"\xff\xc3", r#""\xff\xc3""#),
            (
                "\u{ad}\u{a0}\u{200b}\u{feff}".as_bytes(),
                r#""\u00ad\u00a0\u200b\ufeff""#,
            ),
            ("\u{e0001}😀".as_bytes(), r#""\U000e0001😀""#),
            ("\u{fffd}".as_bytes(), "\"\u{fffd}\""),
        ];
        for (text, expect) in rows {
            assert_eq!(quote(text), *expect);
        }
    }

    #[test]
    fn quotes_in_ascii_where_it_is_asked_for() {
        let rows: &[(&[u8], &str)] = &[
            (b"a \"b\"\r\n\x00", r#""a \"b\"\r\n\x00""#),
            ("é日😀\u{fffd}".as_bytes(), r#""\u00e9\u65e5\U0001f600\ufffd""#),
            (b"\xff\xc3", r#""\xff\xc3""#),
        ];
        for (text, expect) in rows {
            assert_eq!(quote_ascii(text), *expect);
        }
    }

    #[test]
    fn quotes_a_byte_as_json_errors_show_it() {
        let rows = [
            (b'x', "'x'"),
            (b'\'', r"'\''"),
            (b'"', "'\"'"),
            (b'\n', r"'\n'"),
            (0xef, "'ï'"),
            (0x80, r"'\u0080'"),
        ];
        for (byte, expect) in rows {
            assert_eq!(character(byte), expect);
        }
    }
}
