//! Runs simulations by seed: the long form of the test `simulation`.
//!
//! ```text
//! cargo run --release -p ottla-tests --bin sim -- --seeds 0..10000
//! cargo run --release -p ottla-tests --bin sim -- --seed 42 --trace
//! cargo run --release -p ottla-tests --bin sim -- --over-http --seeds 0..1000    # each on a bucket behind HTTP
//! cargo run -p ottla-tests --features planted-bugs --bin sim -- --planted
//! ```
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a command-line program that says how long it took"
)]

use std::ops::Range;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ottla_tests::sim::{Outcome, REGRESSIONS, Stats, run_seed, run_seed_over_http};

/// A planted bug may make its run hang.
const LIMIT: Duration = Duration::from_secs(60);

/// Known bugs that the simulation has to find, and within how many seeds.
const PLANTED: &[(&str, u64)] = &[
    ("dedup-off", 50),
    ("state-ahead-of-log", 200),
    ("duplicate-acked-early", 400),
    ("ack-before-durable", 50),
    ("read-beyond-hw", 100),
    ("offset-reused", 20),
    ("retry-reorders", 100),
    ("retry-new-sequence", 100),
    ("send-acked-at-enqueue", 20),
    ("old-generation-may-commit", 200),
    ("reply-before-commit", 400),
    ("recreated-topic-sees-old-log", 100),
    ("producer-ids-reused-after-restart", 200),
    ("reader-skips-batch-tail", 20),
    ("trim-loses-producers", 400),
    ("stale-refusal-told", 400),
    ("superseded-broker-is-fatal", 400),
    ("reader-skips-unchecked", 400),
    ("rebuild-trusts-bytes", 2_500),
    ("disk-ack-before-sync", 50),
    ("disk-checkpoint-before-names-synced", 200),
    ("bucket-acks-out-of-order", 200),
    ("bucket-journal-not-ended", 400),
    ("bucket-fenced-put-acknowledged", 400),
];

struct Options {
    seeds: Range<u64>,
    jobs: usize,
    trace: bool,
    planted: bool,
    over_http: bool,
    quiet: bool,
    /// A run that reached too little fails.
    complete: bool,
}

fn main() -> ExitCode {
    let options = match options() {
        Ok(options) => options,
        Err(error) => {
            eprintln!(
                "sim: {error}\nusage: sim [--seeds A..B | --seed N] [--over-http] [--jobs N] [--trace] [--planted] [--quiet]"
            );
            return ExitCode::from(2);
        }
    };
    if options.planted { planted() } else { soak(&options) }
}

fn options() -> Result<Options, String> {
    let jobs = std::thread::available_parallelism().map_or(1, usize::from);
    let mut options =
        Options { seeds: 0..1_000, jobs, trace: false, planted: false, over_http: false, quiet: false, complete: true };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{argument} needs a value"));
        let number = |text: &str| text.parse::<u64>().map_err(|_| format!("`{text}` is not a number"));
        match argument.as_str() {
            "--seeds" => {
                let text = value()?;
                let (from, to) =
                    text.split_once("..").ok_or_else(|| format!("`{text}` is not a range: write 0..100"))?;
                options.seeds = number(from)?..number(to)?;
            }
            "--seed" => {
                let seed = number(&value()?)?;
                options.seeds = seed..seed + 1;
                options.complete = false;
            }
            "--jobs" => options.jobs = usize::try_from(number(&value()?)?).unwrap_or(1).max(1),
            "--trace" => options.trace = true,
            "--planted" => options.planted = true,
            "--over-http" => options.over_http = true,
            "--quiet" => (options.quiet, options.complete) = (true, false),
            other => return Err(format!("`{other}` is not known")),
        }
    }
    Ok(options)
}

fn soak(options: &Options) -> ExitCode {
    let began = Instant::now();
    let next = AtomicU64::new(options.seeds.start);
    let stop = AtomicBool::new(false);
    let total = Mutex::new((Stats::default(), 0_u64, Vec::<u64>::new()));
    // Where bugs are planted as well: what is rare is in them.
    let regressions: &[u64] = if options.complete || options.quiet { REGRESSIONS } else { &[] };
    for seed in regressions {
        judge(&run(*seed, options), options, &total, &stop);
    }
    std::thread::scope(|scope| {
        for _ in 0..options.jobs {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= options.seeds.end {
                        return;
                    }
                    judge(&run(seed, options), options, &total, &stop);
                }
            });
        }
    });
    let (stats, seeds, failed) = total.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    let took = began.elapsed().as_secs_f64();
    if !options.quiet {
        println!("{stats}");
        println!(
            "{seeds} seeds in {took:.1} s, {:.1} ms a seed on {} threads",
            took * 1e3 / seeds.max(1) as f64,
            options.jobs
        );
    }
    let missing = match (options.complete, options.over_http) {
        (false, _) => Vec::new(),
        (true, false) => stats.missing(),
        (true, true) => stats.missing_over_http(),
    };
    if !missing.is_empty() {
        println!("NEVER REACHED: {missing:?}");
    }
    if !failed.is_empty() {
        println!("FAILED: {failed:?}");
    }
    if failed.is_empty() && missing.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn run(seed: u64, options: &Options) -> Outcome {
    if options.over_http { run_seed_over_http(seed, options.trace) } else { run_seed(seed, options.trace) }
}

fn judge(outcome: &Outcome, options: &Options, total: &Mutex<(Stats, u64, Vec<u64>)>, stop: &AtomicBool) {
    let mut total = total.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    total.0.merge(&outcome.stats);
    total.1 += 1;
    if let Some(trace) = &outcome.trace {
        println!("{trace}hash {:016x}", outcome.hash);
    }
    if outcome.violations.is_empty() {
        return;
    }
    total.2.push(outcome.seed);
    stop.store(options.quiet || total.2.len() >= 10, Ordering::Relaxed);
    if !options.quiet {
        println!(
            "seed {} (cargo run --release -p ottla-tests --bin sim -- --seed {}{} --trace):",
            outcome.seed,
            outcome.seed,
            if options.over_http { " --over-http" } else { "" }
        );
        for violation in &outcome.violations {
            println!("  {violation}");
        }
    }
}

/// Each known bug in a process of its own: it has to fail.
fn planted() -> ExitCode {
    if !cfg!(feature = "planted-bugs") {
        eprintln!("sim: --planted needs the feature `planted-bugs`");
        return ExitCode::from(2);
    }
    let Ok(program) = std::env::current_exe() else { return ExitCode::from(2) };
    let mut survived = 0;
    for (bug, seeds) in PLANTED {
        let began = Instant::now();
        let child = Command::new(&program)
            .args(["--quiet", "--seeds", &format!("0..{seeds}")])
            .env("OTTLA_PLANTED_BUG", bug)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let Ok(mut child) = child else { return ExitCode::from(2) };
        let caught = loop {
            match child.try_wait() {
                Ok(Some(status)) => break status.code() == Some(1),
                Ok(None) if began.elapsed() < LIMIT => std::thread::sleep(Duration::from_millis(20)),
                // A run that hangs has failed.
                Ok(None) => {
                    let killed = child.kill().and_then(|()| child.wait());
                    break killed.is_ok();
                }
                Err(_) => return ExitCode::from(2),
            }
        };
        survived += u32::from(!caught);
        let verdict = if caught { "caught  " } else { "SURVIVED" };
        println!("{verdict}  {bug:<36} {:>6.1} s", began.elapsed().as_secs_f64());
    }
    if survived == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
