//! The suites, over a store in memory.

mod fencing;
mod gather;
mod pace;
mod recovery;
mod storm;
mod subject;

mod conformance {
    use super::subject::Subject;

    ottla_broker_core::log_storage_suite!(Subject::new());
    mod metadata {
        use super::Subject;
        ottla_broker_core::metadata_log_suite!(Subject::new());
    }
    mod snapshots {
        use super::Subject;
        ottla_broker_core::snapshot_store_suite!(Subject::new());
    }
    mod cold {
        use super::Subject;
        ottla_broker_core::log_storage_suite!(Subject::cold());
    }
}
