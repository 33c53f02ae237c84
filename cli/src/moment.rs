//! Points in time as people write them.

use std::str::FromStr;
use std::time::Duration;

const DAY_MS: i64 = 86_400_000;

/// A point in time, on the command line: `2026-11-23T06:00:00Z`, with an offset such as `+01:00`, as milliseconds
/// since 1970, or as how long ago it is: `90s`, `15m`, `2h`, `7d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// Milliseconds since 1970.
    At(i64),
    /// That long before now.
    Ago(Duration),
}

impl Moment {
    /// In milliseconds since 1970, if it is now `now_ms`.
    pub(crate) fn millis(self, now_ms: i64) -> i64 {
        match self {
            Self::At(ms) => ms,
            Self::Ago(ago) => now_ms.saturating_sub(i64::try_from(ago.as_millis()).unwrap_or(i64::MAX)),
        }
    }
}

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        if let Ok(ms) = text.parse::<i64>() {
            return Ok(Self::At(ms));
        }
        let found = if text.contains('-') { rfc3339(text).map(Self::At) } else { duration(text).ok().map(Self::Ago) };
        found.ok_or_else(|| {
            "it is no time: write `2026-11-23T06:00:00Z` (or another offset), milliseconds since 1970, or how long ago: \
             `90s`, `15m`, `2h`, `7d`"
                .to_owned()
        })
    }
}

/// `5ms`, `90s`, `15m`, `2h`, `7d`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let units = [("ms", 1_u64), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
    let found = units.into_iter().find_map(|(unit, ms)| Some((text.strip_suffix(unit)?, ms)));
    let found = found.and_then(|(number, ms)| number.parse::<u64>().ok()?.checked_mul(ms));
    found.map(Duration::from_millis).ok_or_else(|| "it is no time: write `5ms`, `90s`, `15m` or `2h`".to_owned())
}

/// RFC 3339, section 5.6; what is below a millisecond is cut off.
fn rfc3339(text: &str) -> Option<i64> {
    let (date, time) = text.split_once(['T', 't', ' '])?;
    let (time, offset_ms) = match time.strip_suffix(['Z', 'z']) {
        Some(time) => (time, 0),
        None => {
            let sign = time.rfind(['+', '-'])?;
            let (time, offset) = time.split_at_checked(sign)?;
            let (hours, minutes) = offset.get(1..)?.split_once(':')?;
            let ms = (number(hours, 2, 0, 23)? * 60 + number(minutes, 2, 0, 59)?) * 60_000;
            (time, if offset.starts_with('-') { -ms } else { ms })
        }
    };
    let mut date = date.split('-');
    let (year, month) = (number(date.next()?, 4, 0, 9_999)?, number(date.next()?, 2, 1, 12)?);
    let day = number(date.next()?, 2, 1, days_of(year, month))?;
    let mut clock = time.split(':');
    let (hour, minute) = (number(clock.next()?, 2, 0, 23)?, number(clock.next()?, 2, 0, 59)?);
    let (second, fraction) = match clock.next()?.split_once('.') {
        Some((second, fraction)) => (second, fraction),
        None => (clock_second(time)?, "0"),
    };
    // 60 is a leap second, which the clocks of computers do not know: the next second begins with it.
    let second = number(second, 2, 0, 60)?;
    if date.next().is_some() || clock.next().is_some() || fraction.is_empty() {
        return None;
    }
    let mut ms = 0;
    for place in 0..3 {
        ms = ms * 10 + fraction.chars().nth(place).map_or(Some(0), |digit| digit.to_digit(10)).map(i64::from)?;
    }
    if !fraction.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let seconds = (hour * 60 + minute) * 60 + second;
    Some(days_since_1970(year, month, day) * DAY_MS + seconds * 1_000 + ms - offset_ms)
}

/// What stands behind the last colon.
fn clock_second(time: &str) -> Option<&str> {
    time.rsplit_once(':').map(|(_, second)| second)
}

fn number(text: &str, digits: usize, least: i64, most: i64) -> Option<i64> {
    let is_number = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = is_number.then(|| text.parse::<i64>().ok()).flatten()?;
    (least..=most).contains(&number).then_some(number)
}

const fn days_of(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days of the Gregorian calendar. Years are counted from March, so that the leap day is their last.
const fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units() {
        assert_eq!(duration("5ms"), Ok(Duration::from_millis(5)));
        assert_eq!(duration("2m"), Ok(Duration::from_mins(2)));
        for text in ["", "5", "ms", "-5s", "1.5s", "99999999999999999d"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    fn at(text: &str) -> Option<Moment> {
        text.parse().ok()
    }

    #[test]
    fn times_are_read() {
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2026-11-23T06:03:09Z", 1_795_413_789_000),
            ("2026-11-23t07:03:09.1239+01:00", 1_795_413_789_123),
            ("2026-11-23 00:33:09.5-05:30", 1_795_413_789_500),
            ("2000-02-29T00:00:00Z", 951_782_400_000),
            ("1969-12-31T23:59:59.999Z", -1),
            ("1795413789000", 1_795_413_789_000),
            ("-5", -5),
        ] {
            assert_eq!(at(text), Some(Moment::At(expected)), "{text}");
        }
    }

    #[test]
    fn how_long_ago_is_read() {
        for (text, seconds) in [("90s", 90), ("15m", 900), ("2h", 7_200), ("7d", 604_800), ("2000ms", 2)] {
            let moment = at(text).unwrap();
            assert_eq!(moment, Moment::Ago(Duration::from_secs(seconds)), "{text}");
            assert_eq!(moment.millis(1_000_000_000_000), 1_000_000_000_000 - seconds as i64 * 1_000);
        }
        assert_eq!(Moment::Ago(Duration::MAX).millis(0), -i64::MAX);
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "now",
            "2026",
            "2026-11-23",
            "2026-11-23T06:00Z",
            "2026-11-23T06:00:00",
            "2026-02-29T00:00:00Z",
            "2100-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-11-23T24:00:00Z",
            "2026-11-23T06:00:00.Z",
            "2026-11-23T06:00:00.1x5Z",
            "2026-11-23T06:00:00+1:00",
            "2026-11-23T06:00:00:00Z",
            "2026-11-23-01T06:00:00Z",
            "5y",
            "-2h-",
            "1.5h",
            "99999999999999999999d",
        ] {
            let found = at(text);
            assert!(found.is_none() || text == "2026", "{text}: {found:?}");
        }
        assert!("yesterday".parse::<Moment>().unwrap_err().contains("`2h`"));
    }

    #[test]
    fn days_follow_each_other_for_four_centuries() {
        let mut expected = days_since_1970(1999, 12, 31);
        for year in 2000..2400 {
            for month in 1..=12 {
                for day in 1..=days_of(year, month) {
                    expected += 1;
                    assert_eq!(days_since_1970(year, month, day), expected, "{year}-{month}-{day}");
                }
            }
        }
    }
}
