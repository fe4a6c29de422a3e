//! Sans-IO. Accepts or refuses a JSON text and notes where its values lie.

use super::value::{Document, Kind, Node};
use crate::error::JsonError;

/// Levels of arrays and objects: what upstream's runtime allows.
const MAX_DEPTH: usize = 10_000;

/// Reads one JSON value with nothing but white space around it.
pub(super) fn document(text: &[u8]) -> Result<Document<'_>, JsonError> {
    let mut scanner = Scanner {
        text,
        at: 0,
        nodes: Vec::new(),
        open: Vec::new(),
    };
    let mut next = Next::Value;
    loop {
        next = match (next, scanner.enclosing()) {
            (Next::Value, _) => scanner.value()?,
            (Next::Behind, Some(Kind::Object)) => scanner.behind_entry()?,
            (Next::Behind, Some(_)) => scanner.behind_element()?,
            (Next::Behind, None) => break,
        };
    }
    match scanner.skip_space() {
        Some(byte) => Err(unexpected(byte, "after top-level value")),
        None => Ok(Document {
            text,
            nodes: scanner.nodes,
        }),
    }
}

/// What is to be read next. Nothing here calls itself: depth costs no stack.
#[derive(Clone, Copy)]
enum Next {
    Value,
    Behind,
}

struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
    nodes: Vec<Node>,
    /// The arrays and objects that are not closed yet.
    open: Vec<usize>,
}

impl Scanner<'_> {
    fn enclosing(&self) -> Option<Kind> {
        self.open.last().map(|&node| self.nodes[node].kind)
    }

    /// Reads a value; of an array or object only its beginning, up to the first value in it.
    fn value(&mut self) -> Result<Next, JsonError> {
        let byte = self.visible()?;
        match byte {
            b'{' => self.open(Kind::Object, b'}'),
            b'[' => self.open(Kind::Array, b']'),
            b'"' => self.scalar(Kind::String, Self::string),
            b'-' | b'0'..=b'9' => self.scalar(Kind::Number, Self::number),
            b't' => self.scalar(Kind::Bool, |scanner| scanner.word(&TRUE)),
            b'f' => self.scalar(Kind::Bool, |scanner| scanner.word(&FALSE)),
            b'n' => self.scalar(Kind::Null, |scanner| scanner.word(&NULL)),
            _ => Err(unexpected(byte, "looking for beginning of value")),
        }
    }

    fn open(&mut self, kind: Kind, close: u8) -> Result<Next, JsonError> {
        if self.open.len() == MAX_DEPTH {
            return Err(unexpected(self.text[self.at], "exceeded max depth"));
        }
        self.open.push(self.nodes.len());
        self.push(kind);
        self.at += 1;
        if self.visible()? == close {
            return Ok(self.close());
        }
        if kind == Kind::Object {
            self.name()?;
        }
        Ok(Next::Value)
    }

    fn close(&mut self) -> Next {
        self.at += 1;
        let next = self.nodes.len();
        if let Some(node) = self.open.pop() {
            self.nodes[node].end = self.at;
            self.nodes[node].next = next;
        }
        Next::Behind
    }

    fn behind_element(&mut self) -> Result<Next, JsonError> {
        match self.visible()? {
            b']' => Ok(self.close()),
            b',' => {
                self.at += 1;
                Ok(Next::Value)
            }
            byte => Err(unexpected(byte, "after array element")),
        }
    }

    fn behind_entry(&mut self) -> Result<Next, JsonError> {
        match self.visible()? {
            b'}' => Ok(self.close()),
            b',' => {
                self.at += 1;
                self.name()?;
                Ok(Next::Value)
            }
            byte => Err(unexpected(byte, "after object key:value pair")),
        }
    }

    /// Reads the name of an entry and the colon behind it.
    fn name(&mut self) -> Result<(), JsonError> {
        let byte = self.visible()?;
        if byte != b'"' {
            return Err(unexpected(byte, "looking for beginning of object key string"));
        }
        self.scalar(Kind::String, Self::string)?;
        let byte = self.visible()?;
        if byte != b':' {
            return Err(unexpected(byte, "after object key"));
        }
        self.at += 1;
        Ok(())
    }

    fn scalar(
        &mut self,
        kind: Kind,
        read: impl FnOnce(&mut Self) -> Result<(), JsonError>,
    ) -> Result<Next, JsonError> {
        let node = self.nodes.len();
        self.push(kind);
        read(self)?;
        self.nodes[node].end = self.at;
        Ok(Next::Behind)
    }

    fn push(&mut self, kind: Kind) {
        self.nodes.push(Node {
            kind,
            start: self.at,
            end: self.at,
            next: self.nodes.len() + 1,
        });
    }

    fn string(&mut self) -> Result<(), JsonError> {
        loop {
            self.at += 1;
            match self.text.get(self.at) {
                None => return Err(JsonError::End),
                Some(b'"') => break,
                Some(b'\\') => self.escape()?,
                Some(&byte @ 0..b' ') => return Err(unexpected(byte, "in string literal")),
                Some(_) => {}
            }
        }
        self.at += 1;
        Ok(())
    }

    fn escape(&mut self) -> Result<(), JsonError> {
        self.at += 1;
        match self.or_space() {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Ok(()),
            b'u' => {
                for _ in 0..4 {
                    self.at += 1;
                    let byte = self.or_space();
                    if !byte.is_ascii_hexdigit() {
                        return Err(unexpected(byte, "in \\u hexadecimal character escape"));
                    }
                }
                Ok(())
            }
            byte => Err(unexpected(byte, "in string escape code")),
        }
    }

    fn number(&mut self) -> Result<(), JsonError> {
        if self.text[self.at] == b'-' {
            self.at += 1;
        }
        if self.or_space() == b'0' {
            self.at += 1;
        } else {
            self.digits("in numeric literal")?;
        }
        if self.or_space() == b'.' {
            self.at += 1;
            self.digits("after decimal point in numeric literal")?;
        }
        if matches!(self.or_space(), b'e' | b'E') {
            self.at += 1;
            if matches!(self.or_space(), b'+' | b'-') {
                self.at += 1;
            }
            self.digits("in exponent of numeric literal")?;
        }
        Ok(())
    }

    /// Reads at least one digit.
    fn digits(&mut self, context: &'static str) -> Result<(), JsonError> {
        let first = self.or_space();
        if !first.is_ascii_digit() {
            return Err(unexpected(first, context));
        }
        while self.or_space().is_ascii_digit() {
            self.at += 1;
        }
        Ok(())
    }

    fn word(&mut self, letters: &[(u8, &'static str)]) -> Result<(), JsonError> {
        self.at += 1;
        for &(letter, context) in letters {
            let byte = self.or_space();
            if byte != letter {
                return Err(unexpected(byte, context));
            }
            self.at += 1;
        }
        Ok(())
    }

    /// Returns the next byte that is no white space, without taking it.
    fn visible(&mut self) -> Result<u8, JsonError> {
        self.skip_space().ok_or(JsonError::End)
    }

    fn skip_space(&mut self) -> Option<u8> {
        while let Some(b' ' | b'\t' | b'\r' | b'\n') = self.text.get(self.at) {
            self.at += 1;
        }
        self.text.get(self.at).copied()
    }

    /// Returns the next byte, or the space that upstream's runtime reads behind the end.
    fn or_space(&self) -> u8 {
        self.text.get(self.at).copied().unwrap_or(b' ')
    }
}

/// The letters behind the first one, with what is said when another stands there.
const TRUE: [(u8, &str); 3] = [
    (b'r', "in literal true (expecting 'r')"),
    (b'u', "in literal true (expecting 'u')"),
    (b'e', "in literal true (expecting 'e')"),
];
const FALSE: [(u8, &str); 4] = [
    (b'a', "in literal false (expecting 'a')"),
    (b'l', "in literal false (expecting 'l')"),
    (b's', "in literal false (expecting 's')"),
    (b'e', "in literal false (expecting 'e')"),
];
const NULL: [(u8, &str); 3] = [
    (b'u', "in literal null (expecting 'u')"),
    (b'l', "in literal null (expecting 'l')"),
    (b'l', "in literal null (expecting 'l')"),
];

const fn unexpected(byte: u8, context: &'static str) -> JsonError {
    JsonError::Character { byte, context }
}
