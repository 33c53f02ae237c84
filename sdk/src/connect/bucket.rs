//! `s3://bucket/prefix`, `gs://bucket/prefix` and `az://container/prefix`.

mod options;
mod place;
mod store;

use std::io;
use std::sync::{Arc, OnceLock, Weak};

use ottla_backends::bucket::{BucketBackend, BucketStorage, OpenError};
use ottla_broker_core::config::BrokerConfig;
use ottla_broker_core::env::Env;
use ottla_broker_core::log::{self, ErrorKind};
use ottla_broker_core::planted::is_planted;
use tokio::runtime::{self, Handle, Runtime};
use tokio::sync::{oneshot, watch};

use super::error::Error;
use super::shared::{Beneath, Options, Places, Started};
use super::stats::Storage;
use super::url::Url;
use crate::cluster::embedded::Owner;
pub use options::{Addressing, ObjectStoreOptions, Secret};
pub(super) use options::{check, read};
use place::Place;
use store::Builder;

/// By scheme, endpoint, bucket and prefix.
static OPEN: Places<(&'static str, String, Place), (BrokerConfig, ObjectStoreOptions)> = Places::new();

/// Where the requests of all buckets run, and the tasks of their storages: whoever blocks or ends a runtime of their own
/// does not lose the lease, or the connections that other runtimes of the process use.
static RUNTIME: OnceLock<Result<Runtime, Arc<io::Error>>> = OnceLock::new();

/// Requests are mostly waited for; compaction and checksums are what takes time.
const THREADS: usize = 2;

/// A share of the broker under that prefix; this process's, or an error.
pub(super) async fn open(
    url: &Url,
    config: BrokerConfig,
    options: ObjectStoreOptions,
    env: &Env,
) -> Result<Arc<Owner>, Error> {
    let place = Place::of(url)?;
    let builder = Builder::new(url, &place, &options)?;
    let prefix = place.prefix.clone();
    let endpoint = if is_planted("bucket-endpoint-not-looked-at") { String::new() } else { builder.endpoint() };
    let wanted = (config.clone(), options.clone());
    let start = |hold| async move {
        let backend = open_apart(url, builder, prefix, options, env, hold).await?;
        let beneath = Box::new(Prefix(Arc::downgrade(backend.logs())));
        let storage = Storage::Bucket(Arc::downgrade(backend.logs()));
        let owner = super::start(backend.backend(), storage, config, env, &url.shown).await?;
        Ok(Started { owner, beneath })
    };
    OPEN.share((url.scheme.name(), endpoint, place), wanted, &url.shown, env, start).await
}

/// Opens it on the runtime of buckets. If this future is dropped, what was opened ends by itself there and gives the
/// prefix back; `hold` is dropped then.
async fn open_apart(
    url: &Url,
    builder: Builder,
    prefix: String,
    options: ObjectStoreOptions,
    env: &Env,
    hold: watch::Sender<()>,
) -> Result<BucketBackend, Error> {
    let started = RUNTIME.get_or_init(|| {
        let mut builder = runtime::Builder::new_multi_thread();
        builder.worker_threads(THREADS).thread_name("ottla-bucket").enable_all().build().map_err(Arc::new)
    });
    let unavailable =
        |what: String| Error::Storage { url: url.shown.clone(), source: log::Error::new(ErrorKind::Unavailable, what) };
    let apart = started.as_ref().map_err(|error| unavailable(format!("its threads cannot be started: {error}")))?;
    let (told, opened) = oneshot::channel();
    let apart = if is_planted("bucket-on-callers-runtime") { Handle::current() } else { apart.handle().clone() };
    let (asked, env, handle) = (url.clone(), env.clone(), apart.clone());
    apart.spawn(async move {
        let opened = async {
            // Reads the certificates of the system: not on a thread of the service.
            let store = builder.build(&asked, handle)?;
            let opened = BucketBackend::open_held(store, &prefix, options.log, &env, hold).await;
            opened.map_err(|error| refused(&asked, error))
        };
        // Whoever asked may be gone: then it is dropped here, and so ends.
        let _ = told.send(opened.await);
    });
    opened.await.map_err(|_| unavailable("the task that opens it has ended".to_owned()))?
}

/// The storage under a prefix; whoever asks does not keep it open.
#[derive(Debug)]
struct Prefix(Weak<BucketStorage>);

impl Beneath for Prefix {
    fn poisoned(&self) -> Option<log::Error> {
        self.0.upgrade().and_then(|storage| storage.poisoned())
    }
}

fn refused(url: &Url, error: OpenError) -> Error {
    let url = url.shown.clone();
    match error {
        OpenError::InUse { owner, .. } => Error::InUse {
            url,
            reason: format!(
                "it is in use by {owner}, which lives: clients of one process share a broker, so close the other \
                 process, use another prefix, or take it over (`take_over`)"
            ),
        },
        OpenError::Log { source, .. } => Error::Storage { url, source },
        other => Error::Storage { url, source: log::Error::new(ErrorKind::Unavailable, other.to_string()) },
    }
}

impl Options for (BrokerConfig, ObjectStoreOptions) {
    fn difference(&self, wanted: &Self) -> Option<String> {
        self.0.difference(&wanted.0).or_else(|| self.1.difference(&wanted.1))
    }
}
