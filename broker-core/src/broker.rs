//! A broker: takes requests as values and answers them from the partitions that it leads.
//!
//! ```text
//!             ┌── admin ──► metadata writer ──► image ──► routes (name → partition), swapped whole
//!  request ───┤                                             │
//!             └── data ─────────────────────────────────────┴──► Partition ──► PartitionLog
//! ```
//!
//! What the metadata says comes first, and the broker follows: a topic is created when its command is
//! in the metadata log, and its partitions are opened after that. Whatever fails in between is made good
//! by the next who looks. There is no task and no timer per partition.
//!
//! Of two brokers with one id on one storage, the one that registered last is the broker. It leads at
//! higher epochs, so the storage fences the other, which finds its registration replaced as soon as it
//! asks the metadata, and leads nothing from then on. What it answers then is retriable, and sends a client that
//! can reach the other one there.

mod adopt;
mod close;
mod configs;
mod credentials;
mod describe;
mod discovery;
mod groups;
mod housekeeping;
mod peer;
mod produce;
mod producer_ids;
mod reads;
mod repair;
mod routes;
mod topics;

pub use credentials::{DescribedScram, ScramChange};
pub use describe::Elected;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock, Weak};

use tokio::sync::{Mutex, watch};
use uuid::Uuid;

use crate::api::{Error, ErrorCode};
use crate::config::BrokerConfig;
use crate::env::Env;
use crate::ids::{BrokerId, PartitionId, TopicName};
use crate::log;
use crate::metadata::{Command, Decision, Image, Registration, TopicElections, Writer};
use crate::planted::is_planted;
use crate::producer::Budget;
use groups::Groups;
use producer_ids::ProducerIds;
use repair::Repair;
use routes::Routes;

/// A broker on one [`log::Backend`].
///
/// Methods take `&self`; share it by [`Arc`]. An outer error of an answer is about the whole request,
/// each inner one about its topic or partition alone.
///
/// It runs no task of its own: whoever embeds it runs [`run_housekeeping`](Self::run_housekeeping).
/// Dropping it without [`close`](Self::close) is a crash: everything acknowledged is kept, and nothing
/// else is promised.
pub struct Broker {
    me: Weak<Self>,
    /// As it was started; what was altered since is in the image.
    config: BrokerConfig,
    backend: log::Backend,
    env: Env,
    incarnation: Uuid,
    cluster_id: Arc<str>,
    writer: Writer,
    routes: RwLock<Arc<Routes>>,
    /// Held while the routes follow the image.
    adopting: Mutex<()>,
    /// Topics that changed since their partitions were last opened and closed.
    unsettled: std::sync::Mutex<BTreeSet<TopicName>>,
    /// Logs of deleted topics that are still to be removed.
    doomed: std::sync::Mutex<Vec<PartitionId>>,
    producer_ids: ProducerIds,
    /// Over all partitions.
    producers: Arc<Budget>,
    repair: Repair,
    groups: Groups,
    /// Another broker has registered under this id.
    superseded: AtomicBool,
    /// Counts fetches, to begin each with another partition.
    fetches: AtomicUsize,
    housekeeping: Mutex<()>,
    closed: watch::Sender<bool>,
    /// What came of closing.
    outcome: Mutex<Option<Result<(), Error>>>,
}

impl std::fmt::Debug for Broker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Broker")
            .field("id", &self.id())
            .field("cluster_id", &self.cluster_id)
            .field("topics", &self.routes().topics.len())
            .field("closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}

impl Broker {
    /// Starts a broker: replays the metadata, registers, takes every partition that it leads to a new
    /// leader epoch in one append, and opens them by one call of the storage. Logs that no topic has any more
    /// are removed. A partition that cannot be opened does not keep the others from it: it answers a
    /// retriable error and is tried again.
    ///
    /// # Errors
    /// What the metadata or the storage failed with; `INVALID_REQUEST` on an unfinished [copy](mod@crate::copy).
    pub async fn start(config: BrokerConfig, backend: log::Backend, env: Env) -> Result<Arc<Self>, Error> {
        // Before the metadata is read: a topic is in the metadata before its logs are in the storage, so
        // a log in this list that no topic of the image has is one whose topic is gone.
        let listed = backend.logs.list().await?;
        let writer = Writer::load(Arc::clone(&backend.metadata), env.clone(), config.id()).await?;
        let registration = Registration {
            id: config.id(),
            incarnation: env.uuid(),
            host: String::new(),
            port: 0,
            rack: config.rack().map(str::to_owned),
        };
        let new_cluster = env.uuid().simple().to_string();
        let (_, image) = writer.commit(|image| join(image, &registration, &new_cluster)).await?;

        let orphans = listed.into_iter().filter(|id| !has(&image, *id)).collect();
        let broker = Arc::new_cyclic(|me| Self {
            me: Weak::clone(me),
            backend,
            incarnation: registration.incarnation,
            cluster_id: Arc::clone(image.cluster_id()),
            writer,
            routes: RwLock::default(),
            adopting: Mutex::new(()),
            unsettled: std::sync::Mutex::default(),
            doomed: std::sync::Mutex::new(orphans),
            producer_ids: ProducerIds::default(),
            producers: Budget::new(config.producer_id_limit()),
            repair: Repair::default(),
            groups: Groups::default(),
            superseded: AtomicBool::new(false),
            fetches: AtomicUsize::new(0),
            housekeeping: Mutex::new(()),
            closed: watch::Sender::new(false),
            outcome: Mutex::new(None),
            config,
            env,
        });
        broker.adopt().await?;
        let (id, cluster, topics) = (broker.id(), &broker.cluster_id, broker.routes().topics.len());
        tracing::info!(broker = %id, %cluster, topics, "the broker has started");
        Ok(broker)
    }

    /// Its id.
    #[must_use]
    pub const fn id(&self) -> BrokerId {
        self.config.id()
    }

    /// The cluster's id.
    #[must_use]
    pub const fn cluster_id(&self) -> &Arc<str> {
        &self.cluster_id
    }

    /// The world that it runs in.
    #[must_use]
    pub const fn env(&self) -> &Env {
        &self.env
    }

    /// The configs that it was started with.
    #[must_use]
    pub const fn config(&self) -> &BrokerConfig {
        &self.config
    }

    /// What an acknowledged write has reached.
    #[must_use]
    pub fn durability(&self) -> log::Durability {
        self.backend.logs.durability()
    }

    /// Whether [`close`](Self::close) was called.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        *self.closed.borrow()
    }

    /// Whether another broker was started under its id on the same storage. It serves no more.
    #[must_use]
    pub fn is_superseded(&self) -> bool {
        self.superseded.load(Ordering::Acquire)
    }

    /// How many idempotent producers its partitions remember; `producer.id.limit` bounds it.
    #[must_use]
    pub fn remembered_producers(&self) -> usize {
        self.producers.used()
    }

    fn routes(&self) -> Arc<Routes> {
        Arc::clone(&self.routes.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn next_first(&self) -> usize {
        self.fetches.fetch_add(1, Ordering::Relaxed)
    }

    /// # Errors
    /// `BROKER_NOT_AVAILABLE` once closed.
    fn check_open(&self) -> Result<(), Error> {
        if self.is_closed() {
            let message = format!("broker {} is closed: connect again for a new one", self.id());
            return Err(Error::new(ErrorCode::BrokerNotAvailable, message));
        }
        Ok(())
    }

    /// # Errors
    /// As [`check_open`](Self::check_open); `elsewhere` once superseded, as
    /// [`superseded_error`](Self::superseded_error) says.
    fn check_serving(&self, elsewhere: ErrorCode) -> Result<(), Error> {
        self.check_open()?;
        if self.is_superseded() { Err(self.superseded_error(elsewhere)) } else { Ok(()) }
    }

    /// Sends a client to the broker that took over: `elsewhere` is the retriable code after which a client of this
    /// request looks for another broker. Never `STALE_BROKER_EPOCH`, which brokers tell each other: a client takes it
    /// for final, and Kafka's broker that hears it is gone for its clients, and tells them nothing.
    fn superseded_error(&self, elsewhere: ErrorCode) -> Error {
        let id = self.id();
        let code = if is_planted("superseded-broker-is-fatal") { ErrorCode::StaleBrokerEpoch } else { elsewhere };
        Error::new(code, format!("broker {id} was started again on the same storage, and this one leads no more"))
    }

    /// Changes the metadata, and follows it.
    ///
    /// # Errors
    /// What `decide` refused, what the metadata log failed with; `NOT_CONTROLLER` once superseded.
    async fn change<T: Send>(
        &self,
        mut decide: impl FnMut(&Image) -> Result<Decision<T>, Error> + Send,
    ) -> Result<T, Error> {
        self.check_serving(ErrorCode::NotController)?;
        let committed = self
            .writer
            .commit(|image| {
                self.check_registered(image)?;
                decide(image)
            })
            .await;
        // Also after an error: the writer may have learnt what others did.
        self.adopt().await?;
        Ok(committed?.0)
    }

    /// # Errors
    /// `NOT_CONTROLLER` if somebody else registered under this id.
    fn check_registered(&self, image: &Image) -> Result<(), Error> {
        let registered = image.registration(self.id()).map(|registration| registration.incarnation);
        if registered == Some(self.incarnation) || is_planted("old-broker-keeps-acknowledging") {
            return Ok(());
        }
        if !self.superseded.swap(true, Ordering::AcqRel) {
            tracing::warn!(broker = %self.id(), "another broker has registered under this id: this one stops leading");
        }
        Err(self.superseded_error(ErrorCode::NotController))
    }
}

/// What a starting broker puts into the metadata.
///
/// # Errors
/// `INVALID_REQUEST` on an unfinished copy: it lacks records, and what was written here would be in their place.
fn join(image: &Image, registration: &Registration, new_cluster: &str) -> Result<Decision<()>, Error> {
    if image.is_unfinished_copy() && !is_planted("unfinished-copy-opened") {
        let message = format!(
            "this is an unfinished copy of cluster {}: run `copy` from the same source to the end first",
            image.cluster_id()
        );
        return Err(Error::new(ErrorCode::InvalidRequest, message));
    }
    let mut commands = Vec::new();
    if image.cluster_id().is_empty() {
        commands.push(Command::CreateCluster { id: new_cluster.to_owned() });
    }
    commands.push(Command::RegisterBroker(registration.clone()));
    if !is_planted("epoch-not-bumped-on-open") {
        let topics = image.topics().filter_map(|topic| {
            let metadata = &topic.metadata;
            let mine = metadata.partitions.iter().filter(|partition| partition.leader == Some(registration.id));
            let elections: Vec<_> = mine.map(repair::reelected).collect();
            (!elections.is_empty()).then(|| TopicElections { topic: metadata.id, elections })
        });
        let topics: Vec<_> = topics.collect();
        if !topics.is_empty() {
            commands.push(Command::ElectLeaders { topics });
        }
    }
    Ok(Decision { commands, answer: () })
}

/// Whether `image` has this partition.
fn has(image: &Image, id: PartitionId) -> bool {
    let partitions = image.topic_by_id(id.topic).map_or(0, |topic| topic.metadata.partitions.len());
    usize::try_from(id.partition).is_ok_and(|partition| partition < partitions)
}
