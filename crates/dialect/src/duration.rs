//! Sans-IO. Durations: `1m30s`, `1.5h`, `500ms`.

use crate::error::DurationError;

/// Reads a duration, in nanoseconds.
///
/// # Errors
///
/// Fails when `text` is no duration, or one that does not fit into 64 bits.
pub fn parse(text: &str) -> Result<i64, DurationError> {
    let invalid = || DurationError::Invalid(text.to_owned());
    let (negative, mut rest) = match text.as_bytes() {
        [b'-', ..] => (true, &text[1..]),
        [b'+', ..] => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total = 0u64;
    while !rest.is_empty() {
        let amount = Amount::take(&mut rest).ok_or_else(invalid)?;
        let unit = take_unit(&mut rest, text)?;
        let nanos = amount.nanos(unit).ok_or_else(invalid)?;
        total = total
            .checked_add(nanos)
            .filter(|sum| *sum <= LIMIT)
            .ok_or_else(invalid)?;
    }
    if negative {
        return 0i64.checked_sub_unsigned(total).ok_or_else(invalid);
    }
    i64::try_from(total).map_err(|_| invalid())
}

/// Prints a duration of `nanos` nanoseconds: `1m4s`, `1.5ms`, `0s`.
#[must_use]
pub fn print(nanos: i64) -> String {
    let size = nanos.unsigned_abs();
    let sign = if nanos < 0 { "-" } else { "" };
    if size == 0 {
        return "0s".to_owned();
    }
    if size < SECOND {
        let (unit, name) = match size {
            0..MICROSECOND => (1, "ns"),
            MICROSECOND..MILLISECOND => (MICROSECOND, "µs"),
            _ => (MILLISECOND, "ms"),
        };
        return format!("{sign}{}{name}", fraction(size, unit));
    }
    let (hours, minutes) = (size / HOUR, size % HOUR / MINUTE);
    let seconds = fraction(size % MINUTE, SECOND);
    match (hours, minutes) {
        (0, 0) => format!("{sign}{seconds}s"),
        (0, _) => format!("{sign}{minutes}m{seconds}s"),
        _ => format!("{sign}{hours}h{minutes}m{seconds}s"),
    }
}

/// Returns a duration in seconds.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "upstream rounds the same way")]
pub fn seconds(nanos: i64) -> f64 {
    const SECONDS: i64 = 1_000_000_000;
    (nanos / SECONDS) as f64 + (nanos % SECONDS) as f64 / 1e9
}

/// Quotes `text` as this module's errors show it: byte by byte, unlike everybody else's.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::from('"');
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => out.extend(['\\', char::from(byte)]),
            0..b' ' | 0x80.. => out.push_str(&format!("\\x{byte:02x}")),
            _ => out.push(char::from(byte)),
        }
    }
    out.push('"');
    out
}

/// The digits before and after the point.
struct Amount {
    whole: u64,
    fraction: u64,
    scale: f64,
}

impl Amount {
    /// Takes a number off the front of `rest`.
    fn take(rest: &mut &str) -> Option<Self> {
        let whole = take_digits(rest);
        let fraction = rest.strip_prefix('.').map(|after| {
            *rest = after;
            take_digits(rest)
        });
        if whole.is_empty() && fraction.is_none_or(str::is_empty) {
            return None;
        }
        let (fraction, scale) = read_fraction(fraction.unwrap_or_default());
        let whole = whole.bytes().try_fold(0u64, |value, digit| {
            let more = value.checked_mul(10)?.checked_add(u64::from(digit - b'0'))?;
            (more <= LIMIT).then_some(more)
        })?;
        Some(Self {
            whole,
            fraction,
            scale,
        })
    }

    /// Returns the nanoseconds of this many `unit`s.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "upstream computes the fraction in floating point and cuts it off"
    )]
    fn nanos(&self, unit: u64) -> Option<u64> {
        let whole = self.whole.checked_mul(unit)?;
        let fraction = (self.fraction as f64 * (unit as f64 / self.scale)) as u64;
        whole.checked_add(fraction).filter(|sum| *sum <= LIMIT)
    }
}

fn take_digits<'a>(rest: &mut &'a str) -> &'a str {
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (digits, after) = rest.split_at(end);
    *rest = after;
    digits
}

/// Reads the digits behind the point; those that no longer fit change nothing.
fn read_fraction(digits: &str) -> (u64, f64) {
    let (mut value, mut scale) = (0u64, 1f64);
    for digit in digits.bytes() {
        if value > (LIMIT - 1) / 10 {
            break;
        }
        let more = value * 10 + u64::from(digit - b'0');
        if more > LIMIT {
            break;
        }
        value = more;
        scale *= 10.0;
    }
    (value, scale)
}

fn take_unit(rest: &mut &str, text: &str) -> Result<u64, DurationError> {
    let end = rest
        .find(|c: char| c == '.' || c.is_ascii_digit())
        .unwrap_or(rest.len());
    let (unit, after) = rest.split_at(end);
    *rest = after;
    match unit {
        "" => Err(DurationError::MissingUnit(text.to_owned())),
        "ns" => Ok(1),
        // The two characters that look like a Greek mu.
        "us" | "\u{b5}s" | "\u{3bc}s" => Ok(MICROSECOND),
        "ms" => Ok(MILLISECOND),
        "s" => Ok(SECOND),
        "m" => Ok(MINUTE),
        "h" => Ok(HOUR),
        _ => Err(DurationError::UnknownUnit {
            unit: unit.to_owned(),
            input: text.to_owned(),
        }),
    }
}

fn fraction(size: u64, unit: u64) -> String {
    let rest = size % unit;
    if rest == 0 {
        return (size / unit).to_string();
    }
    let width = unit.ilog10() as usize;
    let digits = format!("{rest:0width$}");
    format!("{}.{}", size / unit, digits.trim_end_matches('0'))
}

const MICROSECOND: u64 = 1_000;
const MILLISECOND: u64 = 1_000_000;
const SECOND: u64 = 1_000_000_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;

/// The size of the smallest duration, one more than that of the largest.
const LIMIT: u64 = 1 << 63;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads() {
        let rows = [
            ("0", 0),
            ("+0", 0),
            ("5s", 5_000_000_000),
            ("1m30s", 90_000_000_000),
            (".5s", 500_000_000),
            ("1.s", 1_000_000_000),
            ("1µs", 1_000),
            ("1μs", 1_000),
            ("-5s", -5_000_000_000),
            ("1h1m1s1ms1us1ns", 3_661_001_001_001),
            ("0.3333333333333333333h", 1_200_000_000_000),
            ("0.9ns", 0),
            ("9223372036854775807ns", i64::MAX),
            ("-9223372036854775808ns", i64::MIN),
            ("0.100000000000000000000h", 360_000_000_000),
        ];
        for (text, expect) in rows {
            assert_eq!(parse(text), Ok(expect), "{text}");
        }
    }

    #[test]
    fn refuses() {
        let rows = [
            ("", r#"time: invalid duration """#),
            ("3", r#"time: missing unit in duration "3""#),
            ("1m3", r#"time: missing unit in duration "1m3""#),
            ("-", r#"time: invalid duration "-""#),
            ("s", r#"time: invalid duration "s""#),
            (".", r#"time: invalid duration ".""#),
            (".s", r#"time: invalid duration ".s""#),
            ("+.s", r#"time: invalid duration "+.s""#),
            ("1d", r#"time: unknown unit "d" in duration "1d""#),
            ("1s ", r#"time: unknown unit "s " in duration "1s ""#),
            (
                "1é\"",
                r#"time: unknown unit "\xc3\xa9\"" in duration "1\xc3\xa9\"""#,
            ),
            (
                "9223372036854775808ns",
                r#"time: invalid duration "9223372036854775808ns""#,
            ),
            ("3000000h", r#"time: invalid duration "3000000h""#),
        ];
        for (text, expect) in rows {
            assert_eq!(
                parse(text).map_err(|error| error.to_string()),
                Err(expect.to_owned())
            );
        }
    }

    #[test]
    fn prints() {
        let rows = [
            (0, "0s"),
            (1, "1ns"),
            (1_100, "1.1µs"),
            (1_500_000, "1.5ms"),
            (64_000_000_000, "1m4s"),
            (259_380_500_000_000, "72h3m0.5s"),
            (-1_000_000_000, "-1s"),
            (86_400_000_000_000, "24h0m0s"),
            (i64::MIN, "-2562047h47m16.854775808s"),
        ];
        for (nanos, expect) in rows {
            assert_eq!(print(nanos), expect);
        }
        assert!((seconds(1_500_000_000) - 1.5).abs() < f64::EPSILON);
    }
}
