//! Sans-IO. Integers, floating-point numbers and booleans of flags and settings.

use crate::error::{NumberError, NumberProblem};

/// Reads a decimal integer, as `Atoi` does.
///
/// # Errors
///
/// Fails when `text` is anything else than an optional sign and digits, or does not fit.
pub fn decimal(text: impl AsRef<[u8]>) -> Result<i64, NumberError> {
    signed(text.as_ref(), "Atoi", Form::Decimal)
}

/// Reads a decimal integer, as `ParseInt` does in base 10.
///
/// # Errors
///
/// Fails as [`decimal`] does, under another name.
pub fn decimal_i64(text: impl AsRef<[u8]>) -> Result<i64, NumberError> {
    signed(text.as_ref(), "ParseInt", Form::Decimal)
}

/// Reads a decimal integer without a sign.
///
/// # Errors
///
/// Fails when `text` is anything else than digits, or does not fit.
pub fn decimal_u64(text: impl AsRef<[u8]>) -> Result<u64, NumberError> {
    let text = text.as_ref();
    digits(text, Form::Decimal).map_err(|problem| failed("ParseUint", text, problem))
}

/// Reads an integer whose prefix says its base: `0x1f`, `0o17`, `017`, `0b1`, `1_000`.
///
/// # Errors
///
/// Fails when `text` is no such integer, or does not fit.
pub fn any_base(text: impl AsRef<[u8]>) -> Result<i64, NumberError> {
    signed(text.as_ref(), "ParseInt", Form::Prefixed)
}

/// Reads an integer whose prefix says its base, without a sign.
///
/// # Errors
///
/// Fails when `text` is no such integer, or does not fit.
pub fn any_base_unsigned(text: impl AsRef<[u8]>) -> Result<u64, NumberError> {
    let text = text.as_ref();
    digits(text, Form::Prefixed).map_err(|problem| failed("ParseUint", text, problem))
}

/// Reads a boolean: `1 t T TRUE true True 0 f F FALSE false False`.
///
/// # Errors
///
/// Fails when `text` is none of these.
pub fn boolean(text: impl AsRef<[u8]>) -> Result<bool, NumberError> {
    let text = text.as_ref();
    match text {
        b"1" | b"t" | b"T" | b"TRUE" | b"true" | b"True" => Ok(true),
        b"0" | b"f" | b"F" | b"FALSE" | b"false" | b"False" => Ok(false),
        _ => Err(failed("ParseBool", text, NumberProblem::Syntax)),
    }
}

/// Reads a floating-point number: decimal, hexadecimal with a binary exponent, `inf` or `nan`.
///
/// # Errors
///
/// Fails when `text` is no such number, or too large.
pub fn float(text: &str) -> Result<f64, NumberError> {
    let failed = |problem| failed("ParseFloat", text.as_bytes(), problem);
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let hexadecimal = unsigned
        .get(..2)
        .is_some_and(|prefix| prefix.eq_ignore_ascii_case("0x"));
    if hexadecimal {
        let value = hexadecimal_float(&unsigned[2..]).ok_or_else(|| failed(NumberProblem::Syntax))?;
        let value = if text.starts_with('-') { -value } else { value };
        return finite(value).ok_or_else(|| failed(NumberProblem::Range));
    }
    let value: f64 = text.parse().map_err(|_| failed(NumberProblem::Syntax))?;
    if unsigned.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return Ok(value);
    }
    finite(value).ok_or_else(|| failed(NumberProblem::Range))
}

/// Prints a floating-point number in its shortest form, as JSON holds it.
///
/// The exponent form is used below 1e-6 and from 1e21 on.
#[must_use]
pub fn print_float(value: f64) -> String {
    let size = value.abs();
    if size == 0.0 || (1e-6..1e21).contains(&size) {
        return value.to_string();
    }
    let text = format!("{value:e}");
    match text.split_once('e') {
        Some((digits, exponent)) if !exponent.starts_with('-') => format!("{digits}e+{exponent}"),
        _ => text,
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Decimal,
    Prefixed,
}

fn signed(text: &[u8], function: &'static str, form: Form) -> Result<i64, NumberError> {
    let failed = |problem| failed(function, text, problem);
    let (negative, unsigned) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let value = digits(unsigned, form).map_err(failed)?;
    let value = if negative {
        0i64.checked_sub_unsigned(value)
    } else {
        i64::try_from(value).ok()
    };
    value.ok_or_else(|| failed(NumberProblem::Range))
}

fn digits(text: &[u8], form: Form) -> Result<u64, NumberProblem> {
    let (base, digits) = match form {
        Form::Decimal => (10, text),
        Form::Prefixed => base(text),
    };
    if text.is_empty() {
        return Err(NumberProblem::Syntax);
    }
    let mut value = 0u64;
    for &byte in digits {
        if byte == b'_' && form == Form::Prefixed {
            continue;
        }
        let digit = char::from(byte).to_digit(base).ok_or(NumberProblem::Syntax)?;
        let more = value.checked_mul(u64::from(base));
        let more = more.and_then(|value| value.checked_add(u64::from(digit)));
        value = more.ok_or(NumberProblem::Range)?;
    }
    if form == Form::Prefixed && !underscores_separate_digits(text) {
        return Err(NumberProblem::Syntax);
    }
    Ok(value)
}

fn base(text: &[u8]) -> (u32, &[u8]) {
    match text {
        [b'0', b'x' | b'X', digits @ ..] if !digits.is_empty() => (16, digits),
        [b'0', b'o' | b'O', digits @ ..] if !digits.is_empty() => (8, digits),
        [b'0', b'b' | b'B', digits @ ..] if !digits.is_empty() => (2, digits),
        [b'0', digits @ ..] => (8, digits),
        _ => (10, text),
    }
}

/// Tells whether every underscore stands between two digits; a prefix counts as a digit.
fn underscores_separate_digits(text: &[u8]) -> bool {
    let prefixed = matches!(text, [b'0', b'x' | b'X' | b'o' | b'O' | b'b' | b'B', ..]);
    let mut before = prefixed;
    let digits = if prefixed { &text[2..] } else { text };
    for &byte in digits {
        let digit = byte != b'_';
        if !digit && !before {
            return false;
        }
        before = digit;
    }
    before
}

fn hexadecimal_float(text: &str) -> Option<f64> {
    let at = text.find(['p', 'P'])?;
    let (mantissa, exponent) = (&text[..at], &text[at + 1..]);
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut exponent: i32 = exponent.parse().ok()?;
    let mut value = 0f64;
    for c in whole.chars().chain(fraction.chars()) {
        value = value.mul_add(16.0, f64::from(c.to_digit(16)?));
    }
    exponent = exponent.saturating_sub(i32::try_from(fraction.len() * 4).ok()?);
    Some(value * 2f64.powi(exponent))
}

fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

fn failed(function: &'static str, text: &[u8], problem: NumberProblem) -> NumberError {
    NumberError {
        function,
        input: text.to_vec(),
        problem,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown<T: ToString>(result: Result<T, NumberError>) -> String {
        result.map_or_else(|error| error.to_string(), |value| value.to_string())
    }

    #[test]
    fn decimal_integers() {
        let rows = [
            ("404", "404"),
            ("+404", "404"),
            ("0404", "404"),
            ("-9223372036854775808", "-9223372036854775808"),
            (
                "9223372036854775808",
                r#"strconv.Atoi: parsing "9223372036854775808": value out of range"#,
            ),
            (
                "99999999999999999999x",
                r#"strconv.Atoi: parsing "99999999999999999999x": value out of range"#,
            ),
            ("", r#"strconv.Atoi: parsing "": invalid syntax"#),
            ("+", r#"strconv.Atoi: parsing "+": invalid syntax"#),
            ("--1", r#"strconv.Atoi: parsing "--1": invalid syntax"#),
            (" 4", r#"strconv.Atoi: parsing " 4": invalid syntax"#),
            ("4_0", r#"strconv.Atoi: parsing "4_0": invalid syntax"#),
            ("٤", r#"strconv.Atoi: parsing "٤": invalid syntax"#),
        ];
        for (text, expect) in rows {
            assert_eq!(shown(decimal(text)), expect);
        }
        assert_eq!(
            shown(decimal_i64("1.5")),
            r#"strconv.ParseInt: parsing "1.5": invalid syntax"#
        );
        assert_eq!(
            shown(decimal_u64("-1")),
            r#"strconv.ParseUint: parsing "-1": invalid syntax"#
        );
    }

    #[test]
    fn integers_of_flags() {
        let good = [
            ("0", 0),
            ("1_0", 10),
            ("0x3", 3),
            ("07", 7),
            ("0o17", 15),
            ("0b101", 5),
            ("-0X_f", -15),
            ("0_7", 7),
        ];
        for (text, expect) in good {
            assert_eq!(any_base(text), Ok(expect), "{text}");
        }
        for text in [
            " 3", "3.0", "08", "_1", "1_", "1__0", "0x", "0_x1", "", "abc", "0x_", "0xg",
        ] {
            assert!(any_base(text).is_err(), "{text}");
        }
        assert_eq!(
            shown(any_base_unsigned("abc")),
            r#"strconv.ParseUint: parsing "abc": invalid syntax"#
        );
        assert_eq!(any_base_unsigned("18446744073709551615"), Ok(u64::MAX));
        assert_eq!(
            any_base_unsigned("0x1_0000_0000_0000_0000").map_err(|e| e.problem),
            Err(NumberProblem::Range)
        );
    }

    #[test]
    fn booleans() {
        assert_eq!(boolean("True"), Ok(true));
        assert_eq!(boolean("f"), Ok(false));
        assert_eq!(
            shown(boolean("yes")),
            r#"strconv.ParseBool: parsing "yes": invalid syntax"#
        );
    }

    #[test]
    fn floats() {
        let good = [
            ("1.5", 1.5),
            (".5", 0.5),
            ("5.", 5.0),
            ("1e3", 1000.0),
            ("0x1p-2", 0.25),
            ("-0x.8p1", -1.0),
            ("+Inf", f64::INFINITY),
        ];
        for (text, expect) in good {
            assert_eq!(float(text), Ok(expect), "{text}");
        }
        for text in ["", "1_0", "0x1", "1e", "abc", ".", "e5", "1e400"] {
            assert!(float(text).is_err(), "{text}");
        }
        let printed = [
            (0.0, "0"),
            (90.0, "90"),
            (0.5, "0.5"),
            (1e-9, "1e-9"),
            (0.000_001, "0.000001"),
            (9_223_372_036.854_776, "9223372036.854776"),
            (1e21, "1e+21"),
            (1.5e300, "1.5e+300"),
            (-1e20, "-100000000000000000000"),
        ];
        for (value, expect) in printed {
            assert_eq!(print_float(value), expect);
        }
    }
}
