//! Sans-IO. Writes a tree as YAML, with the indentation and the quotes that upstream's library uses.

use crate::tree::Tree;

/// Spaces of one level.
const STEP: usize = 4;

/// Returns a tree as a text that ends with a newline.
pub(crate) fn write(tree: &Tree) -> String {
    let mut out = String::new();
    if is_empty(tree) {
        scalar(tree, &mut out);
        out.push('\n');
    } else {
        block(tree, 0, &mut out);
    }
    out
}

/// Writes something that takes lines of its own; the first begins where the output stands.
fn block(tree: &Tree, indent: usize, out: &mut String) {
    match tree {
        Tree::Object(parts) => {
            let mut first = true;
            for (name, value) in parts.iter().filter_map(|part| Some((part.yaml?, &part.value))) {
                if !first {
                    out.push_str(&" ".repeat(indent));
                }
                first = false;
                out.push_str(name);
                out.push(':');
                entry(value, indent, out);
            }
        }
        Tree::List(Some(items)) => {
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push_str(&" ".repeat(indent));
                }
                out.push_str("- ");
                if is_empty(item) {
                    scalar(item, out);
                    out.push('\n');
                } else {
                    block(item, indent + 2, out);
                }
            }
        }
        Tree::List(None)
        | Tree::Text(_)
        | Tree::Plain(_)
        | Tree::Switch(_)
        | Tree::Number(_)
        | Tree::Nothing => {
            scalar(tree, out);
            out.push('\n');
        }
    }
}

/// Writes what stands behind a name.
fn entry(value: &Tree, indent: usize, out: &mut String) {
    if is_empty(value) || !matches!(value, Tree::Object(_) | Tree::List(Some(_))) {
        out.push(' ');
        scalar(value, out);
        out.push('\n');
        return;
    }
    // A level begins at a multiple of its width.
    let inner = STEP * ((indent + STEP) / STEP);
    out.push('\n');
    out.push_str(&" ".repeat(inner));
    block(value, inner, out);
}

fn is_empty(tree: &Tree) -> bool {
    match tree {
        Tree::Object(parts) => parts.iter().all(|part| part.yaml.is_none()),
        Tree::List(items) => items.as_ref().is_none_or(Vec::is_empty),
        Tree::Text(_) | Tree::Plain(_) | Tree::Switch(_) | Tree::Number(_) | Tree::Nothing => false,
    }
}

fn scalar(tree: &Tree, out: &mut String) {
    match tree {
        Tree::Object(_) => out.push_str("{}"),
        Tree::List(_) => out.push_str("[]"),
        Tree::Text(text) => quote(text, out),
        Tree::Plain(text) => out.push_str(text),
        Tree::Switch(truth) => out.push_str(if *truth { "true" } else { "false" }),
        Tree::Number(number) => out.push_str(&number.to_string()),
        Tree::Nothing => out.push_str("null"),
    }
}

/// Writes a text so that it is read back as this text.
fn quote(text: &str, out: &mut String) {
    let is_odd = |letter: char| letter.is_control() || matches!(letter, '\u{2028}' | '\u{2029}' | '\u{feff}');
    if text.contains(is_odd) || means_something_else(text) {
        let mut writer = adit_dialect::json::Writer::verbatim();
        writer.string(text);
        out.push_str(&writer.finish());
    } else if is_plain(text) {
        out.push_str(text);
    } else {
        out.push_str(&format!("'{}'", text.replace('\'', "''")));
    }
}

/// Returns whether a text without quotes would be no text: nothing, a truth, a number, a moment.
fn means_something_else(text: &str) -> bool {
    const WORDS: [&str; 13] = [
        "", "~", "null", "true", "false", "y", "n", "yes", "no", "on", "off", "<<", ".nan",
    ];
    let lower = text.to_ascii_lowercase();
    let number = text.replace('_', "");
    let unsigned = number.trim_start_matches(['+', '-']);
    let prefixed = |prefix: &str, radix: u32| {
        let digits = unsigned.strip_prefix(prefix);
        digits.is_some_and(|digits| !digits.is_empty() && digits.chars().all(|digit| digit.is_digit(radix)))
    };
    let is_number = unsigned.starts_with(|first: char| first.is_ascii_digit() || first == '.')
        && unsigned.contains(|letter: char| letter.is_ascii_digit())
        && unsigned.parse::<f64>().is_ok();
    let is_date = text.len() >= 8
        && text
            .as_bytes()
            .get(..5)
            .is_some_and(|head| head[..4].iter().all(u8::is_ascii_digit) && head[4] == b'-')
        && crate::moment::Moment::parse(&format!("{text}T00:00:00Z"))
            .or_else(|| crate::moment::Moment::parse(text))
            .is_some();
    WORDS.contains(&lower.as_str())
        || unsigned.eq_ignore_ascii_case(".inf")
        || is_number
        || is_date
        || prefixed("0x", 16)
        || prefixed("0o", 8)
        || prefixed("0b", 2)
}

/// Returns whether a text may stand without quotes.
fn is_plain(text: &str) -> bool {
    let mut letters = text.chars();
    let first = letters.next();
    let second = letters.next();
    let starts_well = match first {
        Some('-' | '?' | ':') => second.is_some_and(|second| second != ' '),
        Some(first) => !"#,[]{}&*!|>'\"%@` ".contains(first),
        None => false,
    };
    starts_well
        && !text.ends_with([' ', ':'])
        && !text.contains(": ")
        && !text.contains(" #")
        && !text.starts_with("---")
        && !text.starts_with("...")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_quoted_where_they_would_be_misread() {
        let rows = [
            ("alpha", "alpha"),
            ("", "\"\""),
            ("x: y", "'x: y'"),
            ("2001:db8::", "'2001:db8::'"),
            ("10.0.0.0", "10.0.0.0"),
            ("10.5", "\"10.5\""),
            ("true", "\"true\""),
            ("0x1f", "\"0x1f\""),
            ("2024-01-02", "\"2024-01-02\""),
            ("2024.4.1", "2024.4.1"),
            ("*", "'*'"),
            ("it's", "it's"),
            ("'s", "'''s'"),
            ("a\nb", "\"a\\nb\""),
            ("naïve", "naïve"),
        ];
        for (text, expected) in rows {
            let mut out = String::new();
            quote(text, &mut out);
            assert_eq!(out, expected, "{text}");
        }
    }
}
