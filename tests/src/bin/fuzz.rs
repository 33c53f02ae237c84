//! Exercises every decoder of what strangers send, under a cap of memory: the long form of the test in `bounds`.
//!
//! ```text
//! cargo run --release -p ottla-tests --bin fuzz                            # 4,000,000 executions
//! cargo run --release -p ottla-tests --bin fuzz -- --executions 50000000 --seed 7
//! cargo run --release -p ottla-tests --bin fuzz -- --seed 7 --at 123       # one of them again
//! ```
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a command-line program that says how long it took"
)]

use std::process::ExitCode;
use std::time::Instant;

use ottla_tests::counting::Counting;
use ottla_tests::fuzz::{CAP, run};
use rustix::process::{Resource, Rlimit, setrlimit};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let (mut seed, mut executions, mut at) = (1, 4_000_000, None);
    while let Some(word) = words.next() {
        let value = words.next().and_then(|value| value.parse::<u64>().ok());
        match (word.as_str(), value) {
            ("--seed", Some(value)) => seed = value,
            ("--executions", Some(value)) => executions = value,
            ("--at", Some(value)) => at = Some(value),
            _ => {
                eprintln!("`{word}` is not understood: --seed N, --executions N, --at N");
                return ExitCode::FAILURE;
            }
        }
    }
    if !limit_memory() {
        eprintln!("the system takes no limit of memory");
        return ExitCode::FAILURE;
    }
    let start = Instant::now();
    let (from, to) = at.map_or((0, executions), |at| (at, at + 1));
    match run(seed, from, to) {
        Ok(report) => {
            println!(
                "{} executions of seed {seed} in {:.0?}, nothing found:\n{report}",
                report.executions(),
                start.elapsed()
            );
            let idle = report.idle();
            if at.is_none() && !idle.is_empty() {
                eprintln!("of {idle:?} nothing was accepted, or nothing refused: that is no exercise");
                return ExitCode::FAILURE;
            }
            ExitCode::SUCCESS
        }
        Err(finding) => {
            eprintln!("{finding}");
            ExitCode::FAILURE
        }
    }
}

/// The system refuses whatever goes beyond what this process has now and [`CAP`]: memory of C libraries too, which the
/// counting allocator does not see.
fn limit_memory() -> bool {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = status.split(' ').next().and_then(|pages| pages.parse::<u64>().ok());
    let Some(pages) = pages else { return false };
    let bytes = pages * rustix::param::page_size() as u64 + CAP as u64;
    setrlimit(Resource::As, Rlimit { current: Some(bytes), maximum: Some(bytes) }).is_ok()
}
