//! A client that speaks frames and nothing more, so that what it takes is the server's time.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use bytes::Bytes;
use ottla_broker_core::Offset;
use ottla_broker_core::record::{Builder, BuilderOptions, Flags};
use ottla_wire::messages::{
    ApiVersions, ApiVersionsRequest, CreatableTopic, CreateTopics, CreateTopicsRequest, Fetch, FetchPartition,
    FetchRequest, FetchTopic, Produce, ProducePartition, ProduceRequest, ProduceTopic,
};
use ottla_wire::{Api, Records, TopicRef, decode_response, encode_request};

pub(crate) const TOPIC: &str = "bench";
const PRODUCE: i16 = 9;
const FETCH: i16 = 12;

pub(crate) struct Raw {
    stream: TcpStream,
    answer: Vec<u8>,
}

/// The bytes of a request, to be sent again and again.
fn frame<A: Api>(version: i16, request: &A::Request) -> Bytes {
    encode_request::<A>(1, Some("bench"), version, request).unwrap().to_bytes()
}

/// A produce request of one record of `size` bytes.
pub(crate) fn produce_frame(size: usize) -> Bytes {
    let mut batch = Builder::new(BuilderOptions::default());
    batch.append(1_767_225_600_000, None, Some(&vec![7; size]), &[]).unwrap();
    let records = Some(Records::Batches(vec![batch.finish(None, Flags::default()).unwrap()]));
    let partitions = vec![ProducePartition { partition: 0, records }];
    let topics = vec![ProduceTopic { topic: TopicRef::Name(TOPIC.into()), partitions }];
    frame::<Produce>(
        PRODUCE,
        &ProduceRequest { acks: -1, timeout: Duration::from_secs(30), topics, ..ProduceRequest::default() },
    )
}

/// A fetch request from the start, for about `max_bytes`.
pub(crate) fn fetch_frame(max_bytes: i32) -> Bytes {
    let partition = FetchPartition { partition: 0, offset: Offset(0), max_bytes, ..FetchPartition::default() };
    let topics = vec![FetchTopic { topic: TopicRef::Name(TOPIC.into()), partitions: vec![partition] }];
    frame::<Fetch>(FETCH, &FetchRequest { max_bytes, topics, ..FetchRequest::default() })
}

impl Raw {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, answer: Vec::new() }
    }

    pub(crate) fn send(&mut self, frame: &[u8]) {
        self.stream.write_all(frame).unwrap();
    }

    /// Sends what the other side may no longer want.
    pub(crate) fn try_send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    /// The next answer's length; its bytes stay here.
    pub(crate) fn receive(&mut self) -> usize {
        let mut len = [0; 4];
        self.stream.read_exact(&mut len).unwrap();
        let len = u32::from_be_bytes(len) as usize;
        self.answer.resize(len, 0);
        self.stream.read_exact(&mut self.answer).unwrap();
        len
    }

    pub(crate) fn ask<A: Api>(&mut self, version: i16, request: &A::Request) -> A::Response {
        self.send(&frame::<A>(version, request));
        self.receive();
        decode_response::<A>(version, &Bytes::copy_from_slice(&self.answer)).unwrap().1
    }

    /// What every client says first.
    pub(crate) fn greet(&mut self) {
        assert_eq!(self.ask::<ApiVersions>(3, &ApiVersionsRequest::default()).error, None);
    }

    pub(crate) fn create_topic(&mut self) {
        let topic = CreatableTopic { name: TOPIC.into(), partitions: 1, replication_factor: 1, ..Default::default() };
        let request = CreateTopicsRequest {
            topics: vec![topic],
            timeout: Duration::from_secs(30),
            ..CreateTopicsRequest::default()
        };
        assert_eq!(self.ask::<CreateTopics>(7, &request).topics[0].error, None);
    }

    /// Sends a produce request and checks what it gets.
    pub(crate) fn produce(&mut self, request: &[u8]) {
        self.send(request);
        self.receive();
        let answer = decode_response::<Produce>(PRODUCE, &Bytes::copy_from_slice(&self.answer)).unwrap().1;
        assert_eq!(answer.topics[0].partitions[0].error, None);
    }
}
