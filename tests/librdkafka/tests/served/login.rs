//! TLS, and who is let in.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use ottla_broker_core::config::BrokerConfig;
use ottla_librdkafka::{Served, Storage, theirs};
use ottla_server::{Mechanism, Tls, set_password};
use rcgen::{CertificateParams, KeyPair};
use rdkafka::client::ClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;

use super::in_time;

/// A certificate that vouches for itself, and its key.
struct Identity {
    certificate: String,
    key: String,
}

fn identity() -> Identity {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    Identity { certificate: params.self_signed(&key).unwrap().pem(), key: key.serialize_pem() }
}

fn tls(server: &Identity, clients: Option<&Identity>) -> Tls {
    let clients = clients.map(|clients| clients.certificate.as_bytes());
    Tls::from_pem(server.certificate.as_bytes(), server.key.as_bytes(), clients).unwrap()
}

/// Sends ten numbers, and reads them.
async fn is_served(address: &str, settings: &[(&str, &str)]) {
    let producer = theirs::producer(address, settings);
    let offsets = theirs::send(&producer, "t", 0, 0..10).await;
    let consumer = theirs::consumer(address, "g", settings);
    consumer.subscribe(&["t"]).unwrap();
    while rdkafka::Message::offset(&consumer.recv().await.unwrap()) < offsets[9] {}
}

/// Hears why a client gets nowhere.
#[derive(Clone, Default)]
struct Ears(Arc<Mutex<Vec<String>>>);

impl ClientContext for Ears {
    fn error(&self, error: KafkaError, reason: &str) {
        self.0.lock().unwrap().push(format!("{error}: {reason}"));
    }
}

impl ConsumerContext for Ears {}

/// Is refused, and told why.
async fn is_refused(address: &str, settings: &[(&str, &str)], why: &str) {
    let (ears, why) = (Ears::default(), why.to_owned());
    let config = theirs::config(address, settings.iter().copied().chain([("group.id", "g")]));
    let client: BaseConsumer<_> = config.create_with_context(ears.clone()).unwrap();
    tokio::task::spawn_blocking(move || {
        while !ears.0.lock().unwrap().iter().any(|heard| heard.contains(&why)) {
            assert!(client.fetch_metadata(None, Duration::from_millis(100)).is_err());
            let _ = client.poll(Duration::from_millis(10));
        }
    })
    .await
    .unwrap();
}

async fn served(build: impl FnOnce(ottla_server::Builder) -> ottla_server::Builder) -> Served {
    let config = BrokerConfig::default().with("auto.create.topics.enable", true).unwrap();
    Served::with(Storage::Memory, config, build).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_and_mutual_tls() {
    in_time(async {
        let (server, client, stranger) = (identity(), identity(), identity());
        let trusting = [("security.protocol", "ssl"), ("ssl.ca.pem", &*server.certificate)];
        let plain = served(|builder| builder.tls(tls(&server, None))).await;
        is_served(&plain.address(), &trusting).await;
        let mistrusting = [("security.protocol", "ssl"), ("ssl.ca.pem", &*stranger.certificate)];
        is_refused(&plain.address(), &mistrusting, "certificate verify failed").await;
        plain.stop().await;
        let mutual = served(|builder| builder.tls(tls(&server, Some(&client)))).await;
        let known =
            [trusting[0], trusting[1], ("ssl.certificate.pem", &*client.certificate), ("ssl.key.pem", &*client.key)];
        is_served(&mutual.address(), &known).await;
        is_refused(&mutual.address(), &trusting, "SSL").await;
        mutual.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn log_ins_with_every_mechanism() {
    in_time(async {
        let server = identity();
        let all = [Mechanism::Plain, Mechanism::ScramSha256, Mechanism::ScramSha512];
        for is_secure in [false, true] {
            let served =
                served(|builder| if is_secure { builder.tls(tls(&server, None)).sasl(all) } else { builder.sasl(all) })
                    .await;
            set_password(served.broker(), "alice", "wonder").await.unwrap();
            for mechanism in ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] {
                let protocol = if is_secure { "sasl_ssl" } else { "sasl_plaintext" };
                let settings = |password| {
                    let mut settings = vec![
                        ("security.protocol", protocol),
                        ("sasl.mechanism", mechanism),
                        ("sasl.username", "alice"),
                        ("sasl.password", password),
                    ];
                    if is_secure {
                        settings.push(("ssl.ca.pem", &*server.certificate));
                    }
                    settings
                };
                is_served(&served.address(), &settings("wonder")).await;
                is_refused(&served.address(), &settings("wander"), "Authentication").await;
            }
            served.stop().await;
        }
    })
    .await;
}
