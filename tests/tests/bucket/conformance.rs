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

/// Cases of minutes where every request may fail: without faults they always run.
const LONG: [&str; 1] = ["random_operations_match_a_model"];

/// Whether every case is to run under every kind of trouble.
fn is_whole() -> bool {
    std::env::var("OTTLA_S3_FAULTS").is_ok_and(|which| which == "all")
}

/// Runs the cases that `wanted` picks, each on a runtime of its own with which all that it left behind ends. Gives how
/// many ran and how many requests met trouble.
fn run<S: ?Sized>(
    cases: &'static [Case<S>],
    trouble: Trouble,
    as_subject: fn(Arc<Subject>) -> Arc<S>,
    wanted: impl Fn(usize, &str) -> bool,
) -> (usize, u64) {
    let (mut ran, mut met) = (0, 0);
    for (index, case) in cases.iter().enumerate().filter(|(index, case)| wanted(*index, case.name)) {
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

/// Runs one case in `of` under a trouble, those whose index leaves `rest`.
fn under(trouble: Trouble, rest: usize, of: usize) {
    let wanted = |index: usize, name: &str| index % of == rest && (is_whole() || !LONG.contains(&name));
    let logs = run(log_storage::CASES, trouble, |subject| subject as _, wanted);
    let metadata = run(metadata_log::CASES, trouble, |subject| subject as _, wanted);
    let snapshots = run(snapshot_store::CASES, trouble, |subject| subject as _, wanted);
    let (ran, met) = (logs.0 + metadata.0 + snapshots.0, logs.1 + metadata.1 + snapshots.1);
    println!("{trouble:?} at 5 %: {ran} cases, {met} requests met it");
    assert!(ran > 0 && met > 0, "a run without {trouble:?} shows nothing");
}

/// Every fault together: every case.
mod mixed {
    use super::{Trouble, under};

    #[test]
    fn first_of_four() {
        under(Trouble::All, 0, 4);
    }

    #[test]
    fn second_of_four() {
        under(Trouble::All, 1, 4);
    }

    #[test]
    fn third_of_four() {
        under(Trouble::All, 2, 4);
    }

    #[test]
    fn fourth_of_four() {
        under(Trouble::All, 3, 4);
    }
}

/// Each kind alone. Unless all is asked for, each case runs under one kind of them.
mod alone {
    use super::{Fault, Trouble, is_whole, under};

    macro_rules! each {
        ($($name:ident: $trouble:expr,)*) => {
            const NAMES: &[&str] = &[$(stringify!($name)),*];

            $(#[test]
            fn $name() {
                let rest = NAMES.iter().position(|name| *name == stringify!($name)).unwrap();
                if is_whole() { under($trouble, 0, 1) } else { under($trouble, rest, NAMES.len()) }
            })*
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
}
