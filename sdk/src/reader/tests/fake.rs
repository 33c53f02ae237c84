//! A cluster of one broker that is a list of batches, and fails as it is told.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use ottla_broker_core::api::*;
use ottla_broker_core::env::{BoxFuture, Env};
use ottla_broker_core::record::{Batch, Builder, BuilderOptions, Flags, ProducerStamp};
use ottla_broker_core::{BrokerId, LeaderEpoch, Offset, ProducerEpoch, ProducerId, TopicId, TopicName, TopicPartition};
use tokio::sync::Notify;

use crate::client::Client;
use crate::cluster::{Cluster, ClusterAdmin};

#[derive(Debug, Default)]
pub(super) struct Partition {
    pub(super) start: Offset,
    pub(super) batches: Vec<Batch>,
    pub(super) aborted: Vec<AbortedTransaction>,
}

impl Partition {
    pub(super) fn end(&self) -> Offset {
        self.batches.last().map_or(self.start, Batch::next_offset)
    }
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) topics: BTreeMap<TopicName, (TopicId, Vec<Partition>)>,
    /// What the next fetches fail with, one each.
    pub(super) refusals: VecDeque<ErrorCode>,
    /// What the next look-ups of a partition of `t` fail with, one each.
    pub(super) lookup_refusals: BTreeMap<i32, VecDeque<ErrorCode>>,
    /// What every fetch fails with.
    pub(super) down: Option<ErrorCode>,
    pub(super) fetches: usize,
    /// Batches of an answer at most.
    pub(super) batches: Option<usize>,
}

#[derive(Debug, Default)]
pub(super) struct Fake {
    state: Mutex<State>,
    pub(super) changed: Notify,
}

const LEADER: BrokerId = BrokerId(3);

pub(super) fn name(topic: &str) -> TopicName {
    TopicName::new(topic).unwrap()
}

pub(super) fn tp(partition: i32) -> TopicPartition {
    TopicPartition::new(name("t"), partition)
}

/// A batch whose values are its offsets in decimal.
pub(super) fn batch(base: i64, count: i64) -> Batch {
    of_producer(base, count, None)
}

pub(super) fn of_producer(base: i64, count: i64, transaction: Option<i64>) -> Batch {
    let mut builder = Builder::new(BuilderOptions::default());
    for offset in base..base + count {
        builder.append(offset * 10, None, Some(offset.to_string().as_bytes()), &[]).unwrap();
    }
    let stamp = transaction.map(|id| ProducerStamp { id: ProducerId(id), epoch: ProducerEpoch(0), base_sequence: 0 });
    let flags = Flags { transactional: transaction.is_some(), control: false };
    builder.finish(stamp, flags).unwrap().stamped(Offset(base), LeaderEpoch(0))
}

/// The same batch with one bit of its last record changed.
pub(super) fn damaged(batch: &Batch) -> Batch {
    // The last byte is the last record's header count; the one before, the end of its value.
    damaged_at(batch, batch.size_in_bytes() - 2, 1)
}

/// The same batch with these bits of a byte changed.
pub(super) fn damaged_at(batch: &Batch, at: usize, bits: u8) -> Batch {
    let mut bytes = batch.to_bytes().to_vec();
    bytes[at] ^= bits;
    Batch::parse(Bytes::from(bytes)).unwrap()
}

impl Fake {
    /// A topic `t` of partitions with batches of these sizes, one after the other.
    pub(super) fn new(partitions: &[&[i64]]) -> Arc<Self> {
        let fake = Arc::new(Self::default());
        let partitions = partitions.iter().map(|sizes| {
            let mut partition = Partition::default();
            for size in *sizes {
                let base = partition.end().0;
                partition.batches.push(batch(base, *size));
            }
            partition
        });
        let partitions = partitions.collect();
        fake.lock().topics.insert(name("t"), (TopicId(Env::seeded(7).uuid()), partitions));
        fake
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Changes a partition of `t` and wakes who waits.
    pub(super) fn change(&self, partition: usize, change: impl FnOnce(&mut Partition)) {
        change(&mut self.lock().topics.get_mut("t").unwrap().1[partition]);
        self.changed.notify_waiters();
    }

    pub(super) async fn client(self: &Arc<Self>) -> Client {
        let cluster: Arc<dyn Cluster> = self.clone();
        Client::builder().cluster(cluster).env(Env::seeded(1)).connect().await.unwrap()
    }

    fn read(&self, wanted: &FetchPartition, room: &mut usize) -> Result<Fetched, Error> {
        let state = self.lock();
        let unknown = || Error::from(ErrorCode::UnknownTopicOrPartition);
        let (_, partitions) = state.topics.get(&wanted.partition.topic).ok_or_else(unknown)?;
        let partition = partitions.get(wanted.partition.partition as usize).ok_or_else(unknown)?;
        let end = partition.end();
        if wanted.offset < partition.start || wanted.offset > end {
            let message = format!("the log is {}..{end}", partition.start);
            return Err(Error::new(ErrorCode::OffsetOutOfRange, message));
        }
        let mut taken = 0;
        let fit = partition.batches.iter().filter(|batch| batch.next_offset() > wanted.offset).take_while(|batch| {
            let size = batch.size_in_bytes();
            let fits = taken == 0 && *room > 0 || taken + size <= wanted.max_bytes && size <= *room;
            if fits {
                taken += size;
                *room = room.saturating_sub(size);
            }
            fits
        });
        Ok(Fetched {
            high_watermark: end,
            last_stable_offset: end,
            log_start_offset: partition.start,
            batches: fit.take(state.batches.unwrap_or(usize::MAX)).cloned().collect(),
            aborted: partition.aborted.clone(),
        })
    }
}

#[async_trait]
impl Cluster for Fake {
    async fn metadata(&self, request: MetadataRequest) -> Result<Metadata, Error> {
        let TopicsWanted::Names(names) = request.topics else { panic!("readers name their topics") };
        let state = self.lock();
        let topics = names.iter().map(|name| {
            let (id, partitions) = state.topics.get(name).ok_or(ErrorCode::UnknownTopicOrPartition)?;
            let partitions = (0..partitions.len() as i32).map(|partition| PartitionMetadata {
                partition,
                leader: Some(LEADER),
                leader_epoch: LeaderEpoch(0),
                replicas: vec![LEADER],
                isr: vec![LEADER],
            });
            Ok(Arc::new(TopicMetadata {
                name: name.clone(),
                id: *id,
                internal: false,
                partitions: partitions.collect(),
            }))
        });
        Ok(Metadata {
            cluster_id: "fake".into(),
            controller: Some(LEADER),
            brokers: Arc::new([]),
            topics: topics.collect(),
        })
    }

    async fn ready(&self, _broker: BrokerId, _bytes: usize) -> Result<(), Error> {
        Ok(())
    }

    fn produce(
        &self,
        _broker: BrokerId,
        _request: ProduceRequest,
    ) -> BoxFuture<'static, Result<ProduceResponse, Error>> {
        panic!("a reader does not write")
    }

    async fn fetch(&self, broker: BrokerId, request: FetchRequest) -> Result<FetchResponse, Error> {
        assert_eq!(broker, LEADER);
        let env = Env::system();
        let deadline = env.now() + request.max_wait;
        {
            let mut state = self.lock();
            state.fetches += 1;
            let down = state.down;
            if let Some(code) = state.refusals.pop_front().or(down) {
                return Ok(request.partitions.iter().map(|_| Err(code.into())).collect());
            }
        }
        loop {
            let changed = self.changed.notified();
            let mut room = request.max_bytes;
            let answers: Vec<_> = request.partitions.iter().map(|wanted| self.read(wanted, &mut room)).collect();
            if answers.iter().any(|answer| answer.as_ref().map_or(true, |fetched| !fetched.batches.is_empty())) {
                return Ok(answers);
            }
            if env.timeout(deadline.since(env.now()), changed).await.is_err() {
                return Ok(answers);
            }
        }
    }

    async fn list_offsets(
        &self,
        _broker: BrokerId,
        _isolation: IsolationLevel,
        wanted: Vec<(TopicPartition, OffsetSpec)>,
    ) -> Result<Vec<Result<ListedOffset, Error>>, Error> {
        let mut state = self.lock();
        let mut refused = BTreeMap::new();
        for (partition, _) in &wanted {
            let number = partition.partition;
            let refusals = &mut state.lookup_refusals;
            refused.entry(number).or_insert_with(|| refusals.get_mut(&number).and_then(VecDeque::pop_front));
        }
        let answers = wanted.iter().map(|(partition, spec)| {
            if let Some(Some(code)) = refused.get(&partition.partition) {
                return Err((*code).into());
            }
            let partition = &state.topics[&partition.topic].1[partition.partition as usize];
            let offset = match spec {
                OffsetSpec::Earliest => Some(partition.start),
                OffsetSpec::Latest => Some(partition.end()),
                OffsetSpec::MaxTimestamp => panic!("not asked by readers"),
                // Timestamps are ten times the offset.
                OffsetSpec::Timestamp(ms) => {
                    let offset = Offset((ms + 9) / 10).max(partition.start);
                    Some(offset).filter(|offset| *offset < partition.end())
                }
            };
            Ok(ListedOffset { offset, timestamp_ms: None, leader_epoch: None })
        });
        Ok(answers.collect())
    }

    async fn init_producer_id(&self, _request: InitProducerId) -> Result<ProducerIdentity, Error> {
        panic!("a reader does not write")
    }

    async fn close(&self, _limit: Duration) -> Result<(), Error> {
        Ok(())
    }
}

#[async_trait]
#[rustfmt::skip]
impl ClusterAdmin for Fake {
    async fn create_topics(&self, _: Vec<CreateTopic>, _: bool) -> Result<Vec<Result<CreatedTopic, Error>>, Error> { panic!() }
    async fn delete_topics(&self, _: Vec<TopicName>) -> Result<Vec<Result<(), Error>>, Error> { panic!() }
    async fn create_partitions(&self, _: Vec<(TopicName, i32)>, _: bool) -> Result<Vec<Result<(), Error>>, Error> { panic!() }
    async fn delete_records(&self, _: Vec<(TopicPartition, Offset)>) -> Result<Vec<Result<DeletedRecords, Error>>, Error> { panic!() }
    async fn describe_configs(&self, _: Vec<ConfigResource>) -> Result<Vec<Result<Vec<ConfigEntry>, Error>>, Error> { panic!() }
    async fn alter_configs(&self, _: Vec<(ConfigResource, Vec<AlterConfig>)>, _: bool) -> Result<Vec<Result<(), Error>>, Error> { panic!() }
}

crate::cluster::testing::without_groups!(Fake);
