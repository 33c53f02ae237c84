//! Who owns which partition, as the members of a group are told.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use async_trait::async_trait;
use ottla::consumer::{Committer, Handle, RebalanceListener};
use ottla::{Env, TopicPartition};
use tokio::sync::watch;

/// The partitions of each member that has any.
pub type Shares = BTreeMap<String, BTreeSet<i32>>;

/// The owners of one topic's partitions. Notes whenever a member is given what another still has. Clones share.
#[derive(Clone, Debug, Default)]
pub struct Owners(watch::Sender<Known>);

#[derive(Debug, Default)]
struct Known {
    shares: Shares,
    faults: Vec<String>,
}

impl Owners {
    /// The listener of the member of this name.
    #[must_use]
    pub fn listener(&self, member: &str) -> Listener {
        Listener { owners: self.clone(), member: member.to_owned() }
    }

    /// Who owns what now.
    #[must_use]
    pub fn shares(&self) -> Shares {
        self.0.borrow().shares.clone()
    }

    /// Whether this member has this partition now.
    #[must_use]
    pub fn owns(&self, member: &str, partition: i32) -> bool {
        self.0.borrow().shares.get(member).is_some_and(|share| share.contains(&partition))
    }

    /// Waits until the shares are of these sizes, the largest first: `[2, 1]` is two members, one of them with two.
    ///
    /// # Errors
    /// Who has what after `limit`.
    pub async fn divided(&self, sizes: &[usize], limit: Duration) -> Result<Shares, String> {
        let mut known = self.0.subscribe();
        let wanted = known.wait_for(|known| {
            let mut present: Vec<_> = known.shares.values().map(BTreeSet::len).collect();
            present.sort_unstable_by(|a, b| b.cmp(a));
            present == sizes
        });
        if Env::system().timeout(limit, wanted).await.is_err() {
            return Err(format!("after {limit:?} the shares are {:?}, not of the sizes {sizes:?}", self.shares()));
        }
        Ok(self.shares())
    }

    /// Whether every partition had one owner at a time.
    ///
    /// # Errors
    /// Each time that one had two, or was taken from somebody who did not have it.
    pub fn check(&self) -> Result<(), String> {
        let known = self.0.borrow();
        if known.faults.is_empty() { Ok(()) } else { Err(known.faults.join("; ")) }
    }

    fn given(&self, member: &str, partitions: &[TopicPartition]) {
        self.0.send_modify(|known| {
            for partition in partitions {
                let has = known.shares.iter().find(|(_, share)| share.contains(&partition.partition));
                if let Some((other, _)) = has {
                    known.faults.push(format!("{partition} was given to {member} while {other} had it"));
                }
                known.shares.entry(member.to_owned()).or_default().insert(partition.partition);
            }
        });
    }

    fn taken(&self, member: &str, partitions: &[TopicPartition]) {
        self.0.send_modify(|known| {
            for partition in partitions {
                let share = known.shares.entry(member.to_owned()).or_default();
                if !share.remove(&partition.partition) {
                    known.faults.push(format!("{partition} was taken from {member}, who did not have it"));
                }
            }
            known.shares.retain(|_, share| !share.is_empty());
        });
    }
}

/// Tells [`Owners`] of one member's partitions.
#[derive(Debug)]
pub struct Listener {
    owners: Owners,
    member: String,
}

#[async_trait]
impl RebalanceListener for Listener {
    async fn assigned(&self, partitions: &[TopicPartition], _handle: &Handle) {
        self.owners.given(&self.member, partitions);
    }

    async fn revoked(&self, partitions: &[TopicPartition], _committer: &Committer) {
        self.owners.taken(&self.member, partitions);
    }

    async fn lost(&self, partitions: &[TopicPartition]) {
        self.owners.taken(&self.member, partitions);
    }
}

#[cfg(test)]
mod tests {
    use ottla::TopicName;

    use super::*;

    #[tokio::test]
    async fn two_owners_are_seen() {
        let (owners, topic) = (Owners::default(), TopicName::new("t").unwrap());
        let [zero, one] = [0, 1].map(|partition| TopicPartition::new(topic.clone(), partition));
        owners.given("X", &[zero.clone(), one.clone()]);
        owners.taken("X", std::slice::from_ref(&one));
        owners.given("Y", std::slice::from_ref(&one));
        assert_eq!(owners.divided(&[1, 1], Duration::ZERO).await.unwrap().len(), 2);
        owners.check().unwrap();
        owners.divided(&[2], Duration::ZERO).await.unwrap_err();
        owners.given("Y", &[zero]);
        assert_eq!(owners.check().unwrap_err(), "t-0 was given to Y while X had it");
        owners.taken("Z", &[one]);
        assert!(owners.check().unwrap_err().ends_with("t-1 was taken from Z, who did not have it"));
    }
}
