//! What goes wrong, at 5 % of requests.

use std::time::Duration;

use ottla_tests::s3::{Fault, Faults, Kind, Latency, Requests};

/// The share of requests that meet it.
const SHARE: f64 = 0.05;

/// What goes wrong in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Nothing.
    None,
    /// One kind of fault, wherever it fits.
    One(Fault),
    /// One request in twenty takes a hundred times as long.
    SlowTail,
    /// Every fault, together at the same share.
    All,
}

/// Whether a fault makes a difference to a request of this kind.
fn fits(kind: Kind, fault: Fault) -> bool {
    match fault {
        Fault::Conflict => kind == Kind::Put,
        Fault::Truncated => kind == Kind::Get,
        _ => true,
    }
}

impl Trouble {
    /// What `OTTLA_S3_TROUBLE` names as [`Fault`] does, or `SlowTail`; without it, every fault.
    pub(crate) fn chosen() -> Self {
        let Ok(name) = std::env::var("OTTLA_S3_TROUBLE") else { return Self::All };
        let fault = Fault::ALL.into_iter().find(|fault| format!("{fault:?}") == name);
        match (fault, name.as_str()) {
            (Some(fault), _) => Self::One(fault),
            (None, "SlowTail") => Self::SlowTail,
            (None, _) => panic!("OTTLA_S3_TROUBLE: `{name}` is none of {:?} and SlowTail", Fault::ALL),
        }
    }

    /// How long a request may take. One that is never answered costs as much of real time, and under
    /// [`Fault::Unanswered`] alone that is one in twenty: 500 ms each made minutes of a suite that has nothing else to
    /// wait for. A sound request on loopback takes a few milliseconds; where a busy machine needs longer it is made again.
    pub(crate) const fn request_timeout(self) -> Duration {
        match self {
            Self::One(Fault::Unanswered) => Duration::from_millis(100),
            _ => Duration::from_millis(500),
        }
    }

    pub(crate) fn put_into(self, faults: &Faults) {
        match self {
            Self::None => {}
            Self::One(fault) => faults.rate_of_all(fault, SHARE),
            Self::SlowTail => faults.latency_of_all(Latency::fixed(Duration::from_millis(2)).with_slow(20, 100)),
            Self::All => {
                for kind in Kind::ALL {
                    let fitting: Vec<_> = Fault::ALL.into_iter().filter(|fault| fits(kind, *fault)).collect();
                    for fault in &fitting {
                        faults.rate(kind, *fault, SHARE / fitting.len() as f64);
                    }
                }
            }
        }
    }

    /// How many requests met it.
    pub(crate) fn met(self, requests: &Requests) -> u64 {
        match self {
            Self::None => 0,
            Self::One(fault) => requests.faults(fault),
            Self::SlowTail => requests.slow,
            Self::All => Fault::ALL.into_iter().map(|fault| requests.faults(fault)).sum(),
        }
    }
}

/// The long form goes through the kinds by name: one that is new is not to be missing there.
#[test]
fn the_soak_runs_the_sdk_under_every_kind() {
    let soak = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../.ci/soak")).unwrap();
    let kinds = soak.lines().find_map(|line| line.strip_prefix("for trouble in ")?.strip_suffix("; do")).unwrap();
    let named: std::collections::BTreeSet<_> = kinds.split(' ').map(str::to_owned).collect();
    let all = Fault::ALL.iter().map(|fault| format!("{fault:?}")).chain(["SlowTail".to_owned()]);
    assert_eq!(named, all.collect());
}
