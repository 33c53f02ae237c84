//! What goes wrong when a test says so.

use std::time::Duration;

use ottla_broker_core::api::ErrorCode;

use super::TestCluster;
use super::faults::{Call, Fault, StorageFault};

impl TestCluster {
    /// Fails the next request of this kind that has no fault yet.
    pub fn fail_next(&self, call: Call, code: ErrorCode) {
        self.inner.faults.next(call, Fault::Fail(code));
    }

    /// The next write never arrives; its client hears `NETWORK_EXCEPTION`.
    pub fn fail_next_produce(&self) {
        self.fail_next(Call::Produce, ErrorCode::NetworkException);
    }

    /// Loses the answer of the next request of this kind that has no fault yet.
    pub fn lose_next_answer(&self, call: Call) {
        self.inner.faults.next(call, Fault::LoseAnswer);
    }

    /// The next write is done, and its client is not told.
    pub fn lose_next_produce_answer(&self) {
        self.lose_next_answer(Call::Produce);
    }

    /// Gives the next request of this kind any fault.
    pub fn next(&self, call: Call, fault: Fault) {
        self.inner.faults.next(call, fault);
    }

    /// From now on every answer of this kind comes so much later.
    pub fn delay_answers(&self, call: Call, by: Duration) {
        self.by_chance(call, 1000, Fault::Delay(by));
    }

    /// Gives every request of this kind that has no fault yet this one by a chance in 1,000. Replaces the chance of a
    /// fault of the same sort; 0 ends it.
    pub fn by_chance(&self, call: Call, in_thousand: u32, fault: Fault) {
        self.inner.faults.by_chance(call, in_thousand, fault);
    }

    /// Gives the next call of the storage that this fault concerns the fault.
    pub fn next_storage_fault(&self, fault: StorageFault) {
        self.inner.storage.next(fault);
    }

    /// Gives every call of the storage that this fault concerns the fault, by a chance in 1,000. One fault a call:
    /// the last that was set.
    pub fn storage_by_chance(&self, fault: StorageFault, in_thousand: u32) {
        self.inner.storage.by_chance(fault, in_thousand);
    }

    /// A sync of the storage fails: nothing is written until [`heal`](Self::heal).
    pub fn poison_storage(&self) {
        self.inner.storage.faults.poison();
    }

    /// The next write to a file of the [disk](super::Builder::on_disk) fails half-way: from then on the directory takes
    /// nothing, neither records nor metadata, until it is opened anew, by a [`restart`](Self::restart) after a
    /// [`crash`](Self::crash). Without a disk nothing happens.
    #[cfg(feature = "disk")]
    pub fn fail_next_disk_write(&self) {
        self.inner.storage.fail_next_write();
    }

    /// How often the storage failed in this way.
    #[must_use]
    pub fn storage_faults(&self, fault: StorageFault) -> u64 {
        self.inner.storage.count(fault)
    }
}
