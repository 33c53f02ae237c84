//! Connecting with more than a URL.

use std::collections::BTreeMap;
use std::sync::Arc;

use ottla_broker_core::broker::Broker;
use ottla_broker_core::env::Env;
use ottla_broker_core::log::Backend;

use super::Client;
use crate::cluster::Cluster;
use crate::config::Section;
use crate::connect::{self, Source};
use crate::context::Context;
use crate::error::Error;
use crate::producer::{self, ProducerBuilder};
use crate::{consumer, reader};

/// Says what a [`Client`] connects to, and how. From [`Client::builder`].
#[derive(Debug)]
#[must_use = "nothing is connected before `connect`"]
pub struct Builder {
    source: Option<Source>,
    env: Option<Env>,
    client_id: String,
    broker: BTreeMap<String, String>,
    backends: connect::Settings,
    reader: reader::Settings,
    consumer: consumer::Settings,
    producer: ProducerSettings,
}

/// The table `[producer]`, known to be applicable.
#[derive(Clone, Debug, Default)]
pub(super) struct ProducerSettings(producer::Settings);

impl ProducerSettings {
    fn read(section: Section) -> Result<Self, Error> {
        let settings: producer::Settings = section.all(producer::Settings::NAMES)?;
        // What the builder would refuse is refused when the configuration is read, not at the first producer.
        producer::ProducerBuilder::check(&settings)?;
        Ok(Self(settings))
    }

    pub(super) fn apply(&self, builder: ProducerBuilder) -> ProducerBuilder {
        builder.with_checked(&self.0)
    }
}

impl Builder {
    pub(super) fn new() -> Self {
        Self {
            source: None,
            env: None,
            client_id: "ottla".to_owned(),
            broker: BTreeMap::new(),
            backends: connect::Settings::default(),
            reader: reader::Settings::default(),
            consumer: consumer::Settings::default(),
            producer: ProducerSettings::default(),
        }
    }

    /// The settings of a TOML document, as [`Client::from_config`] describes it: for what a document cannot
    /// say, such as an [`env`](Self::env).
    ///
    /// # Errors
    /// [`Error::Config`].
    pub fn from_config(toml: &str) -> Result<Self, Error> {
        let mut top = Section::parse(toml)?;
        let mut builder = Self::new();
        if let Some(url) = top.string("url")? {
            builder.source = Some(Source::Url(url));
        }
        if let Some(client_id) = top.string("client_id")? {
            builder.client_id = client_id;
        }
        builder.broker = top.section("broker")?.texts()?;
        builder.backends = connect::Settings::read(&mut top)?;
        builder.producer = ProducerSettings::read(top.section("producer")?)?;
        builder.reader = builder.reader.read(top.section("reader")?)?;
        builder.consumer = builder.consumer.read(top.section("consumer")?)?;
        top.finish()?;
        Ok(builder)
    }

    /// What to connect to. Of this, [`storage`](Self::storage), [`broker`](Self::broker) and
    /// [`cluster`](Self::cluster) the last one called counts.
    pub fn url(mut self, url: impl Into<String>) -> Self {
        self.source = Some(Source::Url(url.into()));
        self
    }

    /// Starts a broker over this storage.
    pub fn storage(mut self, storage: Backend) -> Self {
        self.source = Some(Source::Storage(storage));
        self
    }

    /// Uses a broker that runs in this process, and leaves it open at the end.
    pub fn broker(mut self, broker: &Arc<Broker>) -> Self {
        self.source = Some(Source::Broker(Arc::clone(broker)));
        self
    }

    /// Uses a cluster of your own making, such as one with faults for a test.
    pub fn cluster(mut self, cluster: Arc<dyn Cluster>) -> Self {
        self.source = Some(Source::Cluster(cluster));
        self
    }

    /// Where time, chance and tasks come from; [`Env::system`] by default. Who shares a broker by name
    /// or directory has the first one's in the broker.
    pub fn env(mut self, env: Env) -> Self {
        self.env = Some(env);
        self
    }

    /// The client's name, in logs and metrics; `ottla` by default.
    pub fn client_id(mut self, client_id: impl Into<String>) -> Self {
        self.client_id = client_id.into();
        self
    }

    /// Sets a config of the broker that is started for this client, by Kafka's name. Checked by
    /// [`connect`](Self::connect).
    pub fn broker_config(mut self, name: impl Into<String>, value: impl ToString) -> Self {
        self.broker.insert(name.into(), value.to_string());
        self
    }

    /// How a `file` URL's directory is written, by default [`DiskOptions::default`](connect::DiskOptions): every
    /// acknowledgement is synced. Other URLs do without, so that one configuration serves several. Checked by
    /// [`connect`](Self::connect).
    #[cfg(feature = "disk")]
    pub fn disk(mut self, options: connect::DiskOptions) -> Self {
        self.backends.disk = options;
        self
    }

    /// How the log of an `s3`, `gs` or `az` URL is reached and kept. Other URLs do without, so that one configuration
    /// serves several. Checked by [`connect`](Self::connect).
    #[cfg(feature = "object-store")]
    pub fn object_store(mut self, options: connect::ObjectStoreOptions) -> Self {
        self.backends.object_store = options;
        self
    }

    /// How the brokers of a `kafka` URL are reached. Other URLs do without, so that one configuration serves several.
    #[cfg(feature = "kafka")]
    pub fn kafka(mut self, options: connect::KafkaOptions) -> Self {
        self.backends.kafka = options;
        self
    }

    /// Connects.
    ///
    /// # Errors
    /// [`Error::Connect`] or [`Error::Config`].
    pub async fn connect(self) -> Result<Client, Error> {
        let source = self.source.ok_or(Error::Connect(connect::Error::NoUrl))?;
        let env = self.env.unwrap_or_else(Env::system);
        let found = connect::open(source, self.broker, self.backends, &self.client_id, &env).await?;
        let connect::Found { cluster, storage, broker } = found;
        let context = Context::new(cluster, env, self.client_id);
        Ok(Client::new(context, storage, broker, self.reader, self.consumer, self.producer))
    }
}
