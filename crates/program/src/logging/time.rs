//! Points in time as log lines show them.

use std::time::{Duration, SystemTime};

/// Returns `2026-01-02T15:04:05Z`.
pub(crate) fn stamp(time: SystemTime) -> String {
    let (date, [hour, minute, second], _) = parts(time);
    format!("{date}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Returns `2026-01-02T15-04-05.678`, as it stands in the names of old log files.
pub(super) fn file_stamp(time: SystemTime) -> String {
    let (date, [hour, minute, second], millisecond) = parts(time);
    format!("{date}T{hour:02}-{minute:02}-{second:02}.{millisecond:03}")
}

/// Returns the date in the Gregorian calendar, the time of the day and the milliseconds, in UTC.
fn parts(time: SystemTime) -> (String, [u64; 3], u32) {
    let since = time
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or(Duration::ZERO);
    let seconds = since.as_secs();
    let (year, month, day) = date(seconds / DAY);
    let clock = [seconds % DAY / 3600, seconds % 3600 / 60, seconds % 60];
    (
        format!("{year:04}-{month:02}-{day:02}"),
        clock,
        since.subsec_millis(),
    )
}

const DAY: u64 = 86_400;

/// Returns the date of a day since 1970-01-01.
///
/// Counts in years that begin in March, so that the leap day is the last; 400 of them are one
/// era of 146,097 days.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_become_dates() {
        let cases = [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_767_366_245, "2026-01-02T15:04:05Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ];
        for (seconds, text) in cases {
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            assert_eq!(stamp(time), text);
        }
        let time = SystemTime::UNIX_EPOCH + Duration::from_millis(1_767_366_245_067);
        assert_eq!(file_stamp(time), "2026-01-02T15-04-05.067");
    }
}
