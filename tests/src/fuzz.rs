//! Whatever comes over a socket, mutated: no decoder panics, none takes much more memory than it was given bytes, and
//! what one reads it can write again.
//!
//! Executions are told apart by a seed and a number: one that fails is found again by both. Most begin with something valid
//! (every API in every version, batches of every codec, what groups keep) and change a few bytes of it,
//! so that they get past the first look. What was found once lies in `tests/fuzz`, as hex, and stays mended.

mod batches;
mod frames;
mod groups;
mod log_ins;
mod messages;
mod mutate;
mod target;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use bytes::Bytes;
use ottla_wire::testing::Sampler;

use crate::counting;
pub use target::Target;

/// The most memory that the process may have allocated at any one time.
pub const CAP: usize = 64 << 20;

/// What a decoder came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Accepted,
    Refused,
}

impl From<bool> for Verdict {
    fn from(accepted: bool) -> Self {
        if accepted { Self::Accepted } else { Self::Refused }
    }
}

/// A decoder that did what it must not.
#[derive(Debug, thiserror::Error)]
#[error("{target} of seed {seed}, execution {at}: {what}\ninput: {}", hex(input))]
pub struct Finding {
    /// What was exercised.
    pub target: Target,
    /// The seed.
    pub seed: u64,
    /// Which execution.
    pub at: u64,
    /// What it did.
    pub what: String,
    /// What it was given.
    pub input: Bytes,
}

/// How often what was exercised.
#[derive(Clone, Debug, Default)]
pub struct Report {
    accepted: [u64; Target::ALL.len()],
    refused: [u64; Target::ALL.len()],
    /// The most memory that one execution held, in bytes.
    pub peak: usize,
}

impl Report {
    /// Executions of all targets.
    #[must_use]
    pub fn executions(&self) -> u64 {
        self.accepted.iter().chain(&self.refused).sum()
    }

    /// The targets of which nothing was accepted or nothing refused: those were not exercised.
    #[must_use]
    pub fn idle(&self) -> Vec<Target> {
        let of = |counts: &[u64], at: usize| counts.get(at).copied().unwrap_or(0);
        let idle = |(at, _): &(usize, &Target)| of(&self.accepted, *at) == 0 || of(&self.refused, *at) == 0;
        Target::ALL.iter().enumerate().filter(idle).map(|(_, target)| *target).collect()
    }

    fn count(&mut self, target: Target, verdict: Verdict) {
        let counts = match verdict {
            Verdict::Accepted => &mut self.accepted,
            Verdict::Refused => &mut self.refused,
        };
        if let Some(count) = counts.get_mut(target as usize) {
            *count += 1;
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for ((target, accepted), refused) in Target::ALL.iter().zip(&self.accepted).zip(&self.refused) {
            writeln!(f, "  {target:<10} {:>10} executions, {accepted:>10} accepted", accepted + refused)?;
        }
        write!(f, "  {} bytes of memory at the most in one of them", self.peak)
    }
}

/// Runs executions `from` to `to` of a seed, on this thread.
///
/// The binary MUST have [`counting::Counting`] for its allocator: memory is what is looked at.
///
/// # Errors
/// The first [`Finding`].
pub fn run(seed: u64, from: u64, to: u64) -> Result<Report, Box<Finding>> {
    let mut report = Report::default();
    for at in from..to {
        // Neighbouring numbers are nothing alike.
        let mut sampler = Sampler::new(Sampler::new(seed ^ at.wrapping_mul(0x9e37_79b9_7f4a_7c15)).next());
        let target = Target::chosen(&mut sampler);
        let (input, is_valid) = target.input(&mut sampler);
        let finding =
            |what: String| Box::new(Finding { target, seed, at, what, input: Bytes::copy_from_slice(&input) });
        let (verdict, peak) = exercise(target, &input).map_err(finding)?;
        if is_valid && verdict == Verdict::Refused {
            return Err(finding("what is valid was refused".to_owned()));
        }
        report.peak = report.peak.max(peak);
        report.count(target, verdict);
    }
    Ok(report)
}

/// Exercises the target of a file of the corpus, which its name begins with.
///
/// # Errors
/// The [`Finding`], or what is wrong with the file.
pub fn run_file(path: &Path) -> Result<(), String> {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let target = Target::ALL.iter().find(|target| name.starts_with(&target.to_string()));
    let target = *target.ok_or_else(|| format!("{name} does not begin with a target's name"))?;
    let text = std::fs::read_to_string(path).map_err(|error| format!("{name}: {error}"))?;
    let input = unhex(&text).ok_or_else(|| format!("{name} is not hex"))?;
    exercise(target, &input).map(drop).map_err(|what| format!("{name}: {what}"))
}

/// Gives `input` to `target`: what it said, and how much memory it took.
fn exercise(target: Target, input: &Bytes) -> Result<(Verdict, usize), String> {
    counting::reset_peak();
    let before = counting::live_bytes();
    let verdict = catch_unwind(AssertUnwindSafe(|| target.consume(input)));
    let (all, peak) = (counting::peak_bytes(), counting::peak_bytes().saturating_sub(before));
    let verdict = match verdict {
        Ok(verdict) => verdict?,
        Err(panic) => {
            let said = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref().copied());
            return Err(format!("it panicked: {}", said.unwrap_or("without a word")));
        }
    };
    if before == 0 {
        return Err("nothing is counted: the binary has another allocator".to_owned());
    }
    let allowed = target.allowance(input.len());
    if peak > allowed || all > CAP {
        return Err(format!("it took {peak} bytes of memory, and {allowed} are its share ({all} of {CAP} in all)"));
    }
    Ok((verdict, peak))
}

fn hex(bytes: &Bytes) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Bytes> {
    let digits: Vec<u32> =
        text.chars().filter(|c| !c.is_whitespace()).map(|c| c.to_digit(16)).collect::<Option<_>>()?;
    let bytes = digits.chunks(2).map(|pair| match pair {
        [high, low] => u8::try_from(high << 4 | low).ok(),
        _ => None,
    });
    bytes.collect::<Option<Vec<u8>>>().map(Bytes::from)
}
