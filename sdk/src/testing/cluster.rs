//! A cluster that fails when told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use ottla_broker_core::api::{Error, ErrorCode};
use ottla_broker_core::broker::Broker;
use ottla_broker_core::config::BrokerConfig;
use ottla_broker_core::env::{Env, Watched};
use ottla_broker_core::log::Durability;
use ottla_broker_core::{BrokerId, InvalidTopicName, TopicName, TopicPartition};

use super::clock::TestClock;
use super::counts::FaultCounts;
use super::faults::{Call, Faults, Survives};
use super::running::Running;
use super::world::World;
use crate::client::{Builder as ClientBuilder, Client};
use crate::cluster::Cluster;
use crate::cluster::embedded::{Embedded, Owner};
#[cfg(feature = "disk")]
use crate::connect::DiskOptions;
use crate::connect::crashable::{Crashable, Kind};

/// The broker that leads unless it was moved, and where a moved leader goes: the same broker under another name.
const FACES: [BrokerId; 2] = [BrokerId(0), BrokerId(1)];

/// A real broker, in memory unless told otherwise, with trouble between it and its clients, and beneath it.
///
/// Clones are one cluster. Time, chance and tasks are those of its [`World`]: under a paused clock the same seed gives
/// the same run.
#[derive(Clone, Debug)]
pub struct TestCluster {
    pub(super) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(super) struct Inner {
    world: World,
    pub(super) env: Env,
    clock: TestClock,
    config: BrokerConfig,
    pub(super) storage: Crashable,
    pub(super) faults: Faults,
    state: Mutex<State>,
    held: Arc<Watched<bool>>,
    /// One broker starts at a time.
    starting: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    current: Option<Arc<Running>>,
    /// Replaced, and running on.
    old: Vec<Arc<Running>>,
    /// Requests in 1,000 that reach an old one.
    to_old: u32,
    moved: BTreeSet<TopicPartition>,
    counts: FaultCounts,
    /// How often brokers refused, themselves.
    refusals: BTreeMap<(Call, ErrorCode), u64>,
    /// Batches of idempotent producers that a broker said were written.
    written: BTreeSet<Written>,
}

/// A batch of an idempotent producer: partition, producer, epoch, first sequence.
pub(super) type Written = (TopicPartition, i64, i16, i32);

/// Says what a [`TestCluster`] is like. From [`TestCluster::builder`].
#[derive(Clone, Debug)]
#[must_use = "nothing runs before `start`"]
pub struct Builder {
    world: World,
    configs: BTreeMap<String, String>,
    commit_delay: Duration,
    pub(super) kind: Kind,
    capacity_bytes: Option<usize>,
}

impl Builder {
    /// Sets a broker config, by Kafka's name.
    pub fn broker_config(mut self, name: impl Into<String>, value: impl ToString) -> Self {
        self.configs.insert(name.into(), value.to_string());
        self
    }

    /// How long a write takes to be durable, at most; the seed picks each time. 2 ms by default.
    pub const fn commit_delay(mut self, limit: Duration) -> Self {
        self.commit_delay = limit;
        self
    }

    /// What receipts say that a write has reached; [`Durability::Fsync`] by default, as a crash loses nothing that was
    /// acknowledged.
    pub fn durability(mut self, durability: Durability) -> Self {
        self.kind = Kind::Memory(durability);
        self
    }

    /// Runs it on the disk backend, over files in memory that can crash. All its brokers are one machine then: a
    /// [`crash`](TestCluster::crash) takes the replaced ones with it, and the next start recovers from what the files are
    /// left in; metadata and snapshots take as long to be durable as records do. Receipts say what `options` say.
    #[cfg(feature = "disk")]
    pub fn on_disk(mut self, options: DiskOptions) -> Self {
        self.kind = Kind::Disk(options);
        self
    }

    /// Bytes of batches that the storage holds (on a disk, of its files); more is an error as a full disk's. No bound by
    /// default, and none for a bucket.
    pub const fn capacity_bytes(mut self, bytes: usize) -> Self {
        self.capacity_bytes = Some(bytes);
        self
    }

    /// Starts the broker.
    ///
    /// # Errors
    /// [`Config`](crate::Error::Config), or what the broker said.
    pub async fn start(self) -> Result<TestCluster, crate::Error> {
        let config = BrokerConfig::from_entries(&self.configs)
            .map_err(|error| crate::config::Error::Broker { message: error.to_string() })?;
        #[cfg(feature = "object-store")]
        super::bucket::check(&self.kind, self.capacity_bytes)?;
        let env = self.world.fork();
        let storage = Crashable::new(&env, self.kind, self.capacity_bytes, self.commit_delay);
        let inner = Arc::new(Inner {
            clock: self.world.clock(),
            faults: Faults::new(env.clone()),
            world: self.world,
            storage,
            config,
            state: Mutex::default(),
            held: Arc::default(),
            starting: tokio::sync::Mutex::default(),
            env: env.clone(),
        });
        env.spawn("testing-medium", commit(Arc::downgrade(&inner), env.clone(), self.commit_delay));
        let cluster = TestCluster { inner };
        cluster.start_broker(false).await?;
        cluster.inner.state().counts.restarts = 0;
        Ok(cluster)
    }
}

impl Drop for Inner {
    /// Lets its task see that it is gone.
    fn drop(&mut self) {
        self.held.set(false);
        self.storage.hold(false);
    }
}

/// Makes durable what was appended, some time after.
async fn commit(cluster: Weak<Inner>, env: Env, delay: Duration) {
    let most = u64::try_from(delay.as_micros()).unwrap_or(u64::MAX);
    loop {
        let Some(inner) = cluster.upgrade() else { return };
        let held = Arc::clone(&inner.held);
        // Not for ever in one go: this task must not keep what it waits for alive.
        let appended = env.timeout(Duration::from_secs(5), inner.storage.appended()).await;
        drop(inner);
        if appended.is_err() {
            continue;
        }
        if most > 0 {
            env.sleep(Duration::from_micros(env.random_below(most.saturating_add(1)))).await;
        }
        held.wait_for(|held| !*held).await;
        if let Some(inner) = cluster.upgrade() {
            inner.storage.commit();
        }
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn count(&self, count: impl FnOnce(&mut FaultCounts)) {
        count(&mut self.state().counts);
    }

    pub(super) fn refused(&self, call: Call, code: ErrorCode) {
        *self.state().refusals.entry((call, code)).or_default() += 1;
    }

    pub(super) fn wrote(&self, batch: Written) {
        let mut state = self.state();
        if !state.written.insert(batch) {
            state.counts.duplicates_answered += 1;
        }
    }

    /// The broker that gets a request: by chance an old one, for a call that a client may send to one.
    pub(super) fn route(&self, call: Call) -> Result<Arc<Running>, Error> {
        let mut state = self.state();
        let may_be_stale = matches!(call, Call::Produce | Call::Fetch | Call::OffsetCommit | Call::Heartbeat);
        if may_be_stale && !state.old.is_empty() && self.env.random_below(1000) < u64::from(state.to_old) {
            let which = usize::try_from(self.env.random_below(state.old.len() as u64)).unwrap_or(0);
            if let Some(old) = state.old.get(which).cloned() {
                state.counts.sent_to_old += 1;
                return Ok(old);
            }
        }
        if state.current.is_none() {
            state.counts.unreachable += 1;
        }
        state.current.clone().ok_or_else(|| lost("no broker runs"))
    }

    /// Whether `partition` is led by another face of the broker than `asked`.
    pub(super) fn is_elsewhere(&self, partition: &TopicPartition, asked: BrokerId) -> bool {
        self.leader(partition) != asked
    }

    pub(super) fn leader(&self, partition: &TopicPartition) -> BrokerId {
        let [here, there] = FACES;
        if self.state().moved.contains(partition) { there } else { here }
    }

    pub(super) fn anything_moved(&self) -> bool {
        !self.state().moved.is_empty()
    }
}

pub(super) fn lost(why: &str) -> Error {
    Error::new(ErrorCode::NetworkException, format!("the connection to the broker was lost: {why}"))
}

impl TestCluster {
    /// A cluster with the defaults.
    ///
    /// # Errors
    /// What the broker said.
    pub async fn start(world: &World) -> Result<Self, crate::Error> {
        Self::builder(world).start().await
    }

    /// Says more.
    pub fn builder(world: &World) -> Builder {
        Builder {
            world: world.clone(),
            configs: BTreeMap::new(),
            commit_delay: Duration::from_millis(2),
            kind: Kind::Memory(Durability::Fsync),
            capacity_bytes: None,
        }
    }

    /// A client of it, as a process of its own would have.
    ///
    /// # Errors
    /// None today.
    pub async fn client(&self) -> Result<Client, crate::Error> {
        self.client_builder().connect().await
    }

    /// A client of it, to be told more.
    pub fn client_builder(&self) -> ClientBuilder {
        Client::builder().cluster(self.cluster()).env(self.inner.world.fork())
    }

    /// As the SDK sees it.
    #[must_use]
    pub fn cluster(&self) -> Arc<dyn Cluster> {
        Arc::new(self.clone())
    }

    /// The broker that leads, if one runs.
    #[must_use]
    pub fn broker(&self) -> Option<Arc<Broker>> {
        self.inner.state().current.as_ref().map(|running| Arc::clone(&running.broker))
    }

    /// The brokers' clock: its wall time can be made wrong.
    #[must_use]
    pub fn clock(&self) -> &TestClock {
        &self.inner.clock
    }

    async fn start_broker(&self, takes_over: bool) -> Result<Arc<Running>, crate::Error> {
        let inner = &self.inner;
        let process = inner.world.process();
        let env = inner.world.fork().with_clock(Arc::new(inner.clock.clone())).with_spawner(Arc::new(process.clone()));
        let opened = inner.storage.session(&env, takes_over).await;
        let session = opened.map_err(|source| crate::Error::cluster("open the storage of the test", source.into()))?;
        let broker = Broker::start(inner.config.clone(), session.backend(), env.clone())
            .await
            .map_err(|source| crate::Error::cluster("start the broker of the test", source))?;
        let owner = Arc::new(Owner::uncounted(Arc::clone(&broker)));
        let cluster = Embedded::new(Arc::clone(&broker), Some(owner), &env).among_others();
        let running = Arc::new(Running::new(cluster, broker, session, process));
        let mut state = inner.state();
        state.counts.restarts += 1;
        state.current = Some(Arc::clone(&running));
        Ok(running)
    }

    /// Moves a partition's leader to the other of two brokers, or back: requests to the former one fail with
    /// `NOT_LEADER_OR_FOLLOWER` until their client has asked for the metadata again.
    ///
    /// # Errors
    /// For what is no topic's name.
    pub fn move_leader(&self, topic: impl AsRef<str>, partition: i32) -> Result<(), InvalidTopicName> {
        let partition = TopicPartition::new(TopicName::new(topic)?, partition);
        let mut state = self.inner.state();
        state.counts.moves += 1;
        if !state.moved.remove(&partition) {
            state.moved.insert(partition);
        }
        Ok(())
    }

    /// Nothing more becomes durable, and so nothing is acknowledged, until
    /// [`release_commits`](Self::release_commits): what is written meanwhile a crash may lose.
    pub fn hold_commits(&self) {
        self.inner.held.set(true);
        self.inner.storage.hold(true);
    }

    /// Ends [`hold_commits`](Self::hold_commits).
    pub fn release_commits(&self) {
        self.inner.held.set(false);
        self.inner.storage.hold(false);
    }

    /// The broker dies, and with it every request under way; of what was not durable that stays which `survives`.
    /// Clients hear `NETWORK_EXCEPTION` until [`restart`](Self::restart).
    pub fn crash(&self, survives: Survives) {
        let died = {
            let mut state = self.inner.state();
            state.counts.crashes += u64::from(state.current.is_some());
            state.current.take()
        };
        if let Some(died) = died {
            if self.inner.storage.is_one_machine() {
                let old = std::mem::take(&mut self.inner.state().old);
                old.iter().for_each(|old| old.end());
            }
            let lost = died.die(survives, &self.inner.env);
            self.inner.count(|counts| counts.bytes_lost += lost);
        }
    }

    /// Starts a broker on what the last one left. Does nothing while one runs.
    ///
    /// # Errors
    /// What the broker said: with faults of the storage it may not start.
    pub async fn restart(&self) -> Result<(), crate::Error> {
        let _turn = self.inner.starting.lock().await;
        if self.broker().is_none() {
            self.start_broker(false).await?;
        }
        Ok(())
    }

    /// Why the storage of the broker that leads takes nothing more until it is opened anew, by a
    /// [`restart`](Self::restart) after a [`crash`](Self::crash): a write to its disk failed, or its bucket did not answer
    /// for too long or was taken over. `None` in memory.
    #[must_use]
    pub fn poisoned(&self) -> Option<String> {
        let running = self.inner.state().current.clone()?;
        running.poisoned().map(|error| error.to_string())
    }

    /// What a supervisor does: if the storage of the broker that leads is [`poisoned`](Self::poisoned), the broker is
    /// killed, and started again. Says whether it was.
    ///
    /// # Errors
    /// As [`restart`](Self::restart)'s: then none runs.
    pub async fn restart_poisoned(&self) -> Result<bool, crate::Error> {
        let _turn = self.inner.starting.lock().await;
        if self.poisoned().is_none() {
            return Ok(false);
        }
        self.crash(Survives::Chance);
        self.start_broker(false).await?;
        Ok(true)
    }

    /// Starts a second broker on the same storage, which takes over, while the first runs on and does not know:
    /// as after a pause that was too long. `in_thousand` of the requests still reach the first.
    ///
    /// # Errors
    /// What the broker said; then the first goes on, unless its [bucket](Builder::on_bucket) was taken over before.
    pub async fn supersede(&self, in_thousand: u32) -> Result<(), crate::Error> {
        let _turn = self.inner.starting.lock().await;
        let old = self.inner.state().current.clone();
        let running = self.start_broker(true).await?;
        let mut state = self.inner.state();
        if let Some(old) = old.filter(|old| !Arc::ptr_eq(old, &running)) {
            state.counts.superseded += 1;
            state.old.push(old);
        }
        state.to_old = in_thousand;
        Ok(())
    }

    /// Kills the brokers that were replaced. Their disk, if there is one, goes on with whoever replaced them.
    pub fn kill_superseded(&self, survives: Survives) {
        let old = std::mem::take(&mut self.inner.state().old);
        for old in old {
            if self.inner.storage.is_one_machine() {
                old.end();
                continue;
            }
            let lost = old.die(survives, &self.inner.env);
            self.inner.count(|counts| counts.bytes_lost += lost);
        }
    }

    /// No more trouble: faults, scripts, chances, wrong clocks, held commits and old brokers are gone. A broker that died
    /// stays dead, and leaders that moved stay where they are.
    pub fn heal(&self) {
        self.inner.faults.heal();
        self.inner.storage.heal();
        self.inner.clock.set_skew_ms(0);
        self.release_commits();
        self.kill_superseded(Survives::All);
    }

    /// How often each trouble came.
    #[must_use]
    pub fn counts(&self) -> FaultCounts {
        FaultCounts { recovered: self.inner.storage.recoveries(), ..self.inner.state().counts }
    }

    /// How often the brokers themselves refused a request, or a part of it, with this code. Faults do not count.
    #[must_use]
    pub fn refusals(&self, call: Call, code: ErrorCode) -> u64 {
        self.inner.state().refusals.get(&(call, code)).copied().unwrap_or(0)
    }

    /// Closes the brokers in good order, within ten seconds.
    ///
    /// # Errors
    /// What could not be made durable.
    pub async fn shutdown(&self) -> Result<(), crate::Error> {
        self.heal();
        let current = self.inner.state().current.take();
        let Some(running) = current else { return Ok(()) };
        let closed = running.cluster.close(Duration::from_secs(10)).await;
        running.end();
        closed.map_err(|source| crate::Error::cluster("close the broker of the test", source))
    }
}
