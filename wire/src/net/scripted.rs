//! A broker that does what a test says, behind a real socket.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "for tests: what goes wrong is a failed test"
)]

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use ottla_broker_core::env::{BoxFuture, Clock, Moment, Watched};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::address::Address;
use super::stream::{BoxStream, Stream};
use crate::api::{ApiKey, Request, Response};
use crate::frame::{Progress, next_frame};
use crate::messages::{ApiVersion, ApiVersionsResponse};
use crate::request::{RequestHeader, decode_request};

/// A broker that does what a test says.
#[derive(Debug)]
pub struct Scripted {
    listener: TcpListener,
    address: Address,
}

/// One connection of a client to it.
#[derive(Debug)]
pub struct Conversation {
    stream: BoxStream,
    buffer: BytesMut,
}

impl Scripted {
    /// Listens on a port of its own.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        Self { listener, address: Address::new(address.ip().to_string(), address.port()) }
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> &Address {
        &self.address
    }

    /// The next connection.
    pub async fn accept(&self) -> Conversation {
        Conversation::over(self.stream().await)
    }

    /// The next connection, before anything was said.
    pub(super) async fn stream(&self) -> TcpStream {
        let (stream, _) = self.listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    /// The next connection, once it was told that all APIs are spoken.
    pub async fn greet(&self) -> Conversation {
        self.greet_with(ApiVersionsResponse::serving(ApiKey::ALL.iter().copied())).await
    }

    /// The next connection, once it was told what is spoken: `apis`, and ApiVersions.
    pub async fn greet_speaking(&self, apis: &[(ApiKey, i16, i16)]) -> Conversation {
        let apis = apis.iter().chain(&[(ApiKey::ApiVersions, 0, 4)]);
        let apis = apis.map(|(key, min, max)| ApiVersion { key: key.code(), min: *min, max: *max });
        self.greet_with(ApiVersionsResponse { apis: apis.collect(), ..ApiVersionsResponse::default() }).await
    }

    async fn greet_with(&self, versions: ApiVersionsResponse) -> Conversation {
        let mut conversation = self.accept().await;
        conversation.greet_with(versions).await;
        conversation
    }
}

impl Conversation {
    /// A conversation over a stream, whatever lies beneath.
    pub(super) fn over(stream: impl Stream + 'static) -> Self {
        Self { stream: Box::new(stream), buffer: BytesMut::new() }
    }

    /// Tells the client what is spoken.
    pub(super) async fn greet_with(&mut self, versions: ApiVersionsResponse) {
        let (header, request) = self.request().await.unwrap();
        assert_eq!(request.key(), ApiKey::ApiVersions);
        self.answer(&header, versions).await;
    }

    /// The next request; `None` if the client has ended the connection.
    pub async fn request(&mut self) -> Option<(RequestHeader, Request)> {
        let frame = self.frame().await?;
        Some(decode_request(&frame).unwrap())
    }

    /// The next frame; `None` if the client has ended the connection.
    pub async fn frame(&mut self) -> Option<Bytes> {
        loop {
            if let Progress::Frame(frame) = next_frame(&mut self.buffer, usize::MAX).unwrap() {
                return Some(frame);
            }
            // A client that gives up may reset the connection.
            if self.stream.read_buf(&mut self.buffer).await.unwrap_or(0) == 0 {
                return None;
            }
        }
    }

    /// Answers a request.
    pub async fn answer(&mut self, header: &RequestHeader, response: impl Into<Response>) {
        self.answer_as(header.correlation_id, header.version, response).await;
    }

    /// Answers as if another request had been made.
    pub async fn answer_as(&mut self, correlation_id: i32, version: i16, response: impl Into<Response>) {
        let encoded = response.into().encode(correlation_id, version).unwrap();
        self.say(&encoded.to_bytes()).await;
    }

    /// Says anything.
    pub async fn say(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }
}

/// A clock that stands until it is told to go on.
#[derive(Clone, Debug)]
pub struct HandClock(Arc<Watched<Moment>>);

impl Default for HandClock {
    fn default() -> Self {
        Self(Arc::new(Watched::new(Moment::default())))
    }
}

impl HandClock {
    /// Goes on.
    pub fn advance(&self, by: Duration) {
        self.0.change(|now| *now = *now + by);
    }
}

impl Clock for HandClock {
    fn now(&self) -> Moment {
        self.0.get()
    }

    fn wall_ms(&self) -> i64 {
        0
    }

    fn sleep_until(&self, deadline: Moment) -> BoxFuture<'static, ()> {
        let clock = Arc::clone(&self.0);
        Box::pin(async move {
            clock.wait_for(|now| *now >= deadline).await;
        })
    }
}
