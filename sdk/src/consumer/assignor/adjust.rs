//! The cooperative adjustment (KIP-429): what moves is given up before it is handed out.

use ottla_broker_core::TopicPartition;
use ottla_broker_core::api::group::{Generation, MemberId};
use ottla_broker_core::planted::is_planted;
use rustc_hash::{FxHashMap, FxHashSet};

use super::{Assignments, Assignor, MemberSubscription};

/// Who says that it has a partition.
#[derive(Clone, Copy)]
struct Claims<'a> {
    /// The newest claim.
    newest: (Generation, &'a MemberId),
    /// Whether another claims it in the same generation.
    tied: bool,
}

/// Takes out of `shares` every partition that somebody other than its new owner still has. Those who
/// have it see that it is no longer theirs, give it up and rejoin; the rebalance that follows hands it out.
///
/// Where several claim one partition, the newest generation is believed; if that does not tell either,
/// nobody keeps it. An old claim counts against everybody who has none: its member may not know yet
/// that it was thrown out.
///
/// Returns what was taken out.
pub(super) fn withhold_moving(
    assignor: &dyn Assignor,
    members: &[MemberSubscription],
    shares: &mut Assignments,
) -> FxHashSet<TopicPartition> {
    let mut withheld = FxHashSet::default();
    if is_planted("assignor-owns-twice") {
        return withheld;
    }
    let mut claims: FxHashMap<&TopicPartition, Claims<'_>> = FxHashMap::default();
    for member in members {
        let generation = assignor.claimed_in(member);
        for partition in &member.owned {
            let newest = (generation, &member.member);
            claims
                .entry(partition)
                .and_modify(|claims| {
                    if generation > claims.newest.0 {
                        *claims = Claims { newest, tied: false };
                    } else if generation == claims.newest.0 && &member.member != claims.newest.1 {
                        claims.tied = true;
                    }
                })
                .or_insert(Claims { newest, tied: false });
        }
    }
    for (owner, share) in shares.iter_mut() {
        share.retain(|partition| {
            let stays = match claims.get(partition) {
                None => true,
                Some(claims) => !claims.tied && claims.newest.1 == owner,
            };
            if !stays {
                withheld.insert(partition.clone());
            }
            stays
        });
    }
    withheld
}
