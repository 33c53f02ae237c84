//! A record's timestamp as people read it.

const DAY_MS: i64 = 86_400_000;

/// In UTC, by RFC 3339; `-` where there is none. Years beyond four digits are written with all of theirs.
pub(super) fn rfc3339(timestamp_ms: i64) -> String {
    if timestamp_ms < 0 {
        return "-".to_owned();
    }
    let (days, ms) = (timestamp_ms / DAY_MS, timestamp_ms % DAY_MS);
    let (year, month, day) = date(days);
    let (hour, minute, second) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1_000 % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", ms % 1_000)
}

/// Year, month and day of the Gregorian calendar. Its years are counted from March, and its eras of 400 years are alike.
const fn date(days_since_1970: i64) -> (i64, i64, i64) {
    let days = days_since_1970 + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let year = era * 400 + year_of_era;
    if month < 10 { (year, month + 3, day) } else { (year + 1, month - 9, day) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::moment::Moment;

    #[test]
    fn what_is_shown_is_what_is_read() {
        assert_eq!(rfc3339(1_795_413_789_123), "2026-11-23T06:03:09.123Z");
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc3339(951_782_400_000), "2000-02-29T00:00:00.000Z");
        assert_eq!(rfc3339(-1), "-");
        assert!(rfc3339(i64::MAX).starts_with("292278994-08-17T"));
        for day in 0..200_000 {
            let ms = day * DAY_MS + day * 61 % DAY_MS;
            assert_eq!(rfc3339(ms).parse(), Ok(Moment::At(ms)), "{day}");
        }
    }
}
