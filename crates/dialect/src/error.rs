//! Sans-IO. Why a text is not what it should be; each `Display` is the text that users know.

use crate::quote::quote;

/// Why a text is no URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("parse {}: {problem}", quote(input))]
pub struct UrlError {
    /// The text, without its fragment unless that is at fault.
    pub input: Vec<u8>,
    /// What is wrong with it.
    pub problem: UrlProblem,
}

/// What is wrong with a URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UrlProblem {
    /// A byte below a space, or DEL.
    #[error("net/url: invalid control character in URL")]
    ControlCharacter,
    /// An empty request target.
    #[error("empty url")]
    Empty,
    /// A colon with nothing before it.
    #[error("missing protocol scheme")]
    MissingScheme,
    /// A request target that is neither absolute nor a path.
    #[error("invalid URI for request")]
    RequestTarget,
    /// No scheme, but a colon before the first slash.
    #[error("first path segment in URL cannot contain colon")]
    ColonInFirstSegment,
    /// A byte that user information may not hold.
    #[error("net/url: invalid userinfo")]
    UserInfo,
    /// A bracket inside a host, or a bracketed text that is no IPv6 address.
    #[error("invalid IP-literal")]
    IpLiteral,
    /// A bracket that is not closed.
    #[error("missing ']' in host")]
    MissingBracket,
    /// Text after the host that is no port.
    #[error("invalid port {} after host", quote(.0))]
    Port(Vec<u8>),
    /// A bracketed text that is no address.
    #[error("invalid host: {0}")]
    Address(#[from] AddressError),
    /// A percent sign without two hexadecimal digits, or one where none is allowed.
    #[error("invalid URL escape {}", quote(.0))]
    Escape(Vec<u8>),
    /// A byte that a host may not hold.
    #[error("invalid character {} in host name", quote([*.0]))]
    HostCharacter(u8),
}

/// Why a text is no IP address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("ParseAddr({}): {reason}{}", quote(input), at(.rest))]
pub struct AddressError {
    /// The whole text.
    pub input: Vec<u8>,
    /// What is wrong with it.
    pub reason: &'static str,
    /// The text from the offending byte on, or nothing.
    pub rest: Vec<u8>,
}

fn at(rest: &[u8]) -> String {
    if rest.is_empty() {
        return String::new();
    }
    format!(" (at {})", quote(rest))
}

/// Why a text does not split into host and port.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("address {}: {reason}", String::from_utf8_lossy(input))]
pub struct HostPortError {
    /// The whole text.
    pub input: Vec<u8>,
    /// What is wrong with it.
    pub reason: &'static str,
}

/// Why a text is no duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// Not a duration, or one out of range.
    #[error("time: invalid duration {}", crate::duration::quoted(.0))]
    Invalid(String),
    /// A number with nothing behind it.
    #[error("time: missing unit in duration {}", crate::duration::quoted(.0))]
    MissingUnit(String),
    /// A number with a unit that does not exist.
    #[error(
        "time: unknown unit {} in duration {}",
        crate::duration::quoted(unit),
        crate::duration::quoted(input)
    )]
    UnknownUnit {
        /// The unit.
        unit: String,
        /// The whole text.
        input: String,
    },
}

/// Why a text is no number or boolean.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("strconv.{function}: parsing {}: {problem}", quote(input))]
pub struct NumberError {
    /// The name under which upstream's runtime reports it.
    pub function: &'static str,
    /// The text.
    pub input: Vec<u8>,
    /// What is wrong with it.
    pub problem: NumberProblem,
}

/// What is wrong with a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NumberProblem {
    /// It is none.
    #[error("invalid syntax")]
    Syntax,
    /// It does not fit.
    #[error("value out of range")]
    Range,
}

/// Why a text is no base64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("illegal base64 data at input byte {0}")]
pub struct Base64Error(
    /// The position that is at fault.
    pub usize,
);

/// Why a text is no regular expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("error parsing regexp: {problem}: `{fragment}`")]
pub struct RegexError {
    /// What is wrong with it.
    pub problem: RegexProblem,
    /// The part that is at fault.
    pub fragment: String,
}

/// What is wrong with a regular expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegexProblem {
    /// A repetition of nothing.
    #[error("missing argument to repetition operator")]
    MissingArgument,
    /// A repetition of a repetition.
    #[error("invalid nested repetition operator")]
    NestedRepetition,
    /// A repetition count out of range.
    #[error("invalid repeat count")]
    RepeatCount,
    /// A group that is not closed.
    #[error("missing closing )")]
    MissingParenthesis,
    /// A group that was not opened.
    #[error("unexpected )")]
    UnexpectedParenthesis,
    /// A class that is not closed.
    #[error("missing closing ]")]
    MissingBracket,
    /// A range that runs backwards, or a class that does not exist.
    #[error("invalid character class range")]
    ClassRange,
    /// An escape without meaning.
    #[error("invalid escape sequence")]
    Escape,
    /// A backslash with nothing behind it.
    #[error("trailing backslash at end of expression")]
    TrailingBackslash,
    /// A group with a bad name.
    #[error("invalid named capture")]
    NamedCapture,
    /// A group of an unknown kind.
    #[error("invalid or unsupported Perl syntax")]
    PerlSyntax,
    /// Too many levels.
    #[error("expression nests too deeply")]
    Depth,
    /// Too much of everything.
    #[error("expression too large")]
    Size,
}

/// Why a JSON text is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JsonError {
    /// The text ends too early.
    #[error("unexpected end of JSON input")]
    End,
    /// A byte that may not stand where it does.
    #[error("invalid character {} {context}", crate::quote::character(*byte))]
    Character {
        /// The byte.
        byte: u8,
        /// Where it stands.
        context: &'static str,
    },
    /// A value of another type than wanted.
    #[error("json: cannot unmarshal {found} into Go {place} of type {wanted}")]
    Type {
        /// What stands there.
        found: String,
        /// Where it stands: `value`, or `struct field` and its name.
        place: String,
        /// The type that is wanted there, as upstream calls it.
        wanted: String,
    },
    /// A value that its own reader refuses, with the text of its refusal.
    #[error("{0}")]
    Value(String),
}
