//! Figures as people read them.

use std::time::Duration;

/// A figure with three digits that matter and a unit's prefix.
#[must_use]
pub fn figure(value: f64) -> String {
    let (digits, prefix) = scaled(value);
    format!("{digits}{prefix}")
}

/// Bytes with three digits that matter: `1.23 MB`.
#[must_use]
pub fn bytes(value: f64) -> String {
    let (digits, prefix) = scaled(value);
    format!("{digits} {prefix}B")
}

/// A duration with three digits that matter: `12.3 µs`.
#[must_use]
pub fn time(duration: Duration) -> String {
    let nanos = duration.as_nanos() as f64;
    let (value, unit) = match nanos {
        n if n >= 1e9 => (n / 1e9, "s"),
        n if n >= 1e6 => (n / 1e6, "ms"),
        n if n >= 1e3 => (n / 1e3, "µs"),
        n => (n, "ns"),
    };
    let digits = digits(value);
    format!("{value:.digits$} {unit}")
}

fn scaled(value: f64) -> (String, &'static str) {
    let (scaled, prefix) = match value.abs() {
        v if v >= 1e9 => (value / 1e9, "G"),
        v if v >= 1e6 => (value / 1e6, "M"),
        v if v >= 1e3 => (value / 1e3, "k"),
        _ => (value, ""),
    };
    let digits = digits(scaled);
    (format!("{scaled:.digits$}"), prefix)
}

fn digits(scaled: f64) -> usize {
    match scaled.abs() {
        v if v >= 100.0 => 0,
        v if v >= 10.0 => 1,
        _ => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_matter() {
        assert_eq!(figure(1_234_567.0), "1.23M");
        assert_eq!(figure(0.5), "0.50");
        assert_eq!(bytes(98_765.0), "98.8 kB");
        assert_eq!(time(Duration::from_nanos(12_345)), "12.3 µs");
        assert_eq!(time(Duration::from_millis(1_500)), "1.50 s");
        assert_eq!(time(Duration::from_nanos(7)), "7.00 ns");
    }
}
