//! What was done to a cluster.

/// How often each trouble came. Each at the seam between clients and brokers, but for those of the storage, which
/// [`TestCluster::storage_faults`](super::TestCluster::storage_faults) counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FaultCounts {
    /// Requests that failed before they had an effect.
    pub failed: u64,
    /// Answers that were lost after the effect.
    pub lost_answers: u64,
    /// Answers that came late.
    pub delayed_answers: u64,
    /// Answers that never came.
    pub silences: u64,
    /// Requests that were told that the leader is elsewhere.
    pub not_leader: u64,
    /// Requests that came while no broker ran.
    pub unreachable: u64,
    /// Requests that a replaced broker got.
    pub sent_to_old: u64,
    /// Requests that a crash cut off.
    pub cut_off: u64,
    /// Brokers that crashed.
    pub crashes: u64,
    /// Brokers that were started after the first.
    pub restarts: u64,
    /// Brokers that were replaced while they ran on.
    pub superseded: u64,
    /// Leaders that moved.
    pub moves: u64,
    /// What came of it: writes that were there already, and were answered as the first time.
    pub duplicates_answered: u64,
    /// What came of it: producers that had to begin a new epoch.
    pub epoch_bumps: u64,
    /// What came of it: bytes that crashes took, none of them acknowledged. On a disk, at most so many.
    pub bytes_lost: u64,
    /// What came of it: disks that were recovered from what a crash had left half-done.
    pub recovered: u64,
}
