//! Who gets which broker.
#![cfg(feature = "memory")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use ottla_broker_core::config::BrokerConfig;
use ottla_broker_core::env::Env;
use ottla_broker_core::log::{self, ErrorKind};
use tokio::sync::watch;

use crate::connect::Storage;

use super::{Beneath, Error, Owner, Places, Started};

const PATIENCE: Duration = Duration::from_secs(5);

/// A storage that fails when told.
#[derive(Clone, Debug, Default)]
struct Failing(Arc<AtomicBool>);

impl Beneath for Failing {
    fn poisoned(&self) -> Option<log::Error> {
        let failed = self.0.load(Ordering::SeqCst);
        failed.then(|| log::Error::new(ErrorKind::Poisoned, "a write to the journal failed"))
    }
}

#[derive(Default)]
struct Bench {
    places: Places<u32, BrokerConfig>,
    failing: Failing,
    starts: AtomicU32,
}

impl<K: Ord> Default for Places<K, BrokerConfig> {
    fn default() -> Self {
        Self(Default::default())
    }
}

impl Bench {
    /// Connects; whoever has the place keeps `kept` until it is dropped.
    async fn connect(&self, kept: &std::sync::Mutex<Option<watch::Sender<()>>>) -> Result<Arc<Owner>, Error> {
        let env = Env::system();
        let config = BrokerConfig::default();
        let start = async |hold| {
            self.starts.fetch_add(1, Ordering::SeqCst);
            self.failing.0.store(false, Ordering::SeqCst);
            *kept.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(hold);
            let owner = crate::connect::start(
                ottla_backends::memory::backend(),
                Storage::Uncounted,
                config.clone(),
                &env,
                "here",
            )
            .await?;
            Ok(Started { owner, beneath: Box::new(self.failing.clone()) })
        };
        self.places.share(1, config.clone(), "file:///here", &env, start).await
    }

    fn poison(&self) {
        self.failing.0.store(true, Ordering::SeqCst);
    }
}

fn told(error: &Error) {
    assert!(matches!(error, Error::Poisoned { .. }) && error.is_retriable(), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("file:///here") && text.contains("a write to the journal failed"), "{text}");
    assert!(text.contains("close all clients of it in this process, then connect anew"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_poisoned_storage_takes_no_newcomer_and_is_opened_anew_when_the_last_has_gone() {
    let (bench, kept) = (Bench::default(), std::sync::Mutex::default());
    let one = bench.connect(&kept).await.unwrap();
    let two = bench.connect(&kept).await.unwrap();
    assert!(Arc::ptr_eq(&one, &two));
    bench.poison();
    told(&bench.connect(&kept).await.unwrap_err());
    drop(one);
    told(&bench.connect(&kept).await.unwrap_err());
    // The last one closes.
    two.broker.close(PATIENCE).await.unwrap();
    drop(two);
    drop(kept.lock().unwrap().take());
    assert_eq!(bench.starts.load(Ordering::SeqCst), 1);
    bench.connect(&kept).await.unwrap();
    assert_eq!(bench.starts.load(Ordering::SeqCst), 2, "it is another one");
}

#[tokio::test(start_paused = true)]
async fn what_was_left_open_of_a_poisoned_storage_is_told_too() {
    let (bench, kept) = (Bench::default(), std::sync::Mutex::default());
    let one = bench.connect(&kept).await.unwrap();
    bench.poison();
    // No client is left, but something of it (a producer, say) still has the directory.
    drop(one);
    told(&bench.connect(&kept).await.unwrap_err());
    drop(kept.lock().unwrap().take());
    bench.connect(&kept).await.unwrap();
}
