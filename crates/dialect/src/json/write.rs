//! Sans-IO. Writes JSON in the one form upstream writes: no spaces, no final line end.

use std::fmt::Write as _;

use crate::number;

/// A JSON text that is being written, value by value.
///
/// ```
/// let mut writer = adit_dialect::json::Writer::new();
/// writer.begin_object().key("path").string("<>").key("ports").begin_array();
/// writer.integer(80).integer(443).end_array().end_object();
/// assert_eq!(writer.finish(), r#"{"path":"\u003c\u003e","ports":[80,443]}"#);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Writer {
    out: String,
    /// Whether a comma must precede the next value.
    behind_value: bool,
    markup: Markup,
}

/// What becomes of `<`, `>` and `&`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Markup {
    #[default]
    Escaped,
    Verbatim,
}

impl Writer {
    /// Starts a text in which `<`, `>` and `&` are escaped, as upstream does by default.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts a text in which `<`, `>` and `&` stand as they are.
    #[must_use]
    pub fn verbatim() -> Self {
        Self {
            markup: Markup::Verbatim,
            ..Self::default()
        }
    }

    /// Opens an object.
    pub fn begin_object(&mut self) -> &mut Self {
        self.begin('{')
    }

    /// Closes an object.
    pub fn end_object(&mut self) -> &mut Self {
        self.end('}')
    }

    /// Opens an array.
    pub fn begin_array(&mut self) -> &mut Self {
        self.begin('[')
    }

    /// Closes an array.
    pub fn end_array(&mut self) -> &mut Self {
        self.end(']')
    }

    /// Writes the name of an entry; its value comes next.
    pub fn key(&mut self, name: &str) -> &mut Self {
        self.string(name);
        self.out.push(':');
        self.behind_value = false;
        self
    }

    /// Writes a string; bytes that are not UTF-8 become `\ufffd`.
    pub fn string(&mut self, text: impl AsRef<[u8]>) -> &mut Self {
        self.separate();
        self.out.push('"');
        for chunk in text.as_ref().utf8_chunks() {
            for c in chunk.valid().chars() {
                self.push(c);
            }
            for _ in chunk.invalid() {
                self.out.push_str("\\ufffd");
            }
        }
        self.out.push('"');
        self
    }

    /// Writes a boolean.
    pub fn boolean(&mut self, truth: bool) -> &mut Self {
        self.raw(if truth { "true" } else { "false" })
    }

    /// Writes an integer.
    pub fn integer(&mut self, value: i64) -> &mut Self {
        self.raw(&value.to_string())
    }

    /// Writes an integer without a sign.
    pub fn unsigned(&mut self, value: u64) -> &mut Self {
        self.raw(&value.to_string())
    }

    /// Writes a floating-point number in its shortest form; one that is not finite as `null`.
    pub fn float(&mut self, value: f64) -> &mut Self {
        if value.is_finite() {
            return self.raw(&number::print_float(value));
        }
        self.null()
    }

    /// Writes `null`.
    pub fn null(&mut self) -> &mut Self {
        self.raw("null")
    }

    /// Writes a value that is JSON already.
    pub fn raw(&mut self, json: &str) -> &mut Self {
        self.separate();
        self.out.push_str(json);
        self
    }

    /// Returns the text.
    #[must_use]
    pub fn finish(self) -> String {
        self.out
    }

    fn begin(&mut self, bracket: char) -> &mut Self {
        self.separate();
        self.out.push(bracket);
        self.behind_value = false;
        self
    }

    fn end(&mut self, bracket: char) -> &mut Self {
        self.out.push(bracket);
        self.behind_value = true;
        self
    }

    fn separate(&mut self) {
        if self.behind_value {
            self.out.push(',');
        }
        self.behind_value = true;
    }

    fn push(&mut self, c: char) {
        let short = match c {
            '"' => "\\\"",
            '\\' => "\\\\",
            '\n' => "\\n",
            '\r' => "\\r",
            '\t' => "\\t",
            '\x08' => "\\b",
            '\x0c' => "\\f",
            '<' | '>' | '&' if self.markup == Markup::Escaped => return self.push_code(c),
            '\0'..' ' | '\u{2028}' | '\u{2029}' => return self.push_code(c),
            _ => return self.out.push(c),
        };
        self.out.push_str(short);
    }

    fn push_code(&mut self, c: char) {
        let written = write!(self.out, "\\u{:04x}", u32::from(c));
        written.expect("a string takes any text");
    }
}
