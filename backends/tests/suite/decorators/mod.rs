//! Decorators keep the contracts of what they decorate, and do what they are for.

mod behaviour;
mod subject;

mod faulty {
    use super::subject::{Decorated, FaultyMetadata};

    ottla_broker_core::log_storage_suite!(Decorated::faulty());

    mod metadata {
        ottla_broker_core::metadata_log_suite!(super::FaultyMetadata::subject());
    }
}

mod delayed {
    use super::subject::Decorated;

    ottla_broker_core::log_storage_suite!(Decorated::delayed());
}

mod counted {
    use super::subject::Decorated;

    ottla_broker_core::log_storage_suite!(Decorated::counted());
}
