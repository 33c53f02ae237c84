//! What fails at the seam between clients and brokers, and when.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ottla_broker_core::api::ErrorCode;
use ottla_broker_core::env::Env;

/// A kind of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Call {
    /// Who leads what.
    Metadata,
    /// Writing records.
    Produce,
    /// Reading records.
    Fetch,
    /// Looking offsets up.
    ListOffsets,
    /// A producer's identity, or its next epoch.
    InitProducerId,
    /// Topics, partitions, configs, and the deletion of records and groups.
    Admin,
    /// Who coordinates a group.
    FindCoordinator,
    /// Joining a group.
    Join,
    /// Taking a share of a group's partitions.
    Sync,
    /// Saying that a member lives.
    Heartbeat,
    /// Leaving a group.
    Leave,
    /// Storing how far a group has come.
    OffsetCommit,
    /// Asking how far a group has come.
    OffsetFetch,
}

impl Call {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::Metadata,
        Self::Produce,
        Self::Fetch,
        Self::ListOffsets,
        Self::InitProducerId,
        Self::Admin,
        Self::FindCoordinator,
        Self::Join,
        Self::Sync,
        Self::Heartbeat,
        Self::Leave,
        Self::OffsetCommit,
        Self::OffsetFetch,
    ];
}

/// How one request fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It never arrives, and the client hears this code.
    Fail(ErrorCode),
    /// It takes effect, and its answer is lost: the client hears `NETWORK_EXCEPTION`.
    LoseAnswer,
    /// It takes effect, and its answer comes so much later.
    Delay(Duration),
    /// It takes effect, and no answer ever comes. Only for calls that the client limits in time itself: a producer
    /// does so for [`Call::Produce`] (`request_timeout`).
    Silence,
}

/// How storage fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StorageFault {
    /// It has no room for an append.
    Full,
    /// An append is taken, and fails.
    FailAppend,
    /// An append is written, and is said to have failed.
    LoseAppendAnswer,
    /// A read fails.
    FailRead,
    /// A read gives a batch with one wrong bit.
    FlipBit,
    /// A partition does not open, or a log cannot be removed.
    FailOpen,
    /// A trim is done, and is said to have failed.
    LoseTrimAnswer,
    /// The metadata cannot be read or written.
    FailMetadata,
    /// The metadata is written, and is said to have failed.
    LoseMetadataAnswer,
    /// Snapshots cannot be saved or loaded.
    FailSnapshot,
}

/// What a crash leaves of the writes that were not durable. Of each partition it is a prefix; on a disk, what a
/// recovery makes of any part of the writes, whole or torn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Survives {
    /// None.
    Nothing,
    /// All: the writes took effect, and only their answers were lost.
    All,
    /// As the seed has it.
    Chance,
}

/// The faults of one cluster's seam.
#[derive(Debug)]
pub(super) struct Faults {
    env: Env,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    script: BTreeMap<Call, VecDeque<Fault>>,
    chances: BTreeMap<Call, Vec<(u32, Fault)>>,
}

impl Faults {
    pub(super) fn new(env: Env) -> Self {
        Self { env, state: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn next(&self, call: Call, fault: Fault) {
        self.lock().script.entry(call).or_default().push_back(fault);
    }

    pub(super) fn by_chance(&self, call: Call, in_thousand: u32, fault: Fault) {
        let mut state = self.lock();
        let chances = state.chances.entry(call).or_default();
        chances.retain(|(_, other)| std::mem::discriminant(other) != std::mem::discriminant(&fault));
        chances.push((in_thousand, fault));
    }

    pub(super) fn heal(&self) {
        *self.lock() = State::default();
    }

    /// The fault of this call: the script's, else the first that chance picks.
    pub(super) fn decide(&self, call: Call) -> Option<Fault> {
        let mut state = self.lock();
        if let Some(fault) = state.script.get_mut(&call).and_then(VecDeque::pop_front) {
            return Some(fault);
        }
        let chances = state.chances.get(&call)?;
        chances.iter().find(|(chance, _)| self.env.random_below(1000) < u64::from(*chance)).map(|(_, fault)| *fault)
    }
}
