//! `s3://bucket/prefix`, `gs://bucket/prefix` and `az://container/prefix`.

mod options;
mod place;
mod store;

use std::io;
use std::sync::{Arc, OnceLock, Weak};

use object_store::ObjectStore;
use ottla_backends::bucket::{BucketBackend, BucketStorage, OpenError, Report};
use ottla_broker_core::config::BrokerConfig;
use ottla_broker_core::copy;
use ottla_broker_core::env::Env;
use ottla_broker_core::log::{self, ErrorKind};
use ottla_broker_core::planted::is_planted;
use tokio::runtime::{self, Handle, Runtime};
use tokio::sync::{oneshot, watch};

use super::error::Error;
use super::hold::Held;
use super::shared::{Beneath, Options, Places, Started};
use super::stats::Storage;
use super::url::Url;
use crate::cluster::embedded::Owner;
pub use options::{Addressing, ObjectStoreOptions, Secret};
pub(super) use options::{check, read};
use place::Place;
use store::Builder;

/// The objects of a bucket.
#[cfg(feature = "testing")]
pub(crate) type Objects = Arc<dyn ObjectStore>;

/// Which log: two ways to write one are equal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Site {
    scheme: &'static str,
    endpoint: String,
    place: Place,
}

impl Site {
    fn new(url: &Url, place: Place, builder: &Builder) -> Self {
        let endpoint = if is_planted("bucket-endpoint-not-looked-at") { String::new() } else { builder.endpoint() };
        Self { scheme: url.scheme.name(), endpoint, place }
    }
}

static OPEN: Places<Site, (BrokerConfig, ObjectStoreOptions)> = Places::new();

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
    let site = Site::new(url, place, &builder);
    let wanted = (config.clone(), options.clone());
    let start = |hold| async move {
        let store = build_apart(url, builder).await?;
        let backend = open_apart(url, store, prefix, options, env, hold).await?;
        let beneath = Box::new(Prefix(Arc::downgrade(backend.logs())));
        let storage = Storage::Bucket(Arc::downgrade(backend.logs()));
        let owner = super::start(backend.backend(), storage, config, env, &url.shown).await?;
        Ok(Started { owner, beneath })
    };
    OPEN.share(site, wanted, &url.shown, env, start).await
}

/// Where a URL points to, for a copy.
pub(super) fn locate(url: &Url, options: &ObjectStoreOptions) -> Result<Site, Error> {
    let place = Place::of(url)?;
    let builder = Builder::new(url, &place, options)?;
    Ok(Site::new(url, place, &builder))
}

/// The prefix, for a copy alone. One that must be there is not begun by that.
pub(super) async fn hold(
    url: &Url,
    site: Site,
    exists: bool,
    options: ObjectStoreOptions,
    env: &Env,
) -> Result<Held, crate::Error> {
    let mut reserved = OPEN.reserve(site.clone(), &url.shown, env).await?;
    let store = build_apart(url, Builder::new(url, &site.place, &options)?).await?;
    let prefix = site.place.prefix;
    if exists && !is_there(url, Arc::clone(&store), prefix.clone(), options.clone(), env).await? {
        return Err(copy::Error::Nothing.into());
    }
    let freed = reserved.taken((BrokerConfig::default(), options.clone()));
    let backend = open_apart(url, store, prefix, options, env, freed).await?;
    Ok(Held::new(backend.backend(), None, reserved))
}

/// What `work` comes to on the runtime of buckets, where it goes on to its end if this future is dropped.
async fn apart<T, F>(url: &Url, work: impl FnOnce(Handle) -> F) -> Result<T, Error>
where
    T: Send + 'static,
    F: Future<Output = Result<T, Error>> + Send + 'static,
{
    let started = RUNTIME.get_or_init(|| {
        let mut builder = runtime::Builder::new_multi_thread();
        builder.worker_threads(THREADS).thread_name("ottla-bucket").enable_all().build().map_err(Arc::new)
    });
    let unavailable =
        |what: String| Error::Storage { url: url.shown.clone(), source: log::Error::new(ErrorKind::Unavailable, what) };
    let apart = started.as_ref().map_err(|error| unavailable(format!("its threads cannot be started: {error}")))?;
    let apart = if is_planted("bucket-on-callers-runtime") { Handle::current() } else { apart.handle().clone() };
    let (told, done) = oneshot::channel();
    let work = work(apart.clone());
    apart.spawn(async move {
        // Whoever asked may be gone: then it is dropped here, and so ends.
        let _ = told.send(work.await);
    });
    done.await.map_err(|_| unavailable("the task that opens it has ended".to_owned()))?
}

/// The client of the store. Reads the certificates of the system: not on a thread of the service.
async fn build_apart(url: &Url, builder: Builder) -> Result<Arc<dyn ObjectStore>, Error> {
    let asked = url.clone();
    apart(url, |handle| async move { builder.build(&asked, handle) }).await
}

/// What is under the prefix, whoever has it.
pub(super) async fn verify(url: &Url, options: &ObjectStoreOptions, env: &Env) -> Result<Report, Error> {
    let place = Place::of(url)?;
    let store = build_apart(url, Builder::new(url, &place, options)?).await?;
    let (asked, env) = (url.clone(), env.clone());
    let checking = async move {
        let checked = ottla_backends::bucket::check(store, &place.prefix, &env).await;
        checked.map_err(|error| refused(&asked, error))
    };
    apart(url, |_| checking).await
}

async fn is_there(
    url: &Url,
    store: Arc<dyn ObjectStore>,
    prefix: String,
    options: ObjectStoreOptions,
    env: &Env,
) -> Result<bool, Error> {
    if is_planted("copy-begins-its-source") {
        return Ok(true);
    }
    let (asked, env) = (url.clone(), env.clone());
    let looking = async move {
        let found = BucketBackend::is_there(store, &prefix, &options.log, &env).await;
        found.map_err(|error| refused(&asked, error))
    };
    apart(url, |_| looking).await
}

/// Opens it. If this future is dropped, what was opened ends by itself and gives the prefix back; `hold` is dropped
/// then.
async fn open_apart(
    url: &Url,
    store: Arc<dyn ObjectStore>,
    prefix: String,
    options: ObjectStoreOptions,
    env: &Env,
    hold: watch::Sender<()>,
) -> Result<BucketBackend, Error> {
    let (asked, env) = (url.clone(), env.clone());
    let opening = async move {
        let opened = BucketBackend::open_held(store, &prefix, options.log, &env, hold).await;
        opened.map_err(|error| refused(&asked, error))
    };
    apart(url, |_| opening).await
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
