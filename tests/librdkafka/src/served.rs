//! Our server over each kind of storage.

use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, S3ConditionalPut};
use object_store::{ClientOptions, RetryConfig};
use ottla_backends::bucket::{BucketBackend, BucketOptions};
use ottla_backends::disk::{DiskBackend, DiskOptions};
use ottla_broker_core::broker::Broker;
use ottla_broker_core::config::BrokerConfig;
use ottla_broker_core::env::Env;
use ottla_broker_core::log::Backend;
use ottla_server::{Builder, Server};
use ottla_tests::s3::{Options, S3Server};
use tempfile::TempDir;

/// Where the log is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storage {
    /// In memory.
    Memory,
    /// In a directory, synced.
    Disk,
    /// In a bucket behind HTTP.
    Bucket,
}

/// What goes with the test.
#[derive(Debug)]
enum Kept {
    Nothing,
    Directory { _directory: TempDir },
    Bucket { _endpoint: S3Server },
}

/// A broker behind a socket of this machine.
#[derive(Debug)]
pub struct Served {
    server: Server,
    broker: Arc<Broker>,
    _kept: Kept,
}

/// Long enough for any machine.
const PATIENCE: Duration = Duration::from_secs(60);

impl Served {
    /// One that lets everybody in, and makes no topics by itself.
    pub async fn start(storage: Storage) -> Self {
        Self::with(storage, BrokerConfig::default(), |builder| builder).await
    }

    /// One that is served as `build` says.
    pub async fn with(storage: Storage, config: BrokerConfig, build: impl FnOnce(Builder) -> Builder) -> Self {
        let (backend, kept) = open(storage).await;
        let broker = Broker::start(config, backend, Env::system()).await.unwrap();
        let builder = build(Server::builder(Arc::clone(&broker)));
        let server = builder.bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        Self { server, broker, _kept: kept }
    }

    /// The broker behind the socket.
    #[must_use]
    pub const fn broker(&self) -> &Arc<Broker> {
        &self.broker
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> String {
        self.server.address().to_string()
    }

    /// How our SDK finds it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("kafka://{}", self.address())
    }

    /// Ends it. A connection that had to be cut off is a failure.
    pub async fn stop(self) {
        self.server.shutdown(PATIENCE).await.unwrap();
        self.broker.close(PATIENCE).await.unwrap();
    }
}

async fn open(storage: Storage) -> (Backend, Kept) {
    match storage {
        Storage::Memory => (ottla_backends::memory::backend(), Kept::Nothing),
        Storage::Disk => {
            let directory = tempfile::tempdir().unwrap();
            let disk = DiskBackend::open(directory.path(), DiskOptions::default(), &Env::system()).await.unwrap();
            (disk.backend(), Kept::Directory { _directory: directory })
        }
        Storage::Bucket => {
            let endpoint = S3Server::start(Options { buckets: vec!["logs".to_owned()], ..Options::default() }).unwrap();
            let store = AmazonS3Builder::new()
                .with_endpoint(endpoint.url())
                .with_bucket_name("logs")
                .with_region("local")
                .with_access_key_id("me")
                .with_secret_access_key("hush-hush")
                .with_conditional_put(S3ConditionalPut::ETagMatch)
                .with_client_options(ClientOptions::new().with_allow_http(true).with_timeout(PATIENCE))
                .with_retry(RetryConfig { max_retries: 0, ..RetryConfig::default() });
            let store = Arc::new(store.build().unwrap());
            let mut options = BucketOptions::default();
            // Kept by the test's pace, not by the cost of requests.
            options.puts_per_second = 500;
            let bucket = BucketBackend::open(store, "interop/log", options, &Env::system()).await.unwrap();
            (bucket.backend(), Kept::Bucket { _endpoint: endpoint })
        }
    }
}
