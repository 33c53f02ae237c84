//! Who may use brokers that ask for it.

use std::sync::Arc;

use ottla::connect::{self, KafkaOptions};
use ottla::{Client, Env, Error, ErrorCode};
use ottla_broker_core::broker::Broker;
use ottla_broker_core::config::BrokerConfig;
use ottla_server::{Mechanism, Server, set_password};

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
