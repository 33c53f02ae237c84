//! The short form of the simulation; `cargo run --release -p ottla-tests --bin sim` is the long one.

use ottla_tests::sim::{OVER_HTTP, Outcome, REGRESSIONS, Stats, run_seed, run_seed_over_http};

fn run(seeds: impl IntoIterator<Item = u64>) -> Stats {
    run_by(run_seed, "", seeds)
}

fn run_by(run: fn(u64, bool) -> Outcome, form: &str, seeds: impl IntoIterator<Item = u64>) -> Stats {
    let mut stats = Stats::default();
    for seed in seeds {
        let outcome = run(seed, false);
        assert!(
            outcome.violations.is_empty(),
            "seed {seed}: {:#?}\nrerun: cargo run -p ottla-tests --bin sim -- --seed {seed}{form} --trace",
            outcome.violations
        );
        stats.merge(&outcome.stats);
    }
    stats
}

/// A fixed number: how long they take is the machine's affair.
const SEEDS: u64 = 160;

fn shard(shard: u64) {
    // By fours: what a run is like depends on the lowest bits of its seed.
    let stats = run((0..SEEDS).filter(|seed| seed / 4 % 2 == shard));
    println!("{stats}");
    // The long form requires all; these few seeds reach what matters most.
    for name in [
        "acked",
        "read",
        "crash",
        "duplicate answered",
        "epoch bump",
        "superseded",
        "rebalance",
        "trimmed",
        "consumer rebalance",
        "consumer crashed",
        "poll breach",
        "static rejoin",
        "sought",
        "partitions added",
        "bucket writer fenced",
        "bucket write of the dead",
        "bucket segment",
    ] {
        assert!(stats.get(name) > 0, "no seed has reached `{name}`");
    }
    let recovered = stats.get("recovered from a crash state");
    assert!(recovered >= 10, "a disk was recovered from a crash state {recovered} times only");
    let (taken, in_doubt) = (stats.get("bucket taken over"), stats.get("bucket write in doubt"));
    assert!(taken >= 10 && in_doubt >= 50, "a bucket was taken over {taken} times, with {in_doubt} writes in doubt");
}

#[test]
fn every_other_four_seeds_keep_every_invariant() {
    shard(0);
}

#[test]
fn the_other_fours_of_seeds_keep_every_invariant() {
    shard(1);
}

#[test]
fn what_was_found_once_stays_mended() {
    run(REGRESSIONS.iter().copied());
}

/// A seed in which a bucket's owner dies with several chunks on their way.
#[test]
fn chunks_on_their_way_are_acknowledged_in_order() {
    run([34]);
}

/// Each kind of fault alone, all of them, and none.
#[test]
fn buckets_behind_http_keep_every_invariant() {
    let stats = run_by(run_seed_over_http, " --over-http", 0..26);
    println!("{stats}");
    for name in OVER_HTTP {
        assert!(stats.get(name) > 0, "no seed has reached `{name}`");
    }
}

#[test]
fn one_seed_is_one_run() {
    for seed in [1, 2, 3, 7, 44] {
        let (first, second) = (run_seed(seed, true), run_seed(seed, true));
        assert_eq!(first.hash, second.hash, "{}", difference(first.trace.as_deref(), second.trace.as_deref()));
    }
    let (first, second) = (run_seed_over_http(1, true), run_seed_over_http(1, true));
    assert_eq!(first.hash, second.hash, "{}", difference(first.trace.as_deref(), second.trace.as_deref()));
    assert_ne!(run_seed(1, false).hash, run_seed(2, false).hash);
}

/// The first lines that differ.
fn difference(first: Option<&str>, second: Option<&str>) -> String {
    let lines = |trace: Option<&str>| trace.unwrap_or_default().lines().map(str::to_owned).collect::<Vec<_>>();
    let (first, second) = (lines(first), lines(second));
    let at = first.iter().zip(&second).position(|(a, b)| a != b).unwrap_or(0);
    format!("line {at}:\n{:?}\n{:?}", first.get(at), second.get(at))
}
