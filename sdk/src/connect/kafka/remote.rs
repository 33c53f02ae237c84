//! A cluster behind sockets as a [`Cluster`].

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use ottla_broker_core::api::{
    Acks, Appended, Error, ErrorCode, FetchRequest, FetchResponse, InitProducerId, IsolationLevel, ListedOffset,
    Metadata, MetadataRequest, OffsetSpec, ProduceRequest, ProduceResponse, ProducerIdentity, TopicsWanted,
};
use ottla_broker_core::env::BoxFuture;
use ottla_broker_core::log::Durability;
use ottla_broker_core::planted::is_planted;
use ottla_broker_core::{BrokerId, Offset, TopicPartition};
use ottla_wire::messages as wire;
use ottla_wire::net::{self, Answer, Ask, Limits, Link};
use ottla_wire::{Api, DecodeError, Versions};
use rustc_hash::FxHashMap;

use super::brokers::{Brokers, told};
use super::calls::{Topics, newest_of};
use crate::cluster::Cluster;

/// From these versions on topics have ids.
const PRODUCE_IDS: i16 = 13;
const FETCH_IDS: i16 = 13;
const METADATA_IDS: i16 = 12;
/// From this version of ListOffsets on there is "the greatest timestamp" (KIP-734).
const MAX_TIMESTAMP: i16 = 7;

/// Where nothing was sent to a partition's leader.
const NO_LEADER: ErrorCode = ErrorCode::LeaderNotAvailable;
/// Where nothing was sent to any broker.
const NO_BROKER: ErrorCode = ErrorCode::NetworkException;

/// How long after a produce request's own time-out its answer may be on its way. Less than the second that producers
/// grant: the connection is given up before they send again, so that they do so over another.
const BEYOND_PRODUCE: Duration = Duration::from_millis(500);

/// One client's view of a cluster behind sockets.
#[derive(Debug)]
pub(crate) struct Remote {
    pub(super) brokers: Arc<Brokers>,
}

impl Drop for Remote {
    fn drop(&mut self) {
        self.brokers.close();
    }
}

impl Remote {
    pub(super) const fn new(brokers: Arc<Brokers>) -> Self {
        Self { brokers }
    }

    /// Asks who is there.
    pub(super) async fn look_around(&self) -> Result<(), Error> {
        let request = MetadataRequest { topics: TopicsWanted::Names(Vec::new()), allow_auto_create: false };
        self.metadata(request).await.map(drop)
    }

    fn ask_offsets(
        &self,
        link: &Arc<Link>,
        isolation: IsolationLevel,
        wanted: Vec<(TopicPartition, OffsetSpec)>,
    ) -> BoxFuture<'static, Result<Answer<wire::ListOffsets>, net::Error>> {
        let Versions { min, max } = wire::ListOffsets::SPEC.versions;
        let greatest = wanted.iter().any(|(_, spec)| *spec == OffsetSpec::MaxTimestamp);
        let versions = Versions::new(if greatest { MAX_TIMESTAMP } else { min }, max);
        let timeout = self.brokers.request_timeout();
        let prepare = newest_of::<wire::ListOffsets>(versions, move |_| {
            let request = wire::ListOffsetsRequest::from_api(isolation, &wanted);
            wire::ListOffsetsRequest { timeout, ..request }
        });
        link.ask(self.brokers.limits(Duration::ZERO), prepare)
    }

    async fn ask_identity(&self, request: InitProducerId) -> Result<ProducerIdentity, Error> {
        let limits = self.brokers.limits(Duration::ZERO);
        let answer = self.brokers.any(false, NO_BROKER, |peer| {
            let request = request.clone();
            let prepare = move |versions: &ottla_wire::ServerVersions| {
                let version = versions.newest::<wire::InitProducerId>()?;
                // Before KIP-360 (version 3) an epoch was never raised: a new identity serves as well.
                let current = request.current.filter(|_| version >= 3);
                let request = wire::InitProducerIdRequest::from_api(&InitProducerId { current, ..request });
                Ok(Ask { version, request, answered: true })
            };
            async move { peer.quick().ask::<wire::InitProducerId>(limits, prepare).await }
        });
        answer.await?.response.ok_or_else(no_response)?.into_api()
    }

    async fn ask_metadata(&self, request: MetadataRequest) -> Result<Metadata, Error> {
        let wanted = match &request.topics {
            TopicsWanted::Ids(_) => Versions::new(METADATA_IDS, wire::Metadata::SPEC.versions.max),
            // In version 0 an empty list stands for all.
            TopicsWanted::Names(_) => Versions::new(1, wire::Metadata::SPEC.versions.max),
            TopicsWanted::All => wire::Metadata::SPEC.versions,
        };
        let limits = self.brokers.limits(Duration::ZERO);
        let request = Arc::new(request);
        let answer = self.brokers.any(true, NO_BROKER, |peer| {
            let request = Arc::clone(&request);
            let prepare = newest_of::<wire::Metadata>(wanted, move |_| wire::MetadataRequest::from_api(&request));
            async move { peer.quick().ask(limits, prepare).await }
        });
        let response = answer.await?.response.ok_or_else(no_response)?;
        if let Some(code) = response.error {
            return Err(code.into());
        }
        response.into_api().map_err(unreadable)
    }
}

/// Questions in as many rounds as the most often named partition needs: a broker takes a partition once in a request.
fn once_each<T>(wanted: Vec<(TopicPartition, T)>) -> Vec<Vec<(usize, (TopicPartition, T))>> {
    let mut rounds: Vec<Vec<_>> = Vec::new();
    let mut asked: FxHashMap<TopicPartition, usize> = FxHashMap::default();
    for (place, (partition, what)) in wanted.into_iter().enumerate() {
        let times = asked.entry(partition.clone()).or_default();
        let round = if is_planted("partition-twice-in-a-request") { 0 } else { *times };
        *times += 1;
        if rounds.len() <= round {
            rounds.push(Vec::new());
        }
        if let Some(round) = rounds.get_mut(round) {
            round.push((place, (partition, what)));
        }
    }
    rounds
}

/// Every API but one kind of Produce has a response.
pub(super) fn no_response() -> Error {
    Error::new(ErrorCode::UnknownServerError, "there is no answer to a request that has one")
}

fn unreadable(error: DecodeError) -> Error {
    Error::new(ErrorCode::UnknownServerError, format!("the broker's answer says what cannot be: {error}"))
}

/// The answers in the order in which topics were asked for: a broker may answer in any.
fn in_order(wanted: &TopicsWanted, metadata: &mut Metadata) {
    let told = std::mem::take(&mut metadata.topics);
    metadata.topics = match wanted {
        TopicsWanted::All => {
            let mut all: Vec<_> = told.into_iter().filter(Result::is_ok).collect();
            all.sort_by(|a, b| match (a, b) {
                (Ok(a), Ok(b)) => a.name.cmp(&b.name),
                _ => std::cmp::Ordering::Equal,
            });
            all
        }
        TopicsWanted::Names(names) => {
            let find = |name: &ottla_broker_core::TopicName| {
                let found = told.iter().find(|one| one.as_ref().is_ok_and(|topic| topic.name == *name));
                // An error's sentence begins with the topic that it is about.
                let refused = || {
                    let about = format!("topic {name}: ");
                    told.iter().find(|one| one.as_ref().is_err_and(|error| error.message.starts_with(&about)))
                };
                found.or_else(refused).cloned().unwrap_or_else(|| Err(left_out(name)))
            };
            names.iter().map(find).collect()
        }
        TopicsWanted::Ids(ids) => {
            let find = |id: &ottla_broker_core::TopicId| {
                let found = told.iter().find(|one| one.as_ref().is_ok_and(|topic| topic.id == *id));
                let refused = || {
                    let about = format!("topic {id}: ");
                    told.iter().find(|one| one.as_ref().is_err_and(|error| error.message.starts_with(&about)))
                };
                found.or_else(refused).cloned().unwrap_or_else(|| Err(left_out(id)))
            };
            ids.iter().map(find).collect()
        }
    };
}

fn left_out(topic: &dyn std::fmt::Display) -> Error {
    Error::new(ErrorCode::UnknownServerError, format!("the broker said nothing about topic `{topic}`"))
}

#[async_trait]
impl Cluster for Remote {
    async fn metadata(&self, request: MetadataRequest) -> Result<Metadata, Error> {
        let wanted = request.topics.clone();
        let mut metadata = self.ask_metadata(request).await?;
        in_order(&wanted, &mut metadata);
        self.brokers.known().heard(&metadata);
        Ok(metadata)
    }

    async fn ready(&self, broker: BrokerId, bytes: usize) -> Result<(), Error> {
        let link = self.brokers.broker(broker, NO_LEADER)?.produce();
        link.ready(bytes).await.map_err(|error| told(&error, NO_LEADER))
    }

    fn produce(&self, broker: BrokerId, request: ProduceRequest) -> BoxFuture<'static, Result<ProduceResponse, Error>> {
        let link = match self.brokers.broker(broker, NO_LEADER) {
            Ok(peer) => peer.produce(),
            Err(error) => return Box::pin(std::future::ready(Err(error))),
        };
        let names = request.partitions.iter().map(|part| &part.partition.topic);
        let topics = Topics::new(self.brokers.known().ids(names), PRODUCE_IDS);
        let bytes = request.partitions.iter().map(|part| part.batch.size_in_bytes()).sum();
        let time = if is_planted("produce-time-outs-add-up") { self.brokers.request_timeout() } else { BEYOND_PRODUCE };
        let limits = Limits { time: request.timeout.saturating_add(time), bytes, kept: true };
        let (acks, count) = (request.acks, request.partitions.len());
        let answer = link.ask::<wire::Produce>(limits, move |versions| {
            let version = versions.newest_of::<wire::Produce>(topics.versions::<wire::Produce>())?;
            let request = wire::ProduceRequest::from_api(request, |name| topics.name(version, name));
            Ok(Ask { version, request, answered: acks != Acks::None })
        });
        Box::pin(async move {
            let answer = answer.await.map_err(|error| told(&error, NO_LEADER))?;
            Ok(match answer.response {
                // Who knows how many replicas have it: the leader at least.
                Some(response) => response.into_api(&answer.request, 1),
                None => vec![Ok(unacknowledged()); count],
            })
        })
    }

    async fn fetch(&self, broker: BrokerId, request: FetchRequest) -> Result<FetchResponse, Error> {
        let peer = self.brokers.broker(broker, NO_LEADER)?;
        let names = request.partitions.iter().map(|part| &part.partition.topic);
        let topics = Topics::new(self.brokers.known().ids(names), FETCH_IDS);
        let limits = self.brokers.limits(request.max_wait);
        let prepare = newest_of::<wire::Fetch>(topics.versions::<wire::Fetch>(), move |version| {
            wire::FetchRequest::from_api(&request, |name| topics.name(version, name))
        });
        let answer = peer.poll(limits, prepare).await.map_err(|error| told(&error, NO_LEADER))?;
        answer.response.ok_or_else(no_response)?.into_api(&answer.request)
    }

    async fn list_offsets(
        &self,
        broker: BrokerId,
        isolation: IsolationLevel,
        wanted: Vec<(TopicPartition, OffsetSpec)>,
    ) -> Result<Vec<Result<ListedOffset, Error>>, Error> {
        let link = self.brokers.broker(broker, NO_LEADER)?.quick();
        let count = wanted.len();
        // All are on their way before the first is answered.
        let asked: Vec<_> = once_each(wanted)
            .into_iter()
            .map(|round| {
                let (places, wanted): (Vec<_>, Vec<_>) = round.into_iter().unzip();
                (places, self.ask_offsets(&link, isolation, wanted))
            })
            .collect();
        let mut answers: Vec<_> = std::iter::repeat_with(|| Err(no_response())).take(count).collect();
        for (places, asked) in asked {
            let answer = asked.await.map_err(|error| told(&error, NO_LEADER))?;
            let told = answer.response.ok_or_else(no_response)?.into_api(&answer.request);
            for (place, told) in places.into_iter().zip(told) {
                if let Some(answer) = answers.get_mut(place) {
                    *answer = told;
                }
            }
        }
        Ok(answers)
    }

    async fn init_producer_id(&self, request: InitProducerId) -> Result<ProducerIdentity, Error> {
        match self.ask_identity(request.clone()).await {
            // Outside transactions Kafka gives a new identity whatever the old one was. Brokers that refuse it instead
            // are asked for one as if there had been none.
            Err(error)
                if request.current.is_some()
                    && request.transactional_id.is_none()
                    && !error.is_retriable()
                    && !is_planted("refused-identity-kept") =>
            {
                self.ask_identity(InitProducerId { current: None, ..request }).await
            }
            answer => answer,
        }
    }

    async fn close(&self, _limit: Duration) -> Result<(), Error> {
        self.brokers.close();
        Ok(())
    }
}

/// What there is to say of a batch that nobody acknowledges.
const fn unacknowledged() -> Appended {
    Appended {
        base_offset: None,
        log_append_time_ms: None,
        log_start_offset: Offset::ZERO,
        durability: Durability::Unknown,
        replicas: 0,
    }
}
