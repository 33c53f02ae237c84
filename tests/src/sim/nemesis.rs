//! Who makes the trouble.

use std::time::Duration;

use ottla::testing::{Call, Fault, StorageFault, Survives};
use ottla::{ErrorCode, Offset};

use super::bucket;
use super::chance::Chance;
use super::plan::Plan;
use super::run::Shared;

/// What it can do.
pub(super) const DEEDS: &[Deed] = &[
    Deed::Crash,
    Deed::Crash,
    Deed::Supersede,
    Deed::MoveLeader,
    Deed::HoldCommits,
    Deed::Storage(StorageFault::Full),
    Deed::Storage(StorageFault::FailAppend),
    Deed::Storage(StorageFault::LoseAppendAnswer),
    Deed::Storage(StorageFault::FailRead),
    Deed::Storage(StorageFault::FlipBit),
    Deed::Storage(StorageFault::FailOpen),
    Deed::Storage(StorageFault::LoseTrimAnswer),
    Deed::Storage(StorageFault::FailMetadata),
    Deed::Storage(StorageFault::LoseMetadataAnswer),
    Deed::Storage(StorageFault::FailSnapshot),
    Deed::Poison,
    Deed::JumpClock,
    Deed::Trim,
    Deed::Trim,
];

#[derive(Clone, Copy, Debug)]
pub(super) enum Deed {
    Crash,
    Supersede,
    MoveLeader,
    HoldCommits,
    Storage(StorageFault),
    Poison,
    JumpClock,
    Trim,
}

/// Whether what a seed reads may be damaged: bits flip in it.
pub(super) fn flips_bits(plan: &Plan) -> bool {
    plan.deeds.iter().any(|deed| matches!(DEEDS[*deed], Deed::Storage(StorageFault::FlipBit)))
}

/// The calls of which the answer may be lost, late, or the request.
const CALLS: [Call; 13] = Call::ALL;

/// Turns the chances at the seam on.
pub(super) fn unsettle(shared: &Shared) {
    let plan = &shared.plan;
    for call in CALLS {
        shared.cluster.by_chance(call, plan.failed, Fault::Fail(ErrorCode::NetworkException));
        shared.cluster.by_chance(call, plan.lost, Fault::LoseAnswer);
        shared.cluster.by_chance(call, plan.late, Fault::Delay(Duration::from_millis(u64::from(plan.late) * 5)));
    }
    // Only a producer limits its calls in time itself.
    shared.cluster.by_chance(Call::Produce, plan.never, Fault::Silence);
}

/// Makes trouble until it is time to heal.
pub(super) async fn run(shared: &Shared, chance: &Chance) {
    let env = &chance.0;
    unsettle(shared);
    let until = env.now() + shared.plan.trouble;
    while env.now() < until {
        env.sleep(chance.ms(50, shared.plan.peace_ms)).await;
        bucket::stir(shared).await;
        let deed = DEEDS[*chance.pick(&shared.plan.deeds)];
        shared.history.event(format_args!("nemesis: {deed:?}"));
        act(shared, deed, chance).await;
    }
}

async fn act(shared: &Shared, deed: Deed, chance: &Chance) {
    let (cluster, env, history) = (&shared.cluster, &chance.0, &shared.history);
    match deed {
        Deed::Crash => {
            cluster.crash(*chance.pick(&[Survives::Nothing, Survives::All, Survives::Chance]));
            env.sleep(chance.ms(0, 3_000)).await;
            start(shared, chance).await;
        }
        Deed::Supersede => {
            if let Err(error) = cluster.supersede(u32::try_from(chance.between(50, 600)).unwrap()).await {
                history.event(format_args!("no second broker: {error}"));
                history.count("start failed");
            }
            env.sleep(chance.ms(100, 5_000)).await;
            cluster.kill_superseded(*chance.pick(&[Survives::Nothing, Survives::Chance]));
        }
        Deed::MoveLeader => {
            for _ in 0..chance.between(1, 3) {
                let (topic, partition) = *chance.pick(&shared.partitions[..shared.settled()]);
                cluster.move_leader(topic, partition).unwrap();
                env.sleep(chance.ms(0, 200)).await;
            }
        }
        Deed::HoldCommits => {
            history.count("commits held");
            cluster.hold_commits();
            env.sleep(chance.ms(10, 4_000)).await;
            if chance.one_in(3) {
                cluster.crash(Survives::Chance);
            }
            cluster.release_commits();
            start(shared, chance).await;
        }
        Deed::Storage(fault) => {
            let trims = matches!(fault, StorageFault::LoseTrimAnswer);
            cluster.storage_by_chance(fault, u32::try_from(*chance.pick(&[10, 50, 300, 1_000])).unwrap());
            env.sleep(chance.ms(100, 5_000)).await;
            if trims {
                for _ in 0..3 {
                    trim(shared, chance).await;
                }
            }
            // Some of it comes while the broker starts.
            if chance.one_in(4) {
                cluster.crash(Survives::Chance);
                for _ in 0..3 {
                    if cluster.restart().await.is_ok() {
                        break;
                    }
                    history.count("start failed");
                    env.sleep(chance.ms(20, 500)).await;
                }
            }
            cluster.storage_by_chance(fault, 0);
            start(shared, chance).await;
        }
        Deed::Poison => {
            history.count("poisoned");
            cluster.poison_storage();
            env.sleep(chance.ms(100, 5_000)).await;
            // There is no other way to take it back.
            cluster.heal();
            unsettle(shared);
        }
        Deed::JumpClock => {
            history.count("clock jumped");
            cluster.clock().set_skew_ms(i64::try_from(chance.between(0, 7_200_000)).unwrap() - 3_600_000);
        }
        Deed::Trim => trim(shared, chance).await,
    }
}

/// Starts a broker, if none runs, however often it takes.
pub(super) async fn start(shared: &Shared, chance: &Chance) {
    while let Err(error) = shared.cluster.restart().await {
        shared.history.event(format_args!("no broker: {error}"));
        shared.history.count("start failed");
        chance.0.sleep(chance.ms(20, 500)).await;
    }
}

async fn trim(shared: &Shared, chance: &Chance) {
    let at = chance.index(shared.settled());
    let (topic, partition) = shared.partitions[at];
    let end = u64::try_from(shared.history.known_end(at)).unwrap();
    let before = i64::try_from(chance.between(0, end)).unwrap();
    shared.history.trim(at, before);
    let Ok(client) = shared.cluster.client().await else { return };
    let trimmed = client.admin().delete_records(topic, partition, Offset(before)).await;
    shared.history.event(format_args!("trimmed: {trimmed:?}"));
    if trimmed.is_ok() {
        shared.history.count("trimmed");
    }
}
