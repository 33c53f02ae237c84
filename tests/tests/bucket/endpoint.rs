//! Where a test's log lies: in an endpoint of this process, or in the one that the environment names.
//!
//! ```text
//! OTTLA_S3_ENDPOINT=http://127.0.0.1:5000 OTTLA_S3_BUCKET=logs AWS_ACCESS_KEY_ID=… AWS_SECRET_ACCESS_KEY=… \
//!     cargo test -p ottla-tests --test suites -- sdk::s3:: bucket::conformance::sound bucket::rivals
//! ```
//!
//! The bucket has to exist. Each test writes under a random prefix below `ottla-suite/`, and leaves it there.

use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, S3ConditionalPut};
use object_store::{ClientOptions, ObjectStore, RetryConfig};
use ottla::Env;
use ottla::connect::{ObjectStoreOptions, Secret};
use ottla_backends::bucket::BucketOptions;
use ottla_tests::s3::{Options, S3Server};

use super::trouble::Trouble;

/// A prefix that nobody else has.
pub(crate) struct Endpoint {
    server: Option<S3Server>,
    request_timeout: Duration,
    url: String,
    bucket: String,
    prefix: String,
    region: String,
    access_key: String,
    secret: String,
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}

impl Endpoint {
    /// In this process, where something goes wrong.
    pub(crate) fn local(trouble: Trouble, seed: u64) -> Self {
        let server = S3Server::start(Options { buckets: vec!["logs".to_owned()], seed, ..Options::default() }).unwrap();
        trouble.put_into(server.faults());
        Self {
            url: server.url(),
            server: Some(server),
            request_timeout: trouble.request_timeout(),
            bucket: "logs".to_owned(),
            prefix: "suite".to_owned(),
            region: "local".to_owned(),
            access_key: "me".to_owned(),
            secret: "hush-hush".to_owned(),
        }
    }

    /// What the environment names, or else one of this process.
    pub(crate) fn any() -> Self {
        let Some(url) = variable("OTTLA_S3_ENDPOINT") else { return Self::local(Trouble::None, 0) };
        let needed = |name: &str| variable(name).unwrap_or_else(|| panic!("OTTLA_S3_ENDPOINT is set: set {name}, too"));
        Self {
            server: None,
            request_timeout: BucketOptions::default().request_timeout,
            url,
            bucket: needed("OTTLA_S3_BUCKET"),
            prefix: format!("ottla-suite/{:016x}", Env::system().random_u64()),
            region: variable("AWS_REGION").unwrap_or_else(|| "us-east-1".to_owned()),
            access_key: needed("AWS_ACCESS_KEY_ID"),
            secret: needed("AWS_SECRET_ACCESS_KEY"),
        }
    }

    /// The server of this process, to see and to change what it does.
    pub(crate) fn server(&self) -> &S3Server {
        self.server.as_ref().expect("the endpoint is not this process's")
    }

    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The URL of the log.
    pub(crate) fn log(&self) -> String {
        format!("s3://{}/{}", self.bucket, self.prefix)
    }

    /// A log that is kept by the suites' rules, not by the cost of requests: many of them a second, and soon made again.
    pub(crate) fn log_options(&self) -> BucketOptions {
        let request_timeout = self.request_timeout;
        BucketOptions { puts_per_second: 500, request_timeout, ..BucketOptions::default() }
    }

    /// How a client is told of it.
    pub(crate) fn options(&self) -> ObjectStoreOptions {
        ObjectStoreOptions {
            endpoint: Some(self.url.clone()),
            region: Some(self.region.clone()),
            access_key_id: Some(self.access_key.clone()),
            secret_access_key: Some(Secret::new(self.secret.clone())),
            log: BucketOptions { owner: "the suite".to_owned(), ..self.log_options() },
            ..ObjectStoreOptions::default()
        }
    }

    /// The store, for the owner of the endpoint's own key.
    pub(crate) fn own_store(&self) -> Arc<dyn ObjectStore> {
        self.store(&self.access_key)
    }

    /// The store as a client of this access key has it, which repeats nothing by itself.
    pub(crate) fn store(&self, access_key: &str) -> Arc<dyn ObjectStore> {
        let retry = RetryConfig { max_retries: 0, ..RetryConfig::default() };
        let store = AmazonS3Builder::new()
            .with_endpoint(self.url.clone())
            .with_bucket_name(self.bucket.clone())
            .with_region(self.region.clone())
            .with_access_key_id(access_key)
            .with_secret_access_key(self.secret.clone())
            .with_conditional_put(S3ConditionalPut::ETagMatch)
            .with_client_options(ClientOptions::new().with_allow_http(true).with_timeout(PATIENCE))
            .with_retry(retry);
        Arc::new(store.build().unwrap())
    }
}

/// The client's own limit; the log's, which is shorter, is what ends a request.
const PATIENCE: Duration = Duration::from_secs(30);
