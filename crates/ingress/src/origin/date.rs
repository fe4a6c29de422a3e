//! Sans-IO. Moments as HTTP and JSON write them.

use std::time::{SystemTime, UNIX_EPOCH};

const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// A moment in the calendar, in UTC.
struct Moment {
    year: u64,
    month: usize,
    day: u64,
    weekday: usize,
    seconds: u64,
    nanos: u32,
}

/// Returns `time` as the `Date` field shows it.
pub(crate) fn http(time: SystemTime) -> String {
    let at = Moment::of(time);
    let (weekday, month) = (DAYS[at.weekday], MONTHS[at.month]);
    let clock = at.clock();
    format!("{weekday}, {:02} {month} {:04} {clock} GMT", at.day, at.year)
}

/// Returns `time` as RFC 3339 writes it, with as many digits of a second as it needs.
pub(crate) fn precise(time: SystemTime) -> String {
    let at = Moment::of(time);
    let fraction = format!(".{:09}", at.nanos);
    let fraction = fraction.trim_end_matches('0').trim_end_matches('.');
    let clock = at.clock();
    format!(
        "{:04}-{:02}-{:02}T{clock}{fraction}Z",
        at.year,
        at.month + 1,
        at.day
    )
}

/// Returns `time` as messages show it.
pub(crate) fn plain(time: SystemTime) -> String {
    let at = Moment::of(time);
    let clock = at.clock();
    format!(
        "{:04}-{:02}-{:02} {clock} +0000 UTC",
        at.year,
        at.month + 1,
        at.day
    )
}

impl Moment {
    fn of(time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        let days = since.as_secs() / 86_400;
        let (year, month, day) = date(days);
        Self {
            year,
            month,
            day,
            weekday: (days % 7) as usize,
            seconds: since.as_secs() % 86_400,
            nanos: since.subsec_nanos(),
        }
    }

    fn clock(&self) -> String {
        let (hours, minutes) = (self.seconds / 3600, self.seconds / 60 % 60);
        format!("{hours:02}:{minutes:02}:{:02}", self.seconds % 60)
    }
}

/// Returns year, month counted from zero, and day of the month.
fn date(mut days: u64) -> (u64, usize, u64) {
    let mut year = 1970;
    while days >= year_length(year) {
        days -= year_length(year);
        year += 1;
    }
    let mut month = 0;
    while days >= month_length(year, month) {
        days -= month_length(year, month);
        month += 1;
    }
    (year, month, days + 1)
}

const fn year_length(year: u64) -> u64 {
    if is_leap(year) { 366 } else { 365 }
}

const fn month_length(year: u64, month: usize) -> u64 {
    match month {
        1 if is_leap(year) => 29,
        1 => 28,
        3 | 5 | 8 | 10 => 30,
        _ => 31,
    }
}

const fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn moments_are_written_as_the_standards_say() {
        let rows = [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT", "1970-01-01T00:00:00Z"),
            (
                951_782_400_500,
                "Tue, 29 Feb 2000 00:00:00 GMT",
                "2000-02-29T00:00:00.5Z",
            ),
            (
                1_704_067_199_000,
                "Sun, 31 Dec 2023 23:59:59 GMT",
                "2023-12-31T23:59:59Z",
            ),
        ];
        for (millis, field, text) in rows {
            let time = UNIX_EPOCH + Duration::from_millis(millis);
            assert_eq!((&http(time)[..], &precise(time)[..]), (field, text));
        }
    }
}
