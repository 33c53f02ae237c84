//! Plants each known bug in turn and fails if a test does not notice.
//!
//! ```text
//! cargo run -p ottla-tests --bin planted [NAME …]
//! cargo run -p ottla-tests --bin planted part 1/3     # every third one, from the first on
//! ```
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a command-line program that watches the clock over its children"
)]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use ottla_tests::{Bug, Catalogue};
use serde_json::Value;

/// A planted bug may make its test hang, which is a way of failing.
const LIMIT: Duration = Duration::from_secs(60);

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("planted: {error}");
            ExitCode::from(2)
        }
    }
}

/// `1/3`: the first of three.
fn part_of(word: &str) -> Option<(usize, usize)> {
    let (nth, of) = word.split_once('/')?;
    let (nth, of): (usize, usize) = (nth.parse().ok()?, of.parse().ok()?);
    (1..=of).contains(&nth).then_some((nth, of))
}

fn run() -> Result<bool> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let all = Catalogue::load()?.bug;
    let bugs: Vec<Bug> = match words.as_slice() {
        [word, part] if word == "part" => {
            let (nth, of) = part_of(part).ok_or_else(|| format!("`{part}` is no part such as 1/3"))?;
            all.into_iter().skip(nth - 1).step_by(of).collect()
        }
        only => all.into_iter().filter(|bug| only.is_empty() || only.contains(&bug.name)).collect(),
    };
    if bugs.is_empty() {
        return Err(format!("the catalogue has none of {words:?}").into());
    }
    let binaries = build()?;
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let mut survived = Vec::new();
    for chunk in bugs.chunks(workers) {
        let verdicts: Vec<Result<Verdict>> = thread::scope(|scope| {
            let running: Vec<_> =
                chunk.iter().map(|bug| scope.spawn(|| judge(bug, &binaries).map_err(|e| e.to_string()))).collect();
            running
                .into_iter()
                .map(|thread| {
                    thread.join().map_err(|_| "a worker panicked".to_owned()).and_then(|v| v).map_err(Into::into)
                })
                .collect()
        });
        for (bug, verdict) in chunk.iter().zip(verdicts) {
            match verdict? {
                Verdict::Caught => println!("caught    {:<36} by {}", bug.name, bug.test),
                Verdict::Survived => {
                    println!("SURVIVED  {:<36} {} passed with it", bug.name, bug.test);
                    survived.push(bug.name.clone());
                }
                Verdict::FailsAnyway => {
                    println!("BROKEN    {:<36} {} fails without it too", bug.name, bug.test);
                    survived.push(bug.name.clone());
                }
            }
        }
    }
    println!("{} planted, {} caught", bugs.len(), bugs.len() - survived.len());
    Ok(survived.is_empty())
}

enum Verdict {
    Caught,
    Survived,
    FailsAnyway,
}

fn judge(bug: &Bug, binaries: &BTreeMap<String, Vec<PathBuf>>) -> Result<Verdict> {
    let candidates = binaries.get(&bug.package).ok_or_else(|| format!("no test binary of {}", bug.package))?;
    let mut found = false;
    for binary in candidates {
        let listed = Command::new(binary).args(["--list", "--exact", &bug.test]).output()?;
        if !String::from_utf8_lossy(&listed.stdout).contains(": test") {
            continue;
        }
        found = true;
        if !passes(binary, bug, false)? {
            return Ok(Verdict::FailsAnyway);
        }
        if passes(binary, bug, true)? {
            return Ok(Verdict::Survived);
        }
    }
    if found {
        Ok(Verdict::Caught)
    } else {
        Err(format!("{}: no test `{}` in {}", bug.name, bug.test, bug.package).into())
    }
}

fn passes(binary: &PathBuf, bug: &Bug, planted: bool) -> Result<bool> {
    let mut command = Command::new(binary);
    // What a property test finds of a planted bug is nothing to keep.
    command.env("PROPTEST_DISABLE_FAILURE_PERSISTENCE", "1");
    command.args(["--exact", &bug.test]).stdout(Stdio::null()).stderr(Stdio::null()).env_remove("OTTLA_PLANTED_BUG");
    if planted {
        command.env("OTTLA_PLANTED_BUG", &bug.name);
    }
    let mut child = command.spawn()?;
    let deadline = Instant::now() + LIMIT;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status.success());
        }
        if Instant::now() > deadline {
            child.kill()?;
            child.wait()?;
            return Ok(false);
        }
        thread::sleep(Duration::from_millis(10));
    }
}

/// Builds the tests with the switches in and returns the binaries of each package.
fn build() -> Result<BTreeMap<String, Vec<PathBuf>>> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let output = Command::new(cargo)
        .args(["test", "--workspace", "--features", "ottla-broker-core/planted-bugs", "--no-run"])
        .arg("--message-format=json")
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        return Err("the tests do not build".into());
    }
    let mut binaries: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let Ok(message) = serde_json::from_str::<Value>(line) else { continue };
        let (Some(id), Some(executable)) = (
            message.pointer("/package_id").and_then(Value::as_str),
            message.pointer("/executable").and_then(Value::as_str),
        ) else {
            continue;
        };
        if message.pointer("/profile/test").and_then(Value::as_bool) == Some(true) {
            // A package id ends in `name@version`, or in `directory#version` where the directory has the name.
            let name = id.rsplit(['#', '/']).find_map(|part| part.split('@').next().filter(|p| p.starts_with("ottla")));
            binaries.entry(name.unwrap_or(id).to_owned()).or_default().push(executable.into());
        }
    }
    Ok(binaries)
}
