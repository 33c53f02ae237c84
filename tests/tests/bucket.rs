//! The log in a bucket, over HTTP: the suites without and with faults, answers that are lost, writers that wake up late.
//!
//! `OTTLA_S3_FAULTS=all` runs every case of the suites under each kind of fault, instead of some;
//! `OTTLA_S3_TROUBLE=ResetAfter`, say, is what the SDK's suite then meets instead of all of them; `OTTLA_AMBIGUOUS_PUTS`
//! says after how many of them [`ambiguous`] stops, and `OTTLA_ZOMBIE_ROUNDS` how often [`zombies`] goes through its cases.
//! What runs without faults runs on any endpoint that the environment names: see [`endpoint`].

mod ambiguous;
mod conformance;
pub(crate) mod endpoint;
mod pace;
mod rivals;
mod subject;
pub(crate) mod trouble;
mod zombies;

use std::time::Duration;

use endpoint::Endpoint;
use ottla::Env;
use ottla_backends::bucket::{BucketBackend, BucketOptions, Report, check};
use ottla_broker_core::log::LogStorage as _;

/// Long enough for any machine: a test that reaches it has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// A number of the environment.
fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")))
}

/// Lets one more owner sweep, closes it, and gives what is there then.
async fn swept(place: &Endpoint) -> Report {
    let env = Env::system();
    let store = place.store("sweeper");
    let options = BucketOptions { take_over: true, ..place.log_options() };
    let owner = BucketBackend::open(store.clone(), place.prefix(), options, &env).await.unwrap();
    let sweeping = async {
        while !check(store.clone(), place.prefix(), &env).await.unwrap().unreachable.is_empty() {
            env.sleep(Duration::from_millis(20)).await;
        }
    };
    // What is left when it does not end is told by the last check.
    let _ = env.timeout(PATIENCE / 4, sweeping).await;
    owner.logs().close().await.unwrap();
    let report = check(store, place.prefix(), &env).await.unwrap();
    assert!(report.is_sound() && report.released, "{report}");
    assert!(report.unreachable.is_empty() && report.foreign.is_empty(), "{report}");
    report
}
