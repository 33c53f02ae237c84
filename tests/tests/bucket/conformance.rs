//! The suites of the three traits.

use std::sync::Arc;

use ottla_broker_core::conformance::{Case, log_storage, metadata_log, snapshot_store};
use ottla_tests::s3::Fault;

use super::endpoint::Endpoint;
use super::subject::Subject;
use super::trouble::Trouble;

/// Without faults, on whatever endpoint.
mod sound {
    use super::{Endpoint, Subject};

    ottla_broker_core::log_storage_suite!(Subject::warm(Endpoint::any()));
    mod metadata {
        use super::{Endpoint, Subject};
        ottla_broker_core::metadata_log_suite!(Subject::warm(Endpoint::any()));
    }
    mod snapshots {
        use super::{Endpoint, Subject};
        ottla_broker_core::snapshot_store_suite!(Subject::warm(Endpoint::any()));
    }
}

/// Every fault, at 5 % of requests together.
mod mixed {
    use super::{Endpoint, Subject, Trouble};

    ottla_broker_core::log_storage_suite!(Subject::cold(Endpoint::local(Trouble::All, 1)));
    mod metadata {
        use super::{Endpoint, Subject, Trouble};
        ottla_broker_core::metadata_log_suite!(Subject::cold(Endpoint::local(Trouble::All, 2)));
    }
    mod snapshots {
        use super::{Endpoint, Subject, Trouble};
        ottla_broker_core::snapshot_store_suite!(Subject::cold(Endpoint::local(Trouble::All, 3)));
    }
}

/// Runs the cases that `wanted` picks, each on a runtime of its own with which all that it left behind ends. Gives how
/// many ran and how many requests met trouble.
fn run<S: ?Sized>(
    cases: &'static [Case<S>],
    trouble: Trouble,
    as_subject: fn(Arc<Subject>) -> Arc<S>,
    wanted: impl Fn(usize) -> bool,
) -> (usize, u64) {
    let (mut ran, mut met) = (0, 0);
    for (index, case) in cases.iter().enumerate().filter(|(index, _)| wanted(*index)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let subject = Subject::cold(Endpoint::local(trouble, index as u64));
            // The last one that is printed is the one that failed.
            println!("{trouble:?}: {}", case.name);
            (case.run)(as_subject(Arc::clone(&subject))).await;
            met += trouble.met(&subject.place.server().requests());
        });
        ran += 1;
    }
    (ran, met)
}

/// All cases under one kind of trouble; unless all are asked for, one in `OF`, each under some kind.
fn under(trouble: Trouble, number: usize) {
    let all = std::env::var("OTTLA_S3_FAULTS").is_ok_and(|which| which == "all");
    let wanted = |index: usize| all || index % OF == number;
    let logs = run(log_storage::CASES, trouble, |subject| subject as _, wanted);
    let metadata = run(metadata_log::CASES, trouble, |subject| subject as _, wanted);
    let snapshots = run(snapshot_store::CASES, trouble, |subject| subject as _, wanted);
    let (ran, met) = (logs.0 + metadata.0 + snapshots.0, logs.1 + metadata.1 + snapshots.1);
    println!("{trouble:?} at 5 %: {ran} cases, {met} requests met it");
    assert!(ran > 0 && (met > 0 || !all), "a run without {trouble:?} shows nothing");
}

macro_rules! each {
    ($($name:ident: $trouble:expr,)*) => {
        /// Kinds of trouble.
        const OF: usize = [$(stringify!($name)),*].len();

        #[expect(non_camel_case_types, reason = "numbers the tests by their names")]
        enum Number { $($name),* }

        /// Each fault alone.
        mod alone {
            use super::{Fault, Number, Trouble, under};

            $(#[test]
            fn $name() {
                under($trouble, Number::$name as usize);
            })*
        }
    };
}

each! {
    internal_error: Trouble::One(Fault::InternalError),
    internal_error_after: Trouble::One(Fault::InternalErrorAfter),
    slow_down: Trouble::One(Fault::SlowDown),
    conflict: Trouble::One(Fault::Conflict),
    reset_before: Trouble::One(Fault::ResetBefore),
    reset_after: Trouble::One(Fault::ResetAfter),
    closed_after: Trouble::One(Fault::ClosedAfter),
    late: Trouble::One(Fault::Late),
    unanswered: Trouble::One(Fault::Unanswered),
    truncated: Trouble::One(Fault::Truncated),
    slow_tail: Trouble::SlowTail,
}
