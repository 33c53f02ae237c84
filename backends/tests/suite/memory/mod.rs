//! Storage in memory.

mod manual;
mod network;
mod storage;
pub(crate) mod subject;

/// With the default options.
mod immediate {
    use super::subject::MemorySubject;

    ottla_broker_core::log_storage_suite!(MemorySubject::immediate());
}

/// Appends wait until a committer comes by; a crash loses by chance what it has not reached.
mod deferred {
    use super::subject::MemorySubject;

    ottla_broker_core::log_storage_suite!(MemorySubject::deferred());
}

mod metadata {
    use super::subject::MetadataInMemory;

    ottla_broker_core::metadata_log_suite!(MetadataInMemory::subject());
}

mod snapshots {
    use super::subject::SnapshotsInMemory;

    ottla_broker_core::snapshot_store_suite!(SnapshotsInMemory::subject());
}

mod transport {
    use super::subject::NetworkInMemory;

    ottla_broker_core::transport_suite!(NetworkInMemory::subject());
}
