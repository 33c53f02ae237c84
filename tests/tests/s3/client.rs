//! Clients as the tests want them.

use std::time::Duration;

use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path;
use object_store::{
    ClientOptions, ObjectStore, PutMode, PutOptions, PutPayload, PutResult, RetryConfig, UpdateVersion,
};
use ottla_tests::s3::{Options, S3Server};

pub(super) const BUCKET: &str = "logs";

/// When [`hasty`] gives up: long enough for a request to arrive on a busy machine.
pub(super) const HASTE: Duration = Duration::from_millis(400);

pub(super) fn server() -> S3Server {
    S3Server::start(Options { buckets: vec![BUCKET.to_owned()], ..Options::default() }).unwrap()
}

pub(super) fn builder(server: &S3Server) -> AmazonS3Builder {
    AmazonS3Builder::new()
        .with_endpoint(server.url())
        .with_bucket_name(BUCKET)
        .with_region("local")
        .with_access_key_id("me")
        .with_secret_access_key("secret")
        .with_client_options(options())
        .with_retry(retries(0))
}

pub(super) fn options() -> ClientOptions {
    ClientOptions::new().with_allow_http(true).with_timeout(Duration::from_secs(10))
}

/// So many repeats, without much of a wait between them.
pub(super) fn retries(max_retries: usize) -> RetryConfig {
    let mut retry = RetryConfig { max_retries, ..RetryConfig::default() };
    retry.backoff.init_backoff = Duration::from_millis(1);
    retry.backoff.max_backoff = Duration::from_millis(2);
    retry
}

/// A client that repeats nothing, so that each fault is seen.
pub(super) fn client(server: &S3Server) -> AmazonS3 {
    builder(server).build().unwrap()
}

/// One of another access key.
pub(super) fn client_of(server: &S3Server, access_key: &str) -> AmazonS3 {
    builder(server).with_access_key_id(access_key).build().unwrap()
}

/// One that gives up soon.
pub(super) fn hasty(server: &S3Server) -> AmazonS3 {
    builder(server).with_client_options(options().with_timeout(HASTE)).build().unwrap()
}

pub(super) async fn create(store: &AmazonS3, key: &str, body: &str) -> object_store::Result<PutResult> {
    let body = PutPayload::from(body.as_bytes().to_vec());
    store.put_opts(&Path::from(key), body, PutOptions::from(PutMode::Create)).await
}

pub(super) async fn update(store: &AmazonS3, key: &str, body: &str, etag: &str) -> object_store::Result<PutResult> {
    let body = PutPayload::from(body.as_bytes().to_vec());
    let version = UpdateVersion { e_tag: Some(etag.to_owned()), version: None };
    store.put_opts(&Path::from(key), body, PutOptions::from(PutMode::Update(version))).await
}
