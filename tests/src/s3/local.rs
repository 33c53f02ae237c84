//! The endpoint without sockets: for a client on the same runtime, whose clock may be paused.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use hyper::header::CONTENT_LENGTH;
use object_store::aws::AmazonS3Builder;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody, HttpService,
};
use object_store::{ClientOptions, ObjectStore, RetryConfig};
use tokio::time::sleep;

use super::answer::Answer;
use super::counts::Requests;
use super::course::{Outcome, exchange, request};
use super::faults::Faults;
use super::server::{Options, Shared};

/// How long the client waits for an answer, as it does over sockets by its own default.
const UNANSWERED: Duration = Duration::from_secs(30);

/// An S3 endpoint to which requests come as values: with all of HTTP that is above the socket, and on the clock of
/// who asks. What is under way ends with the runtime.
#[derive(Clone, Debug)]
pub struct LocalS3 {
    shared: Arc<Shared>,
}

/// The connection ended.
#[derive(Debug, thiserror::Error)]
#[error("the connection was {0}")]
struct Ended(&'static str);

impl LocalS3 {
    /// An endpoint. The port is not used.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self { shared: Arc::new(Shared::new(options)) }
    }

    /// What it does wrong.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.shared.faults
    }

    /// What was asked so far.
    #[must_use]
    pub fn requests(&self) -> Requests {
        self.shared.counter.snapshot()
    }

    /// A bucket, by the S3 client that the log uses, set as the log sets it: it repeats nothing by itself.
    ///
    /// # Errors
    /// A name that cannot be a bucket's.
    pub fn bucket(&self, name: &str) -> object_store::Result<Arc<dyn ObjectStore>> {
        let store = AmazonS3Builder::new()
            .with_bucket_name(name)
            .with_region("us-east-1")
            .with_endpoint("http://s3.local")
            .with_access_key_id("local")
            .with_secret_access_key("local")
            .with_allow_http(true)
            .with_retry(RetryConfig { max_retries: 0, ..RetryConfig::default() })
            .with_http_connector(self.clone())
            .build()?;
        Ok(Arc::new(store))
    }
}

impl HttpConnector for LocalS3 {
    fn connect(&self, _options: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

#[async_trait]
impl HttpService for LocalS3 {
    async fn call(&self, asked: HttpRequest) -> Result<HttpResponse, HttpError> {
        let (parts, body) = asked.into_parts();
        let body = body.collect().await?.to_bytes();
        let reset = || HttpError::new(HttpErrorKind::Interrupted, Ended("reset"));
        match exchange(&self.shared, request(parts, body)).await {
            Some(Outcome::Answer(answer)) => Ok(with_length(answer).into_response(HttpResponseBody::from)),
            Some(Outcome::Cut(answer, sent, with_reset)) => {
                let end = if with_reset { reset() } else { HttpError::new(HttpErrorKind::Request, Ended("closed")) };
                Ok(with_length(answer).into_response(|body| cut(&body, sent, end)))
            }
            Some(Outcome::Reset) => Err(reset()),
            Some(Outcome::Closed) => Err(HttpError::new(HttpErrorKind::Request, Ended("closed"))),
            None => {
                sleep(UNANSWERED).await;
                Err(HttpError::new(HttpErrorKind::Timeout, Ended("silent for too long")))
            }
        }
    }
}

/// As a server says it; what answers a HEAD says it already.
fn with_length(answer: Answer) -> Answer {
    if answer.headers.contains_key(CONTENT_LENGTH) {
        return answer;
    }
    let length = answer.body.len().to_string();
    answer.with(CONTENT_LENGTH, length)
}

/// The first bytes of a body, then its end.
fn cut(body: &Bytes, sent: usize, end: HttpError) -> HttpResponseBody {
    let first = body.get(..sent).map(|part| body.slice_ref(part)).unwrap_or_default();
    HttpResponseBody::new(StreamBody::new(stream::iter([Ok(Frame::data(first)), Err(end)])))
}
