//! The bucket of a seed: the bucket backend over a store in memory whose answers get lost, in some seeds.
//!
//! Each broker is a process with a way of its own to it: what it had sent when it died may land behind its successor's
//! back. It draws from streams of its own, and not in every seed: what earlier seeds found elsewhere, they find again.

use std::fmt;
use std::time::Duration;

use ottla::connect::BucketOptions;
use ottla::testing::{BucketTrouble, Builder, World};

use super::cast::stream;
use super::chance::Chance;
use super::run::Shared;
use crate::s3::{Fault, Latency, LocalS3, Options};

/// Longer than anything that was sent is on its way.
const LANDED: Duration = Duration::from_secs(60);

/// Longer than a write is waiting for its next attempt, and that for its answer.
const REPEATED: Duration = Duration::from_secs(5);

/// What of the bucket's trouble is in a seed.
#[derive(Clone, Debug)]
pub(super) struct BucketPlan {
    options: BucketOptions,
    /// Of a thousand requests so many go wrong, at most.
    most: u64,
    /// Whether it is silent for a while, now and then.
    silent: bool,
    chance: Chance,
    /// Behind HTTP: the endpoint, and what it does wrong.
    endpoint: Option<(LocalS3, Vec<(Fault, f64)>)>,
}

impl fmt::Display for BucketPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { options, most, silent, .. } = self;
        write!(f, "{options:?}, of 1,000 requests up to {most} go wrong, silent: {silent}")?;
        match &self.endpoint {
            Some((_, faults)) => write!(f, ", behind HTTP with {faults:?}"),
            None => Ok(()),
        }
    }
}

/// Four seeds of 32 have one; none of those that found something before there were any, and none that has a disk.
/// Behind HTTP every seed has one.
pub(super) fn draw(world: &World, over_http: bool) -> Option<BucketPlan> {
    if !over_http && ![2, 12, 19, 31].contains(&(world.seed() % 32)) {
        return None;
    }
    let chance = stream(world, 3_000);
    let stale_after = chance.ms(1_000, 4_000);
    let options = BucketOptions {
        // Not a process' number: the same seed gives the same trace.
        owner: "simulation".to_owned(),
        // Otherwise who comes after a dead one waits until its lease is stale.
        take_over: chance.one_in(2),
        renew_every: stale_after / 4,
        stale_after,
        puts_per_second: u32::try_from(*chance.pick(&[10, 50, 1_000])).unwrap(),
        group_bytes: *chance.pick(&[1_500, 64 << 10, 8 << 20]),
        in_flight: *chance.pick(&[1, 4, 8]),
        tail_bytes: *chance.pick(&[0, 4 << 10, 1 << 20]),
        cold_bytes: *chance.pick(&[0, 64 << 10, 4 << 20]),
        journal_bytes: *chance.pick(&[20_000, 200_000]),
        journal_objects: *chance.pick(&[6, 20, 100]),
        request_timeout: chance.ms(500, 2_000),
        give_up_after: Duration::from_secs(10),
        give_up_writing_after: Duration::from_secs(*chance.pick(&[4, 30])),
        ..BucketOptions::default()
    };
    let (most, silent) = (*chance.pick(&[20, 100, 300]), chance.one_in(2));
    Some(BucketPlan { options, most, silent, chance, endpoint: over_http.then(|| endpoint(world)) })
}

/// One that does nothing wrong, or one thing, or everything. By the seed itself, so that none is missed.
fn endpoint(world: &World) -> (LocalS3, Vec<(Fault, f64)>) {
    let server = LocalS3::new(Options { seed: world.seed(), ..Options::default() });
    let all = Fault::ALL.len() as u64;
    let faults = match world.seed() % (all + 3) {
        0 => Vec::new(),
        1 | 2 => Fault::ALL.iter().map(|fault| (*fault, 0.005)).collect(),
        nth => vec![(Fault::ALL[usize::try_from(nth).unwrap() - 3], 0.05)],
    };
    for (fault, share) in &faults {
        server.faults().rate_of_all(*fault, *share);
    }
    server.faults().late(Duration::from_millis(1)..=Duration::from_secs(3));
    let latency = Latency::fixed(Duration::from_millis(2));
    server.faults().latency_of_all(if world.seed().is_multiple_of(4) { latency.with_slow(20, 50) } else { latency });
    (server, faults)
}

impl BucketPlan {
    /// A cluster on it.
    pub(super) fn build(&self, builder: Builder) -> Builder {
        match &self.endpoint {
            Some((server, _)) => builder.on_bucket_in(server.bucket("simulation").unwrap(), self.options.clone()),
            None => builder.on_bucket(self.options.clone()),
        }
    }
}

/// The endpoint does nothing wrong any more.
pub(super) fn heal(shared: &Shared) {
    if let Some((server, _)) = shared.bucket.as_deref().and_then(|plan| plan.endpoint.as_ref()) {
        server.faults().clear();
    }
}

/// What the endpoint was asked, for the statistics.
pub(super) fn tally_http(shared: &Shared) -> Vec<(&'static str, u64)> {
    let Some((server, _)) = shared.bucket.as_deref().and_then(|plan| plan.endpoint.as_ref()) else {
        return Vec::new();
    };
    let requests = server.requests();
    vec![
        ("http request", requests.total().requests),
        ("http fault", Fault::ALL.iter().map(|fault| requests.faults(*fault)).sum()),
        ("http effect came late", requests.landed_late),
    ]
}

/// Before each deed of the nemesis: more or less goes wrong from now on.
pub(super) async fn stir(shared: &Shared) {
    let Some(BucketPlan { most, silent, chance, .. }) = shared.bucket.as_deref() else { return };
    if *silent && chance.one_in(4) {
        shared.history.count("bucket silent");
        shared.cluster.requests_by_chance(1_000);
        chance.0.sleep(chance.ms(200, 6_000)).await;
    }
    let rate = u32::try_from(chance.between(0, *most)).unwrap();
    shared.history.event(format_args!("of 1,000 requests {rate} go wrong"));
    shared.cluster.requests_by_chance(rate);
}

/// Starts the broker again whose storage has ended: it was silent for too long, or was robbed by one that did not start.
pub(super) async fn supervise(shared: Shared, chance: Chance) {
    let mut down = false;
    while !shared.is_over() {
        chance.0.sleep(chance.ms(50, 1_000)).await;
        if let Some(why) = shared.cluster.poisoned() {
            shared.history.event(format_args!("the storage has ended: {why}"));
        }
        let attempt = async {
            if down { shared.cluster.restart().await.map(|()| false) } else { shared.cluster.restart_poisoned().await }
        };
        match shared.unless_over(attempt).await {
            None => return,
            Some(Ok(ended)) => {
                down = false;
                if ended {
                    shared.history.count("bucket opened anew");
                }
            }
            Some(Err(error)) => {
                down = true;
                shared.history.event(format_args!("the supervisor has no broker: {error}"));
                shared.history.count("start failed");
            }
        }
    }
}

/// A write that was being repeated when all was healed is given up if its next attempt comes too late, and then the broker
/// cannot close: the last thing that a supervisor has to do.
pub(super) async fn settle(shared: &Shared, world: &World) {
    if shared.bucket.is_none() {
        return;
    }
    world.env().sleep(REPEATED).await;
    if let Err(error) = shared.cluster.restart_poisoned().await {
        shared.history.violation(format!("the bucket cannot be opened anew although all was healed: {error}"));
    }
}

/// At the end every object in the bucket is of use, and none that is of use is missing.
pub(super) async fn audit(shared: &Shared, world: &World) {
    if shared.bucket.is_none() {
        return;
    }
    world.env().sleep(LANDED).await;
    match shared.cluster.audit_bucket().await {
        Ok(wrong) => wrong.into_iter().for_each(|what| shared.history.violation(format!("the bucket: {what}"))),
        Err(error) => shared.history.violation(format!("the bucket cannot be opened at the end: {error}")),
    }
}

/// What was met, for the statistics.
pub(super) fn tally(shared: &Shared) -> [(&'static str, u64); 9] {
    let trouble: BucketTrouble = shared.cluster.bucket_trouble();
    [
        // The first one begins it.
        ("bucket taken over", trouble.claims.saturating_sub(1)),
        ("bucket write in doubt", trouble.ambiguous()),
        ("bucket write refused", trouble.refused),
        ("bucket conflict", trouble.conflicts),
        ("bucket name was taken", trouble.exists),
        ("bucket writer fenced", trouble.fenced),
        ("bucket write of the dead", trouble.from_the_dead),
        ("bucket segment", trouble.segments),
        ("bucket object deleted", trouble.deleted),
    ]
}
