//! Where to begin, and where to end.

use std::str::FromStr;

use ottla::{At, Offset};

use crate::moment::Moment;

/// A place in every partition, as somebody writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Earliest,
    Latest,
    Offset(i64),
    /// So many offsets before the end.
    Tail(u64),
    Time(Moment),
}

impl Place {
    /// As the library takes it, if it is now `now_ms`.
    pub(super) fn at(self, now_ms: i64) -> At {
        match self {
            Self::Earliest => At::Earliest,
            Self::Latest => At::Latest,
            Self::Offset(offset) => At::Offset(Offset(offset)),
            Self::Tail(count) => At::Tail(count),
            Self::Time(moment) => At::Time(moment.millis(now_ms)),
        }
    }
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        match text {
            "earliest" | "beginning" => return Ok(Self::Earliest),
            "latest" | "end" => return Ok(Self::Latest),
            _ => {}
        }
        if let Some(count) = text.strip_prefix('-').and_then(|count| count.parse().ok()) {
            return Ok(Self::Tail(count));
        }
        if text.bytes().all(|byte| byte.is_ascii_digit())
            && let Ok(offset) = text.parse()
        {
            return Ok(Self::Offset(offset));
        }
        // What is a plain number is an offset.
        let time = text.strip_prefix('@').unwrap_or(text);
        time.parse().map(Self::Time).map_err(|_| {
            "it is no place: write `earliest`, `latest`, an offset, `-10` for ten before the end, a time such as \
             `2026-11-23T06:00:00Z`, `@` and milliseconds since 1970, or how long ago, as in `15m`"
                .to_owned()
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn places_are_read() {
        for (text, place) in [
            ("earliest", Place::Earliest),
            ("end", Place::Latest),
            ("0", Place::Offset(0)),
            ("42", Place::Offset(42)),
            ("-10", Place::Tail(10)),
            ("@42", Place::Time(Moment::At(42))),
            ("1970-01-01T00:00:01Z", Place::Time(Moment::At(1_000))),
            ("15m", Place::Time(Moment::Ago(Duration::from_mins(15)))),
        ] {
            assert_eq!(text.parse(), Ok(place), "{text}");
        }
        for text in ["", "first", "--1", "1.5", "99999999999999999999", "15 minutes"] {
            assert!(text.parse::<Place>().unwrap_err().contains("earliest"), "{text}");
        }
        assert_eq!(Place::Time(Moment::Ago(Duration::from_secs(1))).at(5_000), At::Time(4_000));
        assert_eq!(Place::Tail(3).at(0), At::Tail(3));
    }
}
