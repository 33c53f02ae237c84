//! What a group was told: invariants 7 and 8.

use std::collections::BTreeMap;

use ottla::ErrorCode;

/// Whether a refusal of a commit says that it was not taken.
pub(super) const fn is_certain(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::IllegalGeneration
            | ErrorCode::UnknownMemberId
            | ErrorCode::FencedInstanceId
            | ErrorCode::RebalanceInProgress
    )
}

/// What became of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Perhaps,
    /// Answered, at this step.
    Acked(u64),
    Refused,
}

#[derive(Debug)]
struct Commit {
    partition: i32,
    offset: i64,
    began: u64,
    fate: Fate,
}

/// One group's history. A step is a moment: whatever is answered at a lower one than something else begins came before.
#[derive(Debug, Default)]
pub(super) struct Groups {
    step: u64,
    /// The newest generation that anybody joined.
    joined: i32,
    /// The newest generation whose shares were told.
    newest: i32,
    owners: BTreeMap<(i32, i32), String>,
    commits: Vec<Commit>,
}

impl Groups {
    fn step(&mut self) -> u64 {
        self.step += 1;
        self.step
    }

    /// Somebody was told a generation. Says whether it is a new one.
    ///
    /// It binds nobody before its shares are told: until then a coordinator may forget it (as Kafka's does), and give its
    /// number to another.
    pub(super) fn generation(&mut self, generation: i32) -> bool {
        let is_new = generation > self.joined;
        self.joined = self.joined.max(generation);
        is_new
    }

    /// What a member compares its own generation with when its commit is answered.
    pub(super) const fn newest(&self) -> i32 {
        self.newest
    }

    /// A member was told that partitions are its own (invariant 7).
    pub(super) fn owns(&mut self, generation: i32, member: &str, partitions: &[i32]) -> Result<(), String> {
        let has_committed = self.commits.iter().any(|commit| matches!(commit.fate, Fate::Acked(_)));
        if generation < self.newest && !has_committed {
            // A group that has nothing is forgotten when the last member goes, and then it begins anew.
            self.newest = generation;
            self.owners.clear();
        }
        self.newest = self.newest.max(generation);
        for partition in partitions {
            let owner = self.owners.entry((generation, *partition)).or_insert_with(|| member.to_owned());
            if owner != member {
                return Err(format!(
                    "invariant 7: in generation {generation} partition {partition} is {owner}'s and {member}'s"
                ));
            }
        }
        Ok(())
    }

    /// A commit goes out. Its number is its metadata, so that a look-up says which one it found.
    pub(super) fn commit(&mut self, partition: i32, offset: i64) -> u64 {
        let began = self.step();
        self.commits.push(Commit { partition, offset, began, fate: Fate::Perhaps });
        self.commits.len() as u64 - 1
    }

    /// A commit of `generation` was taken; when it went out, `newest` had been told.
    pub(super) fn committed(&mut self, commit: u64, generation: i32, newest: i32) -> Result<(), String> {
        let step = self.step();
        self.commits[usize::try_from(commit).unwrap()].fate = Fate::Acked(step);
        if generation < newest {
            return Err(format!("invariant 7: a member of generation {generation} committed after {newest} was told"));
        }
        Ok(())
    }

    /// A commit was certainly not taken.
    pub(super) fn refused(&mut self, commit: u64) {
        self.commits[usize::try_from(commit).unwrap()].fate = Fate::Refused;
    }

    /// A look-up goes out.
    pub(super) fn ask(&mut self) -> u64 {
        self.step()
    }

    /// A look-up that went out at `asked` found this commit, or none (invariant 8).
    pub(super) fn found(&mut self, asked: u64, partition: i32, found: Option<(u64, i64)>) -> Result<(), String> {
        let now = self.step();
        let acked_before = |commit: &Commit| match commit.fate {
            Fate::Acked(at) => Some(at).filter(|at| *at < asked && commit.partition == partition),
            Fate::Perhaps | Fate::Refused => None,
        };
        let Some((number, offset)) = found else {
            return match self.commits.iter().position(|commit| acked_before(commit).is_some()) {
                Some(lost) => Err(format!("invariant 8: acknowledged commit {lost} of partition {partition} is gone")),
                None => Ok(()),
            };
        };
        let Some(commit) = usize::try_from(number).ok().and_then(|at| self.commits.get(at)) else {
            return Err(format!("invariant 8: commit {number} of partition {partition} was never made"));
        };
        if commit.partition != partition || commit.offset != offset || commit.began > now {
            return Err(format!("invariant 8: commit {number} was {commit:?}, and {partition} at {offset} was found"));
        }
        if commit.fate == Fate::Refused {
            return Err(format!("invariant 8: commit {number} of partition {partition} was refused, and found"));
        }
        // One whose answer never came may have been taken at any time since.
        let Fate::Acked(until) = commit.fate else { return Ok(()) };
        let later = self.commits.iter().position(|other| other.began > until && acked_before(other).is_some());
        match later {
            Some(later) => Err(format!(
                "invariant 8: commit {number} of partition {partition} was found, though {later} was acknowledged after it"
            )),
            None => Ok(()),
        }
    }
}
