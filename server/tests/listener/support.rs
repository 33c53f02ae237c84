//! A broker behind a listener, and a client that speaks frames.

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use ottla_broker_core::api::CreateTopic;
use ottla_broker_core::broker::Broker;
use ottla_broker_core::config::BrokerConfig;
use ottla_broker_core::env::Env;
use ottla_broker_core::record::{Batch, Builder as BatchBuilder, BuilderOptions, Flags};
use ottla_broker_core::{Offset, TopicName};
use ottla_server::{Builder, Limits, Mechanism, Server};
use ottla_wire::messages::{
    Fetch, FetchPartition, FetchRequest, FetchResponse, FetchTopic, Produce, ProducePartition, ProduceRequest,
    ProduceResponse, ProduceTopic,
};
use ottla_wire::{Api, Encoded, Progress, Records, TopicRef, decode_response, encode_request, next_frame};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

pub(crate) const TOPIC: &str = "events";
/// The time of the records that tests write.
pub(crate) const WRITTEN_MS: i64 = 1_767_225_600_000;

pub(crate) struct World {
    pub(crate) broker: Arc<Broker>,
    pub(crate) server: Server,
}

pub(crate) async fn world() -> World {
    world_with(limits()).await
}

/// The defaults, but that nobody waits for clients that stay to the end of a test.
pub(crate) fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.leave = Duration::from_millis(20);
    limits
}

pub(crate) async fn world_with(limits: Limits) -> World {
    world_with_logins(limits, &[]).await
}

pub(crate) async fn world_with_logins(limits: Limits, mechanisms: &[Mechanism]) -> World {
    world_of(|builder| builder.limits(limits).sasl(mechanisms.iter().copied())).await
}

pub(crate) async fn world_of(set: impl FnOnce(Builder) -> Builder) -> World {
    let config = BrokerConfig::default().with("auto.create.topics.enable", true).unwrap();
    let broker = Broker::start(config, ottla_backends::memory::backend(), Env::system()).await.unwrap();
    let topic = CreateTopic {
        name: TopicName::new(TOPIC).unwrap(),
        partitions: Some(2),
        replication_factor: None,
        configs: Default::default(),
    };
    broker.create_topics(vec![topic], false).await.unwrap().remove(0).unwrap();
    let server = set(Server::builder(broker.clone()).limits(limits()))
        .advertised("broker.example", 19_092)
        .bind("127.0.0.1:0".parse().unwrap())
        .await
        .unwrap();
    World { broker, server }
}

impl World {
    pub(crate) async fn client(&self) -> Client {
        Client::over(TcpStream::connect(self.server.address()).await.unwrap())
    }

    /// Waits until a connection has ended for `reason`.
    pub(crate) async fn ended(&self, reason: &str) {
        while !self.server.ended_connections().contains_key(reason) {
            tokio::task::yield_now().await;
        }
        assert_eq!(self.server.ended_connections().len(), 1, "{:?}", self.server.ended_connections());
    }

    pub(crate) async fn close(self) {
        self.server.shutdown(Duration::from_secs(10)).await.unwrap();
        self.broker.close(Duration::from_secs(10)).await.unwrap();
    }
}

/// Bytes to and from a server.
pub(crate) trait Io: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}

pub(crate) struct Client {
    pub(crate) stream: Box<dyn Io>,
    arrived: BytesMut,
    next: i32,
}

impl Client {
    pub(crate) fn over(stream: impl Io + 'static) -> Self {
        Self { stream: Box::new(stream), arrived: BytesMut::new(), next: 0 }
    }

    /// Writes, if the server still listens: whether it does shows in what it answers.
    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        match self.stream.write_all(bytes).await {
            Err(error) if matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) => {}
            written => written.unwrap(),
        }
    }

    /// Sends a request and returns its number.
    pub(crate) async fn send<A: Api>(&mut self, version: i16, request: &A::Request) -> i32 {
        self.next += 1;
        let frame: Encoded = encode_request::<A>(self.next, Some("test"), version, request).unwrap();
        self.write(&frame.to_bytes()).await;
        self.next
    }

    /// Waits for the end of the connection, in whatever way it comes; a frame is the server's mistake.
    #[cfg(feature = "tls")]
    pub(crate) async fn end(&mut self) -> Option<Bytes> {
        match self.stream.read_buf(&mut self.arrived).await {
            Ok(0) | Err(_) => None,
            Ok(_) => Some(self.arrived.clone().freeze()),
        }
    }

    /// The next frame; `None` at the end of the connection.
    pub(crate) async fn frame(&mut self) -> Option<Bytes> {
        loop {
            if let Progress::Frame(frame) = next_frame(&mut self.arrived, 200 << 20).unwrap() {
                return Some(frame);
            }
            match self.stream.read_buf(&mut self.arrived).await {
                Ok(0) => return None,
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("{error}"),
            }
        }
    }

    pub(crate) async fn receive<A: Api>(&mut self, version: i16) -> (i32, A::Response) {
        let frame = self.frame().await.expect("the connection has ended");
        decode_response::<A>(version, &frame).unwrap()
    }

    pub(crate) async fn ask<A: Api>(&mut self, version: i16, request: &A::Request) -> A::Response {
        let sent = self.send::<A>(version, request).await;
        let (number, response) = self.receive::<A>(version).await;
        assert_eq!(number, sent);
        response
    }

    pub(crate) async fn produce(&mut self, acks: i16, text: &str) -> ProduceResponse {
        self.ask::<Produce>(9, &produce(acks, TOPIC, text)).await
    }

    pub(crate) async fn fetch(&mut self, request: &FetchRequest) -> FetchResponse {
        self.ask::<Fetch>(12, request).await
    }
}

pub(crate) fn batch(text: &str) -> Batch {
    let mut builder = BatchBuilder::new(BuilderOptions::default());
    builder.append(WRITTEN_MS, None, Some(text.as_bytes()), &[]).unwrap();
    builder.finish(None, Flags::default()).unwrap()
}

pub(crate) fn produce(acks: i16, topic: &str, text: &str) -> ProduceRequest {
    let records = Some(Records::Batches(vec![batch(text)]));
    let partitions = vec![ProducePartition { partition: 0, records }];
    ProduceRequest {
        acks,
        timeout: Duration::from_secs(30),
        topics: vec![ProduceTopic { topic: TopicRef::Name(topic.into()), partitions }],
        ..ProduceRequest::default()
    }
}

pub(crate) fn fetch(offset: i64, max_wait: Duration) -> FetchRequest {
    let partition =
        FetchPartition { partition: 0, offset: Offset(offset), max_bytes: 1 << 20, ..FetchPartition::default() };
    FetchRequest {
        max_wait,
        min_bytes: 1,
        max_bytes: 50 << 20,
        topics: vec![FetchTopic { topic: TopicRef::Name(TOPIC.into()), partitions: vec![partition] }],
        ..FetchRequest::default()
    }
}

/// The values of the records of the answer's only partition.
pub(crate) fn values(response: FetchResponse) -> Vec<String> {
    let mut values = Vec::new();
    for topic in response.topics {
        for partition in topic.partitions {
            assert_eq!(partition.error, None);
            for batch in partition.records.unwrap().into_batches().unwrap() {
                batch.verify_crc().unwrap();
                for record in batch.records().unwrap() {
                    values.push(String::from_utf8(record.unwrap().value.unwrap().to_vec()).unwrap());
                }
            }
        }
    }
    values
}
