//! Log-ins that do not last as long as their connection (KIP-368).

use bytes::Bytes;
use ottla_broker_core::error::ErrorCode;
use ottla_wire::messages::{
    Fetch, FetchPartition, FetchRequest, FetchTopic, Metadata, MetadataRequest, SaslAuthenticate,
    SaslAuthenticateRequest, SaslAuthenticateResponse, SaslHandshake, SaslHandshakeRequest, Token,
};
use ottla_wire::{Api, TopicRef, decode_response};

use super::*;
use crate::{Mechanism, set_password};

const LIFE: Duration = Duration::from_secs(100);

struct Client {
    stream: DuplexStream,
    arrived: BytesMut,
    shared: Arc<Shared>,
}

impl Client {
    async fn connect() -> (Self, JoinHandle<Ended>) {
        let broker = Broker::start(BrokerConfig::default(), ottla_backends::memory::backend(), Env::seeded(1));
        let broker = broker.await.unwrap();
        let topic = ottla_broker_core::api::CreateTopic {
            name: ottla_broker_core::TopicName::new("t").unwrap(),
            partitions: Some(1),
            replication_factor: None,
            configs: std::collections::BTreeMap::new(),
        };
        broker.create_topics(vec![topic], false).await.unwrap().remove(0).unwrap();
        for user in ["alice", "bob"] {
            set_password(&broker, user, "wonder").await.unwrap();
        }
        let limits = Limits { session: Some(LIFE), ..Limits::default() };
        let shared = Shared::asking(broker, limits, &[Mechanism::Plain, Mechanism::ScramSha256]);
        let (stream, ended) = connect(&shared, 64 << 10);
        (Self { stream, arrived: BytesMut::new(), shared }, ended)
    }

    async fn logged_in() -> (Self, JoinHandle<Ended>) {
        let (mut client, ended) = Self::connect().await;
        let answer = client.log_in("alice").await;
        assert_eq!((answer.error, answer.session_lifetime_ms), (None, 100_000));
        (client, ended)
    }

    async fn pass(&self, time: Duration) {
        self.shared.env.sleep(time).await;
    }

    async fn send<A: Api>(&mut self, version: i16, request: &A::Request) {
        let frame = encode_request::<A>(1, Some("test"), version, request).unwrap();
        // Whether the server still listens shows in what it answers.
        drop(self.stream.write_all(&frame.to_bytes()).await);
    }

    /// `None` at the end of the connection.
    async fn hear<A: Api>(&mut self, version: i16) -> Option<A::Response> {
        loop {
            if let Progress::Frame(frame) = next_frame(&mut self.arrived, 1 << 20).unwrap() {
                return Some(decode_response::<A>(version, &frame).unwrap().1);
            }
            if self.stream.read_buf(&mut self.arrived).await.unwrap() == 0 {
                return None;
            }
        }
    }

    async fn propose(&mut self, mechanism: &str, version: i16) -> Option<ErrorCode> {
        let request = SaslHandshakeRequest { mechanism: mechanism.into() };
        self.send::<SaslHandshake>(version, &request).await;
        self.hear::<SaslHandshake>(version).await.unwrap().error
    }

    async fn authenticate(&mut self, user: &str) -> SaslAuthenticateResponse {
        let token = Token(Bytes::from(format!("\0{user}\0wonder")));
        self.send::<SaslAuthenticate>(2, &SaslAuthenticateRequest { token }).await;
        self.hear::<SaslAuthenticate>(2).await.unwrap()
    }

    async fn log_in(&mut self, user: &str) -> SaslAuthenticateResponse {
        assert_eq!(self.propose("PLAIN", 1).await, None);
        self.authenticate(user).await
    }

    async fn is_served(&mut self) -> bool {
        self.send::<Metadata>(12, &MetadataRequest::default()).await;
        self.hear::<Metadata>(12).await.is_some()
    }
}

#[tokio::test(start_paused = true)]
async fn who_logs_in_again_in_time_is_served_on() {
    let (mut client, _ended) = Client::logged_in().await;
    for _ in 0..5 {
        client.pass(LIFE - Duration::from_secs(1)).await;
        assert!(client.is_served().await);
        let answer = client.log_in("alice").await;
        assert_eq!((answer.error, answer.session_lifetime_ms), (None, 100_000));
    }
}

#[tokio::test(start_paused = true)]
async fn who_does_not_is_cut_off_when_it_asks_for_something() {
    let (mut client, ended) = Client::logged_in().await;
    client.pass(LIFE * 3).await;
    assert!(!ended.is_finished(), "nothing was asked for");
    assert!(!client.is_served().await);
    assert_eq!(ended.await.unwrap().name(), "session_expired");
}

#[tokio::test(start_paused = true)]
async fn it_is_never_too_late_to_log_in_again() {
    let (mut client, _ended) = Client::logged_in().await;
    client.pass(LIFE * 3).await;
    assert_eq!(client.log_in("alice").await.error, None);
    assert!(client.is_served().await);
}

#[tokio::test(start_paused = true)]
async fn who_is_not_let_in_waits_for_that_answer() {
    let wrong = SaslAuthenticateRequest { token: Token(Bytes::from_static(b"\0alice\0wander")) };
    let (mut client, ended) = Client::connect().await;
    let since = client.shared.env.now();
    assert_eq!(client.propose("PLAIN", 1).await, None);
    assert_eq!(client.shared.env.now(), since, "there is nothing to wait for yet");
    client.send::<SaslAuthenticate>(2, &wrong).await;
    let answer = client.hear::<SaslAuthenticate>(2).await.unwrap();
    assert_eq!(answer.error, Some(ErrorCode::SaslAuthenticationFailed));
    assert_eq!(client.shared.env.now().since(since), Limits::default().refusal);
    assert_eq!(ended.await.unwrap().name(), "refused_log_in");
}

#[tokio::test(start_paused = true)]
async fn what_follows_a_token_waits_until_it_is_known_who_asks() {
    let (mut client, _ended) = Client::connect().await;
    assert_eq!(client.propose("PLAIN", 1).await, None);
    let token = Token(Bytes::from_static(b"\0alice\0wonder"));
    client.send::<SaslAuthenticate>(2, &SaslAuthenticateRequest { token }).await;
    client.send::<Metadata>(12, &MetadataRequest::default()).await;
    assert_eq!(client.hear::<SaslAuthenticate>(2).await.unwrap().error, None);
    assert!(client.hear::<Metadata>(12).await.is_some());
}

#[tokio::test(start_paused = true)]
async fn nobody_becomes_another_by_logging_in_again() {
    let (mut client, ended) = Client::logged_in().await;
    client.pass(LIFE / 2).await;
    let answer = client.log_in("bob").await;
    assert_eq!(answer.error, Some(ErrorCode::SaslAuthenticationFailed));
    assert!(answer.error_message.unwrap().contains("cannot become another one"));
    assert_eq!(ended.await.unwrap().name(), "refused_log_in");
}

#[tokio::test(start_paused = true)]
async fn the_way_to_log_in_stays_the_same_and_has_a_pause() {
    for (mechanism, version, after) in
        [("SCRAM-SHA-256", 1, LIFE / 2), ("PLAIN", 0, LIFE / 2), ("PLAIN", 1, Duration::from_millis(900))]
    {
        let (mut client, ended) = Client::logged_in().await;
        client.pass(after).await;
        assert_eq!(client.propose(mechanism, version).await, Some(ErrorCode::IllegalSaslState), "{mechanism}");
        assert_eq!(ended.await.unwrap().name(), "refused_log_in");
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_served_within_a_log_in() {
    let (mut client, ended) = Client::logged_in().await;
    client.pass(LIFE / 2).await;
    assert_eq!(client.propose("PLAIN", 1).await, None);
    assert!(!client.is_served().await);
    assert_eq!(ended.await.unwrap().name(), "not_logged_in");
}

#[tokio::test(start_paused = true)]
async fn what_was_asked_before_is_answered_before_however_long_it_takes() {
    let (mut client, _ended) = Client::logged_in().await;
    let partition = FetchPartition { partition: 0, max_bytes: 1 << 20, ..FetchPartition::default() };
    let topic = FetchTopic { topic: TopicRef::Name("t".into()), partitions: vec![partition] };
    // Longer than a log-in may take.
    let max_wait = Limits::default().authentication * 2;
    let poll = FetchRequest { max_wait, min_bytes: 1, max_bytes: 1 << 20, topics: vec![topic], ..Default::default() };
    client.pass(LIFE / 2).await;
    client.send::<Fetch>(12, &poll).await;
    client.send::<SaslHandshake>(1, &SaslHandshakeRequest { mechanism: "PLAIN".into() }).await;
    assert!(client.hear::<Fetch>(12).await.is_some());
    assert_eq!(client.hear::<SaslHandshake>(1).await.unwrap().error, None);
    assert_eq!(client.authenticate("alice").await.error, None);
    assert!(client.is_served().await);
}

#[tokio::test(start_paused = true)]
async fn who_does_not_go_on_with_a_log_in_is_closed() {
    let (mut client, ended) = Client::logged_in().await;
    client.pass(LIFE / 2).await;
    assert_eq!(client.propose("PLAIN", 1).await, None);
    let since = client.shared.env.now();
    assert_eq!(ended.await.unwrap().name(), "not_logged_in");
    assert_eq!(client.shared.env.now().since(since), Limits::default().authentication);
}
