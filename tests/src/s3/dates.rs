//! The two ways in which S3 writes a time.

use std::time::{SystemTime, UNIX_EPOCH};

const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// A moment in the parts that people use, UTC.
struct Parts {
    year: u64,
    /// From 1.
    month: u64,
    day: u64,
    day_of_week: &'static str,
    hour: u64,
    minute: u64,
    second: u64,
    millisecond: u32,
}

/// Days since 1970 to the civil calendar: Howard Hinnant's `civil_from_days`, for days after 1970 only.
fn parts(time: SystemTime) -> Parts {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (days, seconds) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    Parts {
        year: year_of_era + era * 400 + u64::from(month <= 2),
        month,
        day: day_of_year - (153 * shifted_month + 2) / 5 + 1,
        day_of_week: DAYS.iter().cycle().nth((days % 7) as usize).copied().unwrap_or_default(),
        hour: seconds / 3_600,
        minute: seconds / 60 % 60,
        second: seconds % 60,
        millisecond: since.subsec_millis(),
    }
}

/// For headers: `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110).
pub(super) fn header(time: SystemTime) -> String {
    let p = parts(time);
    let month = MONTHS.get(p.month as usize - 1).copied().unwrap_or_default();
    format!("{}, {:02} {month} {} {:02}:{:02}:{:02} GMT", p.day_of_week, p.day, p.year, p.hour, p.minute, p.second)
}

/// For XML: `1994-11-06T08:49:37.000Z` (RFC 3339).
pub(super) fn xml(time: SystemTime) -> String {
    let p = parts(time);
    format!(
        "{}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
        p.year, p.month, p.day, p.hour, p.minute, p.second, p.millisecond
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn known_moments() {
        assert_eq!(header(at(784_111_777)), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(xml(at(784_111_777)), "1994-11-06T08:49:37.000Z");
        assert_eq!(header(at(0)), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(xml(at(951_782_400)), "2000-02-29T00:00:00.000Z");
        assert_eq!(xml(at(951_868_800)), "2000-03-01T00:00:00.000Z");
        assert_eq!(xml(at(4_107_542_399)), "2100-02-28T23:59:59.000Z");
        assert_eq!(xml(at(4_107_542_400)), "2100-03-01T00:00:00.000Z");
        assert_eq!(xml(at(1_798_761_599)), "2026-12-31T23:59:59.000Z");
    }
}
