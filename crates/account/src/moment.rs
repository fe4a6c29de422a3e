//! Sans-IO. Moments as the API writes them, each with the offset it was written with.

use std::fmt;

use adit_dialect::JsonError;
use adit_dialect::json::{Decoder, Value};

use crate::read::Read;

/// A moment, to the nanosecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    year: i64,
    month: u8,
    day: u8,
    hour: u8,
    minute: u8,
    second: u8,
    nanos: u32,
    /// Minutes east of Greenwich.
    offset: i64,
}

impl Default for Moment {
    /// The moment that stands for none.
    fn default() -> Self {
        Self {
            year: 1,
            month: 1,
            day: 1,
            hour: 0,
            minute: 0,
            second: 0,
            nanos: 0,
            offset: 0,
        }
    }
}

impl Read for Moment {
    fn read(&mut self, decoder: &mut Decoder, value: Value<'_>) -> Result<(), JsonError> {
        let Some(text) = decoder.text(value, "time.Time") else {
            return Ok(());
        };
        *self = Self::parse(&text).ok_or_else(|| {
            let raw = adit_dialect::quote::quote(text.as_ref());
            JsonError::Value(format!(
                "parsing time {raw} as \"2006-01-02T15:04:05Z07:00\": cannot parse {raw}"
            ))
        })?;
        Ok(())
    }
}

impl Moment {
    /// Reads a moment in the form of RFC 3339.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let head = bytes.get(..19)?;
        let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
        if marks.iter().any(|(at, mark)| head[*at] != *mark) {
            return None;
        }
        let two = |at: usize| u8::try_from(number(&head[at..at + 2])?).ok();
        let (nanos, zone) = fraction(&bytes[19..])?;
        let moment = Self {
            year: number(&head[..4])?,
            month: two(5)?,
            day: two(8)?,
            hour: two(11)?,
            minute: two(14)?,
            second: two(17)?,
            nanos,
            offset: offset(zone)?,
        };
        moment.is_possible().then_some(moment)
    }

    /// Returns whether this stands for none.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.order() == Self::default().order()
    }

    /// Returns what moments are sorted by: seconds.
    #[must_use]
    pub fn order(&self) -> i64 {
        // Days of the proleptic Gregorian calendar, with years that begin in March.
        let (month, year) = match self.month {
            1 | 2 => (i64::from(self.month) + 9, self.year - 1),
            month => (i64::from(month) - 3, self.year),
        };
        let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
        let days = year * 365 + leap_days + (month * 153 + 2) / 5 + i64::from(self.day);
        let minutes = days * 1440 + i64::from(self.hour) * 60 + i64::from(self.minute) - self.offset;
        minutes * 60 + i64::from(self.second)
    }

    /// Returns the moment to the second, for a table.
    #[must_use]
    pub fn short(&self) -> String {
        format!("{}T{}{}", self.date(), self.clock(), self.zone())
    }

    /// Returns the moment as a sentence has it.
    #[must_use]
    pub fn long(&self) -> String {
        let sign = if self.offset < 0 { '-' } else { '+' };
        let offset = self.offset.abs();
        let offset = format!("{sign}{:02}{:02}", offset / 60, offset % 60);
        let name = if self.offset == 0 { "UTC" } else { &offset };
        format!(
            "{} {}{} {offset} {name}",
            self.date(),
            self.clock(),
            self.decimals()
        )
    }

    fn is_possible(&self) -> bool {
        let leap = self.year % 4 == 0 && (self.year % 100 != 0 || self.year % 400 == 0);
        let days = match self.month {
            2 if leap => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        (1..=12).contains(&self.month)
            && (1..=days).contains(&self.day)
            && self.hour < 24
            && self.minute < 60
            && self.second < 60
    }

    fn date(&self) -> String {
        format!("{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }

    fn clock(&self) -> String {
        format!("{:02}:{:02}:{:02}", self.hour, self.minute, self.second)
    }

    fn decimals(&self) -> String {
        if self.nanos == 0 {
            return String::new();
        }
        let digits = format!(".{:09}", self.nanos);
        digits.trim_end_matches('0').to_owned()
    }

    fn zone(&self) -> String {
        if self.offset == 0 {
            return "Z".into();
        }
        let sign = if self.offset < 0 { '-' } else { '+' };
        let offset = self.offset.abs();
        format!("{sign}{:02}:{:02}", offset / 60, offset % 60)
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "{}T{}{}{}",
            self.date(),
            self.clock(),
            self.decimals(),
            self.zone()
        )
    }
}

fn number(digits: &[u8]) -> Option<i64> {
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// Splits the fraction of a second from what follows it.
fn fraction(text: &[u8]) -> Option<(u32, &[u8])> {
    let Some(rest) = text.strip_prefix(b".") else {
        return Some((0, text));
    };
    let length = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, zone) = rest.split_at(length);
    if digits.is_empty() {
        return None;
    }
    // What is finer than a nanosecond is cut off.
    let nine = digits.iter().chain([b'0'; 9].iter()).take(9);
    let nanos = nine.fold(0, |nanos, digit| nanos * 10 + u32::from(digit - b'0'));
    Some((nanos, zone))
}

fn offset(zone: &[u8]) -> Option<i64> {
    let sign = match zone {
        b"Z" => return Some(0),
        [b'+', _, _, b':', _, _] => 1,
        [b'-', _, _, b':', _, _] => -1,
        _ => return None,
    };
    let (hours, minutes) = (number(&zone[1..3])?, number(&zone[4..6])?);
    (hours < 24 && minutes < 60).then_some(sign * (hours * 60 + minutes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_as_they_were_read() {
        let rows = [
            (
                "2024-05-06T07:08:09.123456Z",
                "2024-05-06T07:08:09.123456Z",
                "2024-05-06 07:08:09.123456 +0000 UTC",
            ),
            (
                "2024-05-06T09:08:09.100+02:00",
                "2024-05-06T09:08:09.1+02:00",
                "2024-05-06 09:08:09.1 +0200 +0200",
            ),
            (
                "2024-02-29T00:00:00-03:30",
                "2024-02-29T00:00:00-03:30",
                "2024-02-29 00:00:00 -0330 -0330",
            ),
        ];
        for (text, written, long) in rows {
            let moment = Moment::parse(text).expect("is a moment");
            assert_eq!(
                (moment.to_string().as_str(), moment.long().as_str()),
                (written, long)
            );
        }
        for text in [
            "",
            "yesterday",
            "2023-02-29T00:00:00Z",
            "2024-05-06T07:08:09",
            "2024-05-06T07:08:09.Z",
        ] {
            assert_eq!(Moment::parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_same_moment_sorts_the_same_everywhere() {
        let order = |text| Moment::parse(text).expect("is a moment").order();
        assert_eq!(order("2024-01-01T01:00:00+02:00"), order("2023-12-31T23:00:00Z"));
        assert!(order("2024-02-29T23:59:59Z") < order("2024-03-01T00:00:00Z"));
        assert_eq!(
            order("2024-03-01T00:00:00Z") - order("2024-02-29T00:00:00Z"),
            86400
        );
    }
}
