//! A made-up access log: the same seed gives the same bytes.

use std::io::{self, Write};

use ottla_broker_core::env::{Rng, SplitMix64};

/// Verbs of the made-up log.
const VERBS: [&str; 6] = ["login", "search", "view", "add-to-cart", "pay", "logout"];

/// Writes lines of the form `<ms> user-<n> <verb> <hex…>` until at least `bytes` are written, and returns how many
/// lines. Users are few and busy or many and rare, as in life: the square of a uniform number chooses.
///
/// # Errors
/// Those of `out`.
pub fn access_log(out: &mut impl Write, bytes: u64, seed: u64) -> io::Result<u64> {
    let rng = SplitMix64::new(seed);
    let (mut written, mut lines, mut time) = (0_u64, 0_u64, 1_767_225_600_000_u64);
    let mut line = String::new();
    while written < bytes {
        time += rng.next_u64() % 20;
        let uniform = (rng.next_u64() % 1_000) as f64 / 1_000.0;
        let user = (uniform * uniform * 20_000.0) as u64 + rng.next_u64() % 20;
        let verb = VERBS.get((rng.next_u64() % VERBS.len() as u64) as usize).copied().unwrap_or("view");
        line.clear();
        // The tail makes lines differ in length, and makes each of them unlike any other.
        let tail = rng.next_u64();
        let words = 1 + (tail % 5) as usize;
        {
            use std::fmt::Write as _;
            let _ = write!(line, "{time} user-{user} {verb} {lines:x}-{tail:016x}");
            for _ in 0..words {
                let _ = write!(line, " {:012x}", rng.next_u64() >> 16);
            }
        }
        line.push('\n');
        out.write_all(line.as_bytes())?;
        written += line.len() as u64;
        lines += 1;
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_log() {
        let (mut a, mut b, mut other) = (Vec::new(), Vec::new(), Vec::new());
        let lines = access_log(&mut a, 10_000, 7).unwrap();
        access_log(&mut b, 10_000, 7).unwrap();
        access_log(&mut other, 10_000, 8).unwrap();
        assert_eq!(a, b);
        assert_ne!(a, other);
        assert_eq!(a.iter().filter(|byte| **byte == b'\n').count() as u64, lines);
        assert!(a.len() >= 10_000);
    }
}
