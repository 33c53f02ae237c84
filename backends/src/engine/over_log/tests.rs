//! The suites over memory storage, and what goes wrong.

mod damage;
mod failing;
mod support;

/// Every append is durable at once.
mod immediate {
    mod metadata {
        use super::super::support::Medium;
        ottla_broker_core::metadata_log_suite!(Medium::immediate());
    }
    mod snapshots {
        use super::super::support::Medium;
        ottla_broker_core::snapshot_store_suite!(Medium::immediate());
    }
}

/// A committer makes appends durable a while after.
mod deferred {
    mod metadata {
        use super::super::support::Medium;
        ottla_broker_core::metadata_log_suite!(Medium::deferred());
    }
    mod snapshots {
        use super::super::support::Medium;
        ottla_broker_core::snapshot_store_suite!(Medium::deferred());
    }
}
