//! Brokers over TLS.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use ottla::connect::{ClientCertificate, KafkaOptions, Pem, TlsOptions};
use ottla::{Client, Env, Error, connect};
use ottla_backends::memory::{MemoryBackend, MemoryOptions};
use ottla_broker_core::broker::Broker;
use ottla_broker_core::config::BrokerConfig;
use ottla_server::{Builder, Mechanism, Server, Tls, set_password};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tempfile::TempDir;

use super::*;

/// Somebody who vouches for others, and a directory for what is in files.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    files: TempDir,
}

const HERE: &str = "127.0.0.1";
const LONG: i32 = 3_000;
const PAST: i32 = 2_020;

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let made = Self { issuer, files: tempfile::tempdir().unwrap() };
        made.write("ca.pem", &made.pem());
        made
    }

    fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// The certificate and the key of somebody called `name`, good until a year.
    fn vouches_for(&self, name: &str, until: i32) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(until, 1, 1);
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.files.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// A client's certificate in files.
    fn write_own(&self, until: i32) {
        let (chain, key) = self.vouches_for("client", until);
        self.write("client.pem", &chain);
        self.write("client.key", &key);
    }

    /// Parameters of a URL.
    fn parameters(&self, names: &[(&str, &str)]) -> String {
        names.iter().map(|(name, file)| format!("{name}={}&", self.path(file).display())).collect()
    }

    fn server(&self, name: &str, until: i32, clients: Option<&Self>) -> Tls {
        let (chain, key) = self.vouches_for(name, until);
        let clients = clients.map(Self::pem);
        Tls::from_pem(chain.as_bytes(), key.as_bytes(), clients.as_ref().map(String::as_bytes)).unwrap()
    }
}

async fn broker() -> Arc<Broker> {
    let broker = Broker::start(BrokerConfig::default(), ottla_backends::memory::backend(), Env::system()).await;
    let broker = broker.unwrap();
    set_password(&broker, "al,ice", "won=der").await.unwrap();
    broker
}

async fn serve(broker: &Arc<Broker>, address: SocketAddr, set: impl FnOnce(Builder) -> Builder) -> Server {
    set(Server::builder(Arc::clone(broker))).bind(address).await.unwrap()
}

fn anywhere() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

async fn refusal(url: String) -> (String, bool) {
    let error = tokio::time::timeout(PATIENCE, Client::connect(url)).await.expect("it hangs").unwrap_err();
    assert!(matches!(error, Error::Connect(_)), "{error}");
    (error.to_string(), error.is_retriable())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_and_passwords_go_through_tls() {
    let (authority, clients) = (Authority::new("brokers"), Authority::new("clients"));
    authority.write_own(LONG);
    let (chain, key) = clients.vouches_for("client", LONG);
    authority.write("client.pem", &chain);
    authority.write("client.key", &key);
    let broker = broker().await;
    let tls = authority.server(HERE, LONG, Some(&clients));
    let mechanisms = [Mechanism::Plain, Mechanism::ScramSha512];
    let server = serve(&broker, anywhere(), |builder| builder.tls(tls).sasl(mechanisms)).await;
    let address = server.advertised();
    let files =
        authority.parameters(&[("tls_ca", "ca.pem"), ("tls_certificate", "client.pem"), ("tls_key", "client.key")]);
    for sasl in ["plain", "scram-sha-512"] {
        let url = format!("kafka://al%2Cice:won%3Dder@{address}?{files}sasl={sasl}");
        let client = Client::connect(url).await.unwrap();
        client.admin().ensure_topic(NewTopic::new("t")).await.unwrap();
        let producer = client.producer().build().await.unwrap();
        producer.send(Record::to("t").value("1")).await.unwrap();
        client.close(PATIENCE).await.unwrap();
    }

    // The same by texts, without files.
    let mut tls = TlsOptions::default();
    tls.ca = Some(Pem::Text(authority.pem().into()));
    tls.certificate = Some(ClientCertificate { chain: Pem::Text(chain.into()), key: Pem::Text(key.into()) });
    let mut options = KafkaOptions::default();
    options.tls = Some(tls);
    let url = format!("kafka://al%2Cice:won%3Dder@{address}?sasl=plain");
    let client = Client::builder().url(url).kafka(options).connect().await.unwrap();
    assert_eq!(values(&client, "t", 0, At::Earliest).await, [1, 1]);
    assert_eq!(server.ended_connections().get("tls"), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_cannot_trust_a_broker_says_why() {
    let (authority, other) = (Authority::new("brokers"), Authority::new("others"));
    let broker = broker().await;
    for (name, until, parameters, expected) in [
        (HERE, LONG, other.parameters(&[("tls_ca", "ca.pem")]), &["nobody whom this client trusts vouches for"][..]),
        (HERE, PAST, authority.parameters(&[("tls_ca", "ca.pem")]), &["its certificate has expired"]),
        ("b.example", LONG, authority.parameters(&[("tls_ca", "ca.pem")]), &["is for another name", "b.example"]),
        // Whom the system trusts, if it says so.
        (HERE, LONG, "tls=true".to_owned(), &["nobody whom this client trusts", "the system has no certificates"]),
        (HERE, LONG, String::new(), &["it speaks TLS at this port"]),
    ] {
        let tls = authority.server(name, until, None);
        let server = serve(&broker, anywhere(), |builder| builder.tls(tls)).await;
        let (error, _) = refusal(format!("kafka://{}?{parameters}", server.advertised())).await;
        assert!(expected.iter().any(|expected| error.contains(expected)), "{error}");
    }
    // Under the name that was asked for it is the one.
    let tls = authority.server("b.example", LONG, None);
    let server = serve(&broker, anywhere(), |builder| builder.tls(tls)).await;
    let parameters = authority.parameters(&[("tls_ca", "ca.pem")]);
    Client::connect(format!("kafka://{}?{parameters}tls_server_name=b.example", server.advertised())).await.unwrap();
    // A port without TLS.
    let plain = serve(&broker, anywhere(), |builder| builder).await;
    let (error, _) = refusal(format!("kafka://{}?{parameters}", plain.advertised())).await;
    assert!(error.contains("may not speak TLS at this port"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whom_a_broker_does_not_trust_is_told() {
    let (authority, clients) = (Authority::new("brokers"), Authority::new("clients"));
    let broker = broker().await;
    let tls = authority.server(HERE, LONG, Some(&clients));
    let server = serve(&broker, anywhere(), |builder| builder.tls(tls)).await;
    let url = format!("kafka://{}?{}", server.advertised(), authority.parameters(&[("tls_ca", "ca.pem")]));
    let (error, retriable) = refusal(url.clone()).await;
    assert!(error.contains("it asks for a certificate of this client, which has none") && retriable, "{error}");
    for (by, until, expected) in
        [(&authority, LONG, "does not accept this client's"), (&clients, PAST, "CertificateExpired")]
    {
        by.write_own(until);
        let own = by.parameters(&[("tls_certificate", "client.pem"), ("tls_key", "client.key")]);
        let (error, _) = refusal(format!("{url}{own}")).await;
        assert!(error.contains(expected), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_that_cannot_be_used_are_named() {
    let authority = Authority::new("brokers");
    authority.write_own(LONG);
    authority.write("other.key", &authority.vouches_for("other", LONG).1);
    authority.write("empty", "");
    for (files, expected) in [
        (&[("tls_ca", "none.pem")][..], "`tls_ca`, "),
        (&[("tls_ca", "empty")], "there is no certificate in the authorities' file"),
        (&[("tls_ca", "ca.pem"), ("tls_certificate", "client.pem"), ("tls_key", "none.key")], "`tls_key`, "),
        (
            &[("tls_ca", "ca.pem"), ("tls_certificate", "client.pem"), ("tls_key", "other.key")],
            "key is not the one of its certificate",
        ),
        (
            &[("tls_ca", "ca.pem"), ("tls_certificate", "client.pem"), ("tls_key", "empty")],
            "the client's key cannot be read",
        ),
    ] {
        // Nobody has to be there for that.
        let (error, retriable) = refusal(format!("kafka://127.0.0.1:1?{}", authority.parameters(files))).await;
        assert!(error.starts_with("cannot connect to `kafka://127.0.0.1:1?tls_"), "{error}");
        assert!(error.contains(expected) && !retriable, "{error}");
        let (_, file) = files.last().unwrap();
        assert!(error.contains(&authority.path(file).display().to_string()), "{error}");
    }
    let error = Client::connect("kafka://127.0.0.1:1?tls=true&tls_server_name=a%20b").await.unwrap_err();
    assert!(matches!(error, Error::Connect(connect::Error::Tls { .. })), "{error}");
}

/// A client that is there when the brokers' authority is replaced, before its own files are.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_are_replaced_while_a_client_runs() {
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let log = MemoryBackend::new(MemoryOptions::default());
    let broker = Broker::start(BrokerConfig::default(), log.backend(), Env::system()).await.unwrap();
    let tls = old.server(HERE, LONG, None);
    let server = serve(&broker, anywhere(), |builder| builder.tls(tls)).await;
    let address = server.address();
    let url = format!("kafka://{address}?{}", old.parameters(&[("tls_ca", "ca.pem")]));
    let client = Client::connect(url).await.unwrap();
    client.admin().ensure_topic(NewTopic::new("t")).await.unwrap();
    let patient = client.producer().build().await.unwrap();
    patient.send(Record::to("t").value("1")).await.unwrap();
    let hasty = client.producer().request_timeout(Duration::from_millis(500)).delivery_timeout(Duration::from_secs(2));
    let hasty = hasty.build().await.unwrap();
    server.shutdown(PATIENCE).await.unwrap();

    let tls = new.server(HERE, LONG, None);
    let server = serve(&broker, address, |builder| builder.tls(tls)).await;
    // It is tried for as long as a record may take, and then said.
    let error = hasty.send(Record::to("t").value("2")).await.unwrap_err().to_string();
    assert!(error.contains("nobody whom this client trusts vouches for"), "{error}");
    assert!(server.ended_connections()["tls"] > 0, "{:?}", server.ended_connections());
    let delivery = patient.enqueue(Record::to("t").value("3")).await.unwrap();
    old.write("ca.pem", &new.pem());
    delivery.await.unwrap();
    assert_eq!(values(&client, "t", 0, At::Earliest).await, [1, 3]);
}
