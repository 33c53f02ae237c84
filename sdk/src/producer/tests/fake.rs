//! A scripted cluster: it keeps a log, counts sequences as a broker does, and misbehaves on demand.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use ottla_broker_core::api::*;
use ottla_broker_core::env::{BoxFuture, Env};
use ottla_broker_core::log::Durability;
use ottla_broker_core::record::{Batch, sequence_after};
use ottla_broker_core::{BrokerId, LeaderEpoch, Offset, ProducerEpoch, ProducerId, TopicId, TopicName, TopicPartition};
use tokio::sync::oneshot;

use crate::{Cluster, ClusterAdmin, Context, ProducerBuilder};

/// What happens to one batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// Written and answered.
    Apply,
    /// Written; the answer is lost.
    LoseAnswer,
    /// Neither written nor answered.
    LoseRequest,
    /// Not written; this is the answer.
    Say(ErrorCode),
    /// Written, but answered with this.
    WriteAndSay(ErrorCode),
    /// Written; never answered, and nobody says so.
    Silence,
    /// Handled as the act says, answered when [`Fake::release`] is called.
    Hold(Box<Act>),
}

type Answer = Result<ProduceResponse, Error>;

/// First and last sequence, and base offset, of a producer's last five batches.
type Recent = VecDeque<(i32, i32, i64)>;

#[derive(Debug, Default)]
struct Log {
    values: Vec<String>,
    epochs: Vec<i16>,
    producers: BTreeMap<i64, (i16, Recent)>,
}

#[derive(Debug, Default)]
struct Inner {
    topics: BTreeMap<TopicName, Vec<Option<BrokerId>>>,
    ids: BTreeMap<TopicName, TopicId>,
    logs: BTreeMap<TopicPartition, Log>,
    script: VecDeque<Act>,
    held: Vec<(oneshot::Sender<Answer>, Answer)>,
    silent: Vec<oneshot::Sender<Answer>>,
    pub(super) requests: Vec<Vec<(TopicPartition, i32, i32)>>,
    next_id: i64,
    max_message_bytes: usize,
    pub(super) inits: usize,
    init_refusals: VecDeque<ErrorCode>,
    metadata_calls: usize,
    not_ready: bool,
    pace: Pace,
    in_flight: usize,
    most_in_flight: usize,
}

/// How long answers take.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Pace {
    /// No time.
    #[default]
    AtOnce,
    /// This long each, however many are on their way.
    Takes(Duration),
    /// As long as it takes to the next moment at which a storage writes that does so once every `slot`, and then `write`.
    Slots { slot: Duration, write: Duration, told: bool },
}

/// The producer is told the slot this much early.
pub(super) const LEAD: Duration = Duration::from_millis(3);

impl Pace {
    fn answer_in(self, now: Duration) -> Duration {
        match self {
            Self::AtOnce => Duration::ZERO,
            Self::Takes(takes) => takes,
            Self::Slots { slot, write, .. } => Self::to_slot(slot, now) + write,
        }
    }

    fn to_slot(slot: Duration, now: Duration) -> Duration {
        let into = now.as_micros() % slot.as_micros();
        slot - Duration::from_micros(into as u64)
    }
}

#[derive(Clone, Debug)]
pub(super) struct Fake {
    inner: Arc<Mutex<Inner>>,
    pub(super) env: Env,
    changed: Arc<tokio::sync::Notify>,
}

impl Fake {
    pub(super) fn new(seed: u64) -> Self {
        let inner = Inner { max_message_bytes: 1_048_588, ..Inner::default() };
        Self { inner: Arc::new(Mutex::new(inner)), env: Env::seeded(seed), changed: Arc::default() }
    }

    pub(super) fn topic(self, name: &str, partitions: usize) -> Self {
        let leaders = vec![Some(BrokerId(1)); partitions];
        let name = TopicName::new(name).unwrap();
        let mut inner = self.inner.lock().unwrap();
        inner.ids.entry(name.clone()).or_insert_with(|| TopicId(self.env.uuid()));
        inner.topics.insert(name, leaders);
        drop(inner);
        self
    }

    /// The topic is deleted, and there is another of its name. Its logs go on, so that nothing is counted twice.
    pub(super) fn recreate(&self, name: &str, partitions: usize) {
        self.inner.lock().unwrap().ids.remove(&TopicName::new(name).unwrap());
        drop(self.clone().topic(name, partitions));
    }

    pub(super) fn builder(&self) -> ProducerBuilder {
        ProducerBuilder::new(Context::new(Arc::new(self.clone()), self.env.clone(), "test"))
    }

    /// What happens to the next batches, in order; after them all goes well.
    pub(super) fn script(&self, acts: impl IntoIterator<Item = Act>) {
        self.inner.lock().unwrap().script.extend(acts);
    }

    pub(super) fn clear_script(&self) {
        self.inner.lock().unwrap().script.clear();
    }

    pub(super) fn lead(&self, topic: &str, partition: usize, leader: Option<i32>) {
        let topic = TopicName::new(topic).unwrap();
        self.inner.lock().unwrap().topics.get_mut(&topic).unwrap()[partition] = leader.map(BrokerId);
    }

    pub(super) fn max_message_bytes(&self, bytes: usize) {
        self.inner.lock().unwrap().max_message_bytes = bytes;
    }

    pub(super) fn log(&self, topic: &str, partition: i32) -> Vec<String> {
        let inner = self.inner.lock().unwrap();
        let name = TopicPartition::new(TopicName::new(topic).unwrap(), partition);
        inner.logs.get(&name).map(|log| log.values.clone()).unwrap_or_default()
    }

    pub(super) fn epochs(&self, topic: &str, partition: i32) -> Vec<i16> {
        let name = TopicPartition::new(TopicName::new(topic).unwrap(), partition);
        self.inner.lock().unwrap().logs.get(&name).map(|log| log.epochs.clone()).unwrap_or_default()
    }

    /// Every request so far: partition, base sequence and number of records of each batch.
    pub(super) fn requests(&self) -> Vec<Vec<(TopicPartition, i32, i32)>> {
        self.inner.lock().unwrap().requests.clone()
    }

    pub(super) fn pace(&self, pace: Pace) {
        self.inner.lock().unwrap().pace = pace;
    }

    /// Batches that were on their way at once, at the most.
    pub(super) fn most_in_flight(&self) -> usize {
        self.inner.lock().unwrap().most_in_flight
    }

    /// The next who ask for an identity are refused so.
    pub(super) fn refuse_inits(&self, codes: &[ErrorCode]) {
        self.inner.lock().unwrap().init_refusals.extend(codes);
    }

    pub(super) fn inits(&self) -> usize {
        self.inner.lock().unwrap().inits
    }

    pub(super) fn metadata_calls(&self) -> usize {
        self.inner.lock().unwrap().metadata_calls
    }

    pub(super) fn held(&self) -> usize {
        self.inner.lock().unwrap().held.len()
    }

    /// Answers the nth request that is held.
    pub(super) fn release(&self, nth: usize) {
        let (sender, answer) = self.inner.lock().unwrap().held.remove(nth);
        drop(sender.send(answer));
    }

    pub(super) fn release_all(&self) {
        self.clear_script();
        for (sender, answer) in std::mem::take(&mut self.inner.lock().unwrap().held) {
            drop(sender.send(answer));
        }
    }
}

impl Inner {
    fn leader(&self, at: &TopicPartition) -> Option<BrokerId> {
        *self.topics.get(&at.topic)?.get(at.partition as usize)?
    }

    fn write(&mut self, broker: BrokerId, part: &ProducePartition) -> Result<Appended, Error> {
        let at = &part.partition;
        if self.topics.get(&at.topic).is_none_or(|leaders| leaders.len() <= at.partition as usize) {
            return Err(ErrorCode::UnknownTopicOrPartition.into());
        }
        if self.leader(at) != Some(broker) {
            return Err(ErrorCode::NotLeaderOrFollower.into());
        }
        let batch: &Batch = &part.batch;
        batch.verify_crc().unwrap();
        if batch.size_in_bytes() > self.max_message_bytes {
            return Err(ErrorCode::MessageTooLarge.into());
        }
        let log = self.logs.entry(part.partition.clone()).or_default();
        let base = log.values.len() as i64;
        let mut base_offset = Some(Offset(base));
        if batch.has_producer() {
            let (id, epoch) = (batch.producer_id().0, batch.producer_epoch().0);
            let (first, last) = (batch.base_sequence(), batch.last_sequence());
            let known = log.producers.entry(id).or_insert_with(|| (epoch, VecDeque::new()));
            if epoch < known.0 {
                return Err(ErrorCode::InvalidProducerEpoch.into());
            }
            if epoch > known.0 {
                *known = (epoch, VecDeque::new());
                if first != 0 {
                    return Err(ErrorCode::OutOfOrderSequenceNumber.into());
                }
            }
            if let Some(&(_, _, offset)) = known.1.iter().find(|seen| (seen.0, seen.1) == (first, last)) {
                base_offset = Some(Offset(offset));
                return Ok(appended(base_offset));
            }
            if first != known.1.back().map_or(0, |seen| sequence_after(seen.1, 1)) {
                return Err(ErrorCode::OutOfOrderSequenceNumber.into());
            }
            known.1.push_back((first, last, base));
            if known.1.len() > 5 {
                known.1.pop_front();
            }
        }
        for record in batch.records().unwrap() {
            let value = record.unwrap().value.unwrap_or_default();
            log.values.push(String::from_utf8_lossy(&value).into_owned());
            log.epochs.push(batch.producer_epoch().0);
        }
        Ok(appended(base_offset))
    }
}

fn appended(base_offset: Option<Offset>) -> Appended {
    Appended {
        base_offset,
        log_append_time_ms: None,
        log_start_offset: Offset::ZERO,
        durability: Durability::Memory,
        replicas: 1,
    }
}

fn lost() -> Error {
    Error::new(ErrorCode::NetworkException, "the connection was lost")
}

#[async_trait]
impl Cluster for Fake {
    async fn metadata(&self, request: MetadataRequest) -> Result<Metadata, Error> {
        let mut inner = self.inner.lock().unwrap();
        inner.metadata_calls += 1;
        let TopicsWanted::Names(names) = request.topics else { panic!("producers ask by name") };
        let topics = names.iter().map(|name| {
            let leaders = inner.topics.get(name).ok_or(ErrorCode::UnknownTopicOrPartition)?;
            let partitions = leaders.iter().enumerate().map(|(partition, &leader)| PartitionMetadata {
                partition: partition as i32,
                leader,
                leader_epoch: LeaderEpoch(0),
                replicas: leader.into_iter().collect(),
                isr: leader.into_iter().collect(),
            });
            let partitions = partitions.collect();
            Ok(Arc::new(TopicMetadata { name: name.clone(), id: inner.ids[name], internal: false, partitions }))
        });
        let topics = topics.collect();
        Ok(Metadata { cluster_id: "fake".into(), controller: None, brokers: Arc::from(vec![]), topics })
    }

    async fn ready(&self, _broker: BrokerId, _bytes: usize) -> Result<(), Error> {
        loop {
            let changed = self.changed.notified();
            if !self.inner.lock().unwrap().not_ready {
                return Ok(());
            }
            changed.await;
        }
    }

    fn produce(&self, broker: BrokerId, request: ProduceRequest) -> BoxFuture<'static, Answer> {
        let mut inner = self.inner.lock().unwrap();
        let mut answers = Vec::new();
        let (mut whole, mut hold, mut silent) = (None, false, false);
        let names = request
            .partitions
            .iter()
            .map(|part| (part.partition.clone(), part.batch.base_sequence(), part.batch.record_count()));
        let names = names.collect();
        inner.requests.push(names);
        for part in &request.partitions {
            let mut act = inner.script.pop_front().unwrap_or(Act::Apply);
            if let Act::Hold(then) = act {
                hold = true;
                act = *then;
            }
            answers.push(match act {
                Act::Apply => inner.write(broker, part),
                Act::LoseAnswer => {
                    drop(inner.write(broker, part));
                    whole = Some(lost());
                    Err(lost())
                }
                Act::LoseRequest => {
                    whole = Some(lost());
                    Err(lost())
                }
                Act::Say(code) => Err(code.into()),
                Act::WriteAndSay(code) => {
                    drop(inner.write(broker, part));
                    Err(code.into())
                }
                Act::Silence => {
                    silent = true;
                    inner.write(broker, part)
                }
                Act::Hold(_) => panic!("held twice"),
            });
        }
        let answer = whole.map_or(Ok(answers), Err);
        let (sender, receiver) = oneshot::channel();
        if silent {
            inner.silent.push(sender);
        } else if hold {
            inner.held.push((sender, answer));
        } else {
            drop(sender.send(answer));
        }
        inner.in_flight += request.partitions.len();
        inner.most_in_flight = inner.most_in_flight.max(inner.in_flight);
        let takes = inner.pace.answer_in(self.env.now().0);
        drop(inner);
        self.changed.notify_waiters();
        let (fake, at, batches) = (self.clone(), self.env.now() + takes, request.partitions.len());
        Box::pin(async move {
            if !takes.is_zero() {
                fake.env.sleep_until(at).await;
            }
            let answer = receiver.await.unwrap_or_else(|_| Err(lost()));
            fake.inner.lock().unwrap().in_flight -= batches;
            answer
        })
    }

    fn next_write_in(&self, _broker: BrokerId) -> Option<Duration> {
        match self.inner.lock().unwrap().pace {
            Pace::Slots { slot, told: true, .. } => Some(Pace::to_slot(slot, self.env.now().0).saturating_sub(LEAD)),
            _ => None,
        }
    }

    async fn fetch(&self, _: BrokerId, _: FetchRequest) -> Result<FetchResponse, Error> {
        Err(ErrorCode::UnsupportedVersion.into())
    }

    async fn list_offsets(
        &self,
        _: BrokerId,
        _: IsolationLevel,
        _: Vec<(TopicPartition, OffsetSpec)>,
    ) -> Result<Vec<Result<ListedOffset, Error>>, Error> {
        Err(ErrorCode::UnsupportedVersion.into())
    }

    async fn init_producer_id(&self, request: InitProducerId) -> Result<ProducerIdentity, Error> {
        let mut inner = self.inner.lock().unwrap();
        inner.inits += 1;
        if let Some(code) = inner.init_refusals.pop_front() {
            return Err(code.into());
        }
        Ok(match request.current {
            Some(current) => ProducerIdentity { epoch: ProducerEpoch(current.epoch.0 + 1), ..current },
            None => {
                inner.next_id += 1;
                ProducerIdentity { id: ProducerId(inner.next_id), epoch: ProducerEpoch(0) }
            }
        })
    }

    async fn close(&self, _: Duration) -> Result<(), Error> {
        Ok(())
    }
}

macro_rules! unsupported {
    ($($name:ident($($arg:ident: $type:ty),*) -> $out:ty;)*) => {
        #[async_trait]
        impl ClusterAdmin for Fake {
            $(async fn $name(&self, $($arg: $type),*) -> Result<Vec<Result<$out, Error>>, Error> {
                Err(ErrorCode::UnsupportedVersion.into())
            })*
        }
    };
}

unsupported! {
    create_topics(_topics: Vec<CreateTopic>, _validate: bool) -> CreatedTopic;
    delete_topics(_names: Vec<TopicName>) -> ();
    create_partitions(_totals: Vec<(TopicName, i32)>, _validate: bool) -> ();
    delete_records(_before: Vec<(TopicPartition, Offset)>) -> DeletedRecords;
    describe_configs(_resources: Vec<ConfigResource>) -> Vec<ConfigEntry>;
    alter_configs(_changes: Vec<(ConfigResource, Vec<AlterConfig>)>, _validate: bool) -> ();
}

crate::cluster::testing::without_groups!(Fake);
