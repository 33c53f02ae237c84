//! Where the suite's logs lie.

use std::sync::Arc;

use object_store::memory::InMemory;
use ottla::connect::{ObjectStoreOptions, Secret};
use ottla::{Client, ClientBuilder, Env};
use ottla_backends::bucket::{BucketBackend, BucketOptions};
use ottla_backends::disk::{DiskBackend, DiskOptions};
use ottla_backends::memory::{MemoryBackend, MemoryOptions};
use ottla_broker_core::broker::Broker;
use ottla_broker_core::config::BrokerConfig;
use ottla_broker_core::log::Backend;
use ottla_server::Server;
use ottla_tests::s3::{Options, S3Server};
use tempfile::TempDir;

use crate::bucket::endpoint::Endpoint;
use crate::bucket::trouble::Trouble;

/// Somewhere to keep the log of one test.
pub(super) trait Place: Sized {
    /// The tasks that its storage has beside the broker's, on the client's `Env`.
    const STORAGE_TASKS: usize = 0;

    /// An empty one.
    fn fresh() -> Self;
    /// How a service connects to it. Once more, after the first client was closed, is a restart: what was
    /// acknowledged must be there.
    async fn builder(&self) -> ClientBuilder;

    /// Connects with the defaults.
    async fn connect(&self) -> Client {
        self.builder().await.connect().await.unwrap()
    }
}

/// Memory that outlives the broker on top of it.
pub(super) struct Memory(MemoryBackend);

impl Place for Memory {
    fn fresh() -> Self {
        Self(MemoryBackend::new(MemoryOptions::default()))
    }

    async fn builder(&self) -> ClientBuilder {
        Client::builder().storage(self.0.reopen().backend())
    }
}

/// A log that outlives the brokers on top of it.
pub(super) trait Log: Sized {
    /// An empty one.
    fn fresh() -> Self;

    /// For the next broker.
    async fn open(&self) -> Backend;
}

impl Log for Memory {
    fn fresh() -> Self {
        Place::fresh()
    }

    async fn open(&self) -> Backend {
        self.0.reopen().backend()
    }
}

/// A broker behind a socket.
pub(super) struct Kafka<L> {
    log: L,
    running: tokio::sync::Mutex<Option<(Server, Arc<Broker>)>>,
}

impl<L: Log> Place for Kafka<L> {
    /// The connections: for what is produced, for what is answered at once, for one long poll and one that was given up.
    const STORAGE_TASKS: usize = 3;

    fn fresh() -> Self {
        Self { log: L::fresh(), running: tokio::sync::Mutex::default() }
    }

    async fn builder(&self) -> ClientBuilder {
        let mut running = self.running.lock().await;
        if let Some((server, broker)) = running.take() {
            server.shutdown(super::PATIENCE).await.unwrap();
            broker.close(super::PATIENCE).await.unwrap();
        }
        let broker = Broker::start(BrokerConfig::default(), self.log.open().await, Env::system()).await.unwrap();
        let server = Server::builder(Arc::clone(&broker)).bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let url = format!("kafka://{}", server.advertised());
        *running = Some((server, broker));
        Client::builder().url(url)
    }
}

/// A directory that goes with the test.
pub(super) struct Disk(TempDir);

impl Place for Disk {
    fn fresh() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    async fn builder(&self) -> ClientBuilder {
        Client::builder().url(format!("file://{}", self.0.path().display()))
    }
}

impl Log for Disk {
    fn fresh() -> Self {
        Place::fresh()
    }

    async fn open(&self) -> Backend {
        DiskBackend::open(self.0.path(), DiskOptions::default(), &Env::system()).await.unwrap().backend()
    }
}

/// A log that is kept by the suite's rules, not by the cost of requests: many of them a second.
fn eager(log: &mut BucketOptions) {
    log.puts_per_second = 500;
}

/// A bucket in memory, without a network.
pub(super) struct Bucket(Arc<InMemory>);

impl Place for Bucket {
    fn fresh() -> Self {
        Self(Arc::new(InMemory::new()))
    }

    async fn builder(&self) -> ClientBuilder {
        Client::builder().storage(self.open().await)
    }
}

impl Log for Bucket {
    fn fresh() -> Self {
        Place::fresh()
    }

    async fn open(&self) -> Backend {
        let mut options = BucketOptions::default();
        eager(&mut options);
        let store = Arc::clone(&self.0) as _;
        BucketBackend::open(store, "suite/log", options, &Env::system()).await.unwrap().backend()
    }
}

/// The writer, the keeper and the lease.
const BUCKET_TASKS: usize = 3;

/// A bucket behind HTTP.
pub(super) struct S3(pub(super) S3Server);

impl S3 {
    pub(super) fn options(&self) -> ObjectStoreOptions {
        let mut options = ObjectStoreOptions {
            endpoint: Some(self.0.url()),
            region: Some("local".to_owned()),
            access_key_id: Some("me".to_owned()),
            secret_access_key: Some(Secret::new("hush-hush")),
            ..ObjectStoreOptions::default()
        };
        eager(&mut options.log);
        options
    }
}

impl Place for S3 {
    const STORAGE_TASKS: usize = BUCKET_TASKS;

    fn fresh() -> Self {
        Self(S3Server::start(Options { buckets: vec!["logs".to_owned()], ..Options::default() }).unwrap())
    }

    async fn builder(&self) -> ClientBuilder {
        Client::builder().url("s3://logs/suite").object_store(self.options())
    }
}

impl Place for Endpoint {
    const STORAGE_TASKS: usize = BUCKET_TASKS;

    fn fresh() -> Self {
        Self::any()
    }

    async fn builder(&self) -> ClientBuilder {
        Client::builder().url(self.log()).object_store(self.options())
    }
}

/// A bucket behind HTTP where every kind of fault happens, or the one that is asked for.
pub(super) struct Faulty(Endpoint);

impl Place for Faulty {
    const STORAGE_TASKS: usize = BUCKET_TASKS;

    fn fresh() -> Self {
        Self(Endpoint::local(Trouble::chosen(), 4))
    }

    async fn builder(&self) -> ClientBuilder {
        self.0.builder().await
    }
}
