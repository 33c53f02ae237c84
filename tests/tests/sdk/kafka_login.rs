//! Who may use brokers that ask for it.

use std::sync::Arc;

use ottla::connect::{self, KafkaOptions};
use ottla::{Client, Env, Error, ErrorCode};
use ottla_broker_core::broker::Broker;
use ottla_broker_core::config::BrokerConfig;
use ottla_broker_core::env::{BoxFuture, Clock, Moment, Watched};
use ottla_server::{Limits, Mechanism, Server, set_password};

use super::*;

async fn server(mechanisms: &[Mechanism]) -> (Server, Arc<Broker>) {
    let backend = ottla_backends::memory::backend();
    let broker = Broker::start(BrokerConfig::default(), backend, Env::system()).await.unwrap();
    set_password(&broker, "al,ice", "won=der").await.unwrap();
    let server = Server::builder(Arc::clone(&broker)).sasl(mechanisms.iter().copied());
    (server.bind("127.0.0.1:0".parse().unwrap()).await.unwrap(), broker)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_the_password_is_let_in_by_every_mechanism() {
    let (server, _broker) = server(&[Mechanism::Plain, Mechanism::ScramSha256, Mechanism::ScramSha512]).await;
    let address = server.advertised();
    for sasl in ["", "?sasl=plain", "?sasl=scram-sha-256", "?sasl=SCRAM-SHA-512"] {
        let client = Client::connect(format!("kafka://al%2Cice:won%3Dder@{address}{sasl}")).await.unwrap();
        client.admin().ensure_topic(NewTopic::new("t")).await.unwrap();
        let producer = client.producer().build().await.unwrap();
        producer.send(Record::to("t").value("1")).await.unwrap();
        client.close(PATIENCE).await.unwrap();
    }
    let mut options = KafkaOptions::default();
    options.login = Some(connect::Login {
        mechanism: connect::Mechanism::Plain,
        user: Arc::from("al,ice"),
        password: Arc::from("won=der"),
    });
    let client = Client::builder().url(format!("kafka://{address}")).kafka(options).connect().await.unwrap();
    assert_eq!(values(&client, "t", 0, At::Earliest).await, [1, 1, 1, 1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn others_are_told_why_they_are_not() {
    let (server, _broker) = server(&[Mechanism::ScramSha256]).await;
    let address = server.advertised();
    for (who, sasl, expected) in [
        ("al%2Cice:wrong@", "", "SASL_AUTHENTICATION_FAILED"),
        ("bob:wonder@", "", "SASL_AUTHENTICATION_FAILED"),
        ("al%2Cice:won%3Dder@", "?sasl=plain", "PLAIN was proposed: "),
    ] {
        let error = Client::connect(format!("kafka://{who}{address}{sasl}")).await.unwrap_err();
        let Error::Connect(connect::Error::Unreachable { source, .. }) = &error else { panic!("{error}") };
        assert_eq!(source.code, ErrorCode::SaslAuthenticationFailed, "{error}");
        let error = error.to_string();
        assert!(error.contains("does not let this client in") && error.contains(expected), "{error}");
        assert!(!error.contains("won"), "{error}");
    }
}

/// A clock that stands until it is told to go on.
#[derive(Clone, Debug)]
struct HandClock(Arc<Watched<Moment>>);

impl Clock for HandClock {
    fn now(&self) -> Moment {
        self.0.get()
    }

    fn wall_ms(&self) -> i64 {
        1_767_225_600_000
    }

    fn sleep_until(&self, deadline: Moment) -> BoxFuture<'static, ()> {
        let clock = Arc::clone(&self.0);
        Box::pin(async move {
            clock.wait_for(|now| *now >= deadline).await;
        })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn log_ins_that_do_not_last_are_renewed_and_nobody_notices() {
    let clock = HandClock(Arc::new(Watched::new(Moment::default())));
    let env = Env::system().with_clock(Arc::new(clock.clone()));
    let backend = ottla_backends::memory::backend();
    let broker = Broker::start(BrokerConfig::default(), backend, env.clone()).await.unwrap();
    set_password(&broker, "alice", "wonder").await.unwrap();
    let mut limits = Limits::default();
    let life = Duration::from_secs(100);
    limits.session = Some(life);
    let server = Server::builder(broker).limits(limits).sasl([Mechanism::ScramSha256]);
    let server = server.bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let url = format!("kafka://alice:wonder@{}", server.advertised());
    let client = Client::builder().url(url).env(env).connect().await.unwrap();
    client.admin().ensure_topic(NewTopic::new("t")).await.unwrap();
    let producer = client.producer().build().await.unwrap();
    for round in 1..=5 {
        producer.send(Record::to("t").value("1")).await.unwrap();
        client.admin().list_topics().await.unwrap();
        assert_eq!(values(&client, "t", 0, At::Earliest).await.len(), round);
        clock.0.change(|now| *now = *now + life * 96 / 100);
    }
    let ended = server.ended_connections();
    assert!(!ended.contains_key("session_expired") && !ended.contains_key("refused_log_in"), "{ended:?}");
}
