//! The disk backend as the suites see it, on real files and on files that can crash.

mod compact;
mod crash;
mod crash_disk;
mod damage;
pub(crate) mod driven;
mod failed_sync;
mod failures;
mod full;
mod kill;
mod making;
mod many;
mod subject;
mod versions;

use subject::{Real, Simulated};

/// With the default options.
mod real {
    ottla_broker_core::log_storage_suite!(super::Real::new());
}

/// Nothing stays in memory, and every group rolls the journal: all reads are from the medium, and the compactor is busy.
mod cold {
    ottla_broker_core::log_storage_suite!(super::Real::cold());
}

/// What was not synced is lost by chance.
mod crashing {
    ottla_broker_core::log_storage_suite!(super::Simulated::new());
}

mod metadata {
    ottla_broker_core::metadata_log_suite!(super::Real::new());
}

mod snapshots {
    ottla_broker_core::snapshot_store_suite!(super::Real::new());
}
