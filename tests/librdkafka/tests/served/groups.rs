//! Groups of librdkafka's members.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ottla_broker_core::config::BrokerConfig;
use ottla_librdkafka::{Served, Storage, theirs};
use rdkafka::client::ClientContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, Rebalance, StreamConsumer};
use rdkafka::message::Message;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use super::{in_time, on_every_storage, with_topic};

on_every_storage!(
    members_share_and_a_third_joins_and_leaves,
    committed_offsets_are_where_the_next_goes_on,
    the_share_of_a_crashed_member_goes_to_the_others,
    a_static_member_comes_back_without_a_rebalance,
    groups_are_described_and_listed,
);

const STRATEGIES: [&str; 3] = ["range", "roundrobin", "cooperative-sticky"];

/// Counts how often a member's assignment changed.
#[derive(Default)]
struct Rebalances(AtomicUsize);

impl ClientContext for Rebalances {}

impl ConsumerContext for Rebalances {
    fn post_rebalance(&self, _: &BaseConsumer<Self>, _: &Rebalance<'_>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A member that handles what comes.
struct Member {
    consumer: Arc<StreamConsumer<Rebalances>>,
    reading: tokio::task::JoinHandle<()>,
}

impl Member {
    fn join(served: &Served, settings: &[(&str, &str)]) -> Self {
        let settings = theirs::consumer_settings("g").into_iter().chain(settings.iter().copied());
        let config = theirs::config(&served.address(), settings);
        let consumer: StreamConsumer<_> = config.create_with_context(Rebalances::default()).unwrap();
        consumer.subscribe(&["t"]).unwrap();
        let consumer = Arc::new(consumer);
        let reads = Arc::clone(&consumer);
        let reading = tokio::spawn(async move {
            loop {
                let message = reads.recv().await.unwrap();
                reads.commit_message(&message, CommitMode::Async).unwrap();
            }
        });
        Self { consumer, reading }
    }

    fn share(&self) -> BTreeSet<i32> {
        theirs::assignment(&*self.consumer)
    }

    fn rebalances(&self) -> usize {
        self.consumer.context().0.load(Ordering::Relaxed)
    }

    /// Leaves the group, as a consumer that is dropped does.
    async fn leave(self) {
        self.reading.abort();
        let _ = self.reading.await;
        tokio::task::spawn_blocking(move || drop(self.consumer)).await.unwrap();
    }
}

/// Waits until the shares are all partitions, none twice, and about alike.
pub(super) async fn balanced(shares: impl Fn() -> Vec<BTreeSet<i32>>, partitions: i32) {
    loop {
        let now = shares();
        let sum: usize = now.iter().map(BTreeSet::len).sum();
        let all: BTreeSet<_> = now.iter().flatten().copied().collect();
        let fair = partitions as usize / now.len()..=(partitions as usize).div_ceil(now.len());
        if sum == all.len() && all == (0..partitions).collect() && now.iter().all(|share| fair.contains(&share.len())) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn members_share_and_a_third_joins_and_leaves(storage: Storage) {
    for strategy in STRATEGIES {
        with_topic(storage, 6, async |served: &Served| {
            let join = || Member::join(served, &[("partition.assignment.strategy", strategy)]);
            let (one, two) = (join(), join());
            balanced(|| vec![one.share(), two.share()], 6).await;
            let three = join();
            balanced(|| vec![one.share(), two.share(), three.share()], 6).await;
            two.leave().await;
            balanced(|| vec![one.share(), three.share()], 6).await;
            one.leave().await;
            balanced(|| vec![three.share()], 6).await;
            three.leave().await;
        })
        .await;
    }
}

async fn committed_offsets_are_where_the_next_goes_on(storage: Storage) {
    with_topic(storage, 2, async |served: &Served| {
        let producer = theirs::producer(&served.address(), &[]);
        theirs::send(&producer, "t", 0, 0..100).await;
        theirs::send(&producer, "t", 1, 0..100).await;
        for round in 0..4 {
            let consumer = theirs::consumer(&served.address(), "g", &[]);
            consumer.subscribe(&["t"]).unwrap();
            let mut next = [round * 25; 2];
            while next != [(round + 1) * 25; 2] {
                let message = consumer.recv().await.unwrap();
                let next = &mut next[message.partition() as usize];
                if *next == (round + 1) * 25 {
                    continue;
                }
                assert_eq!(message.offset(), *next);
                *next += 1;
            }
            let mut commit = TopicPartitionList::new();
            for partition in 0..2 {
                commit.add_partition_offset("t", partition, Offset::Offset((round + 1) * 25)).unwrap();
                commit.find_partition("t", partition).unwrap().set_metadata(format!("round {round}"));
            }
            consumer.commit(&commit, CommitMode::Sync).unwrap();
            let committed = consumer.committed(theirs::PATIENCE).unwrap();
            for element in committed.elements() {
                assert_eq!(element.offset(), Offset::Offset((round + 1) * 25));
                assert_eq!(element.metadata(), format!("round {round}"));
            }
            // It says at once that it leaves. Its end is not waited for: with messages that nobody took it may not come.
            std::thread::spawn(move || drop(consumer));
        }
    })
    .await;
}

async fn the_share_of_a_crashed_member_goes_to_the_others(storage: Storage) {
    in_time(async {
        let config = BrokerConfig::default().with("group.min.session.timeout.ms", 1_000).unwrap();
        let served = Served::with(storage, config, |builder| builder).await;
        theirs::create_topic(&served.address(), "t", 4).await;
        let stays = Member::join(&served, &[]);
        // Another process, which says what it is assigned.
        let mut other = Command::new(env!("CARGO_BIN_EXE_member"))
            .args([&served.address(), "g", "t"])
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(other.stdout.take().unwrap()).lines();
        while lines.next_line().await.unwrap().unwrap() != "2 partitions" {}
        balanced(|| vec![stays.share(), (0..4).filter(|partition| !stays.share().contains(partition)).collect()], 4)
            .await;
        other.kill().await.unwrap();
        balanced(|| vec![stays.share()], 4).await;
        stays.leave().await;
        served.stop().await;
    })
    .await;
}

async fn a_static_member_comes_back_without_a_rebalance(storage: Storage) {
    with_topic(storage, 4, async |served: &Served| {
        let one = Member::join(served, &[("group.instance.id", "one")]);
        let two = Member::join(served, &[("group.instance.id", "two")]);
        balanced(|| vec![one.share(), two.share()], 4).await;
        let (first, second, rebalances) = (one.share(), two.share(), two.rebalances());
        one.leave().await;
        let again = Member::join(served, &[("group.instance.id", "one")]);
        balanced(|| vec![again.share(), two.share()], 4).await;
        assert_eq!((again.share(), two.share(), two.rebalances()), (first, second, rebalances));
        again.leave().await;
        two.leave().await;
    })
    .await;
}

async fn groups_are_described_and_listed(storage: Storage) {
    with_topic(storage, 2, async |served: &Served| {
        let member = Member::join(served, &[("client.id", "someone"), ("partition.assignment.strategy", "roundrobin")]);
        balanced(|| vec![member.share()], 2).await;
        let looks = theirs::consumer(&served.address(), "other", &[]);
        let groups = looks.fetch_group_list(Some("g"), theirs::PATIENCE).unwrap();
        let [group] = groups.groups() else { panic!("one group") };
        assert_eq!((group.name(), group.state(), group.protocol()), ("g", "Stable", "roundrobin"));
        assert_eq!(group.protocol_type(), "consumer");
        let [only] = group.members() else { panic!("one member") };
        assert_eq!((only.client_id(), only.client_host()), ("someone", "/127.0.0.1"));
        assert!(only.assignment().is_some_and(|assignment| !assignment.is_empty()));
        member.leave().await;
        // The last member has left, and said so.
        loop {
            let groups = looks.fetch_group_list(None, theirs::PATIENCE).unwrap();
            let group = groups.groups().iter().find(|group| group.name() == "g").unwrap();
            if group.state() == "Empty" && group.members().is_empty() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}
