//! Sans-IO. Dates and times among plain scalars.

/// A time of day with its zone.
#[derive(Default)]
struct Clock {
    hour: u32,
    minute: u32,
    second: u32,
    nanos: u32,
    /// Minutes east of Greenwich; nothing for none given.
    zone: Option<i32>,
}

/// Prints a text that is a date or a time in upstream's form; nothing if it is neither.
///
/// Accepted are `YYYY-M-D`, the same with `T` or `t`, a time and a zone, and the same with a space
/// and a time without a zone.
pub(super) fn print(text: &str) -> Option<String> {
    let leading = text.bytes().take_while(u8::is_ascii_digit).count();
    let rest = text.get(4..).filter(|_| leading == 4)?.strip_prefix('-')?;
    let year: u32 = text.get(..4)?.parse().ok()?;
    let (month, rest) = short_number(rest)?;
    let (day, rest) = short_number(rest.strip_prefix('-')?)?;
    let clock = match rest.as_bytes().first() {
        None => Clock::default(),
        Some(b'T' | b't') => zoned(&rest[1..])?,
        Some(b' ') => local(rest)?,
        Some(_) => return None,
    };
    let valid = (1..=12).contains(&month) && day >= 1 && day <= days(year, month);
    valid.then(|| printed((year, month, day), &clock))
}

fn zoned(text: &str) -> Option<Clock> {
    let (clock, rest) = time_of_day(text)?;
    let zone = match rest.as_bytes() {
        b"Z" => 0,
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let digits = [h1, h2, m1, m2].map(|byte| i32::from(*byte) - 48);
            if digits.iter().any(|digit| !(0..=9).contains(digit)) {
                return None;
            }
            let (hours, minutes) = (digits[0] * 10 + digits[1], digits[2] * 10 + digits[3]);
            if hours > 24 || minutes > 60 {
                return None;
            }
            let zone = hours * 60 + minutes;
            if *sign == b'-' { -zone } else { zone }
        }
        _ => return None,
    };
    Some(Clock {
        zone: Some(zone),
        ..clock
    })
}

fn local(text: &str) -> Option<Clock> {
    let (clock, rest) = time_of_day(text.trim_start_matches(' '))?;
    rest.is_empty().then_some(clock)
}

fn time_of_day(text: &str) -> Option<(Clock, &str)> {
    let (hour, rest) = short_number(text)?;
    let (minute, rest) = short_number(rest.strip_prefix(':')?)?;
    let (second, rest) = short_number(rest.strip_prefix(':')?)?;
    if hour >= 24 || minute >= 60 || second >= 60 {
        return None;
    }
    let (nanos, rest) = fraction(rest);
    let clock = Clock {
        hour,
        minute,
        second,
        nanos,
        zone: None,
    };
    Some((clock, rest))
}

/// Reads one or two digits.
fn short_number(text: &str) -> Option<(u32, &str)> {
    let count = text.bytes().take(2).take_while(u8::is_ascii_digit).count();
    let (digits, rest) = text.split_at_checked(count)?;
    Some((digits.parse().ok()?, rest))
}

/// Reads a fraction of a second, of which nine digits count.
fn fraction(text: &str) -> (u32, &str) {
    let Some(rest) = text.strip_prefix(['.', ',']) else {
        return (0, text);
    };
    let count = rest.bytes().take_while(u8::is_ascii_digit).count();
    if count == 0 {
        return (0, text);
    }
    let mut nanos = 0;
    for place in 0..9 {
        let digit = rest.as_bytes()[..count]
            .get(place)
            .map_or(0, |digit| digit - b'0');
        nanos = nanos * 10 + u32::from(digit);
    }
    (nanos, &rest[count..])
}

const fn days(year: u32, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        _ => 31,
    }
}

fn printed((year, month, day): (u32, u32, u32), clock: &Clock) -> String {
    let Clock {
        hour,
        minute,
        second,
        nanos,
        zone,
    } = clock;
    let fraction = match nanos {
        0 => String::new(),
        nanos => format!(".{nanos:09}").trim_end_matches('0').to_owned(),
    };
    let zone = match zone {
        None | Some(0) => String::from("+0000 UTC"),
        Some(minutes) => {
            let sign = if *minutes < 0 { '-' } else { '+' };
            let (hours, minutes) = (minutes.abs() / 60, minutes.abs() % 60);
            let offset = format!("{sign}{hours:02}{minutes:02}");
            format!("{offset} {offset}")
        }
    };
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}{fraction} {zone}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_recognised() {
        let rows = [
            ("2020-01-01", Some("2020-01-01 00:00:00 +0000 UTC")),
            ("2020-1-1", Some("2020-01-01 00:00:00 +0000 UTC")),
            ("2020-02-30", None),
            ("2020-13-01", None),
            ("20200-01-01", None),
            ("2020-01-01T1:2:3Z", Some("2020-01-01 01:02:03 +0000 UTC")),
            (
                "2020-01-01t01:02:03.50+02:00",
                Some("2020-01-01 01:02:03.5 +0200 +0200"),
            ),
            ("2020-01-01 01:02:03", Some("2020-01-01 01:02:03 +0000 UTC")),
            ("2020-01-01 01:02:03 +02:00", None),
            ("2020-01-01T01:02", None),
            ("2020-01-01x", None),
        ];
        for (text, expected) in rows {
            assert_eq!(print(text).as_deref(), expected, "{text}");
        }
    }
}
