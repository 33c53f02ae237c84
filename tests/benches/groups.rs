//! Groups through an embedded broker on memory, beside what the same broker does at least for as many questions.
//!
//! ```text
//! cargo bench -p ottla-tests --bench groups            # five rounds
//! cargo bench -p ottla-tests --bench groups -- 11      # eleven
//! ```
//!
//! - A commit is one record that is appended, awaited and remembered. Its limit: one record of that size,
//!   produced alone and awaited, through the same broker. Each size has ten times the idle groups of the one
//!   before: the rate should not know.
//! - Consuming through a group reads batch by batch and acknowledges each, with commits on the clock. Its
//!   limit: the reader without a group, over the same records in the same round.
//! - A rebalance has each member join and sync, the leader first and each in a task. Its limit: two
//!   heartbeats a member, which is what as many calls cost that have nothing to decide.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a bench: it reads the clock, prints, and may panic"
)]

use std::future::Future;
use std::hint::black_box;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use ottla::{At, Client, NewTopic, Record};
use ottla_backends::memory;
use ottla_broker_core::api::group::{
    Assignment, CONSUMER, FindCoordinator, Generation, GroupId, GroupProtocol, Heartbeat, JoinGroup, JoinedGroup,
    OffsetCommit, OffsetCommitPartition, Subscription, SyncGroup, TopicPartitions,
};
use ottla_broker_core::api::{Acks, CreateTopic, ErrorCode, ProducePartition, ProduceRequest};
use ottla_broker_core::broker::Broker;
use ottla_broker_core::config::BrokerConfig;
use ottla_broker_core::env::{Env, Task};
use ottla_broker_core::record::{Builder, BuilderOptions, Flags};
use ottla_broker_core::{Offset, TopicName, TopicPartition};
use ottla_tests::bench::{Samples, Watch, figure};
use ottla_tests::counting::{self, Counting};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Commits of one round.
const COMMITS: i64 = 50_000;
/// About what a commit's record takes, key and value.
const COMMIT_BYTES: usize = 64;

fn main() {
    // `cargo bench` passes flags of its own.
    let rounds: usize = std::env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(5);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    println!("{rounds} rounds after one to warm up: medians (least–greatest). Durability memory, embedded, a runtime");
    println!("of 2 threads; commits by one caller that awaits each, of one partition each, into 100 groups.\n");
    for idle in [100, 1_000, 10_000] {
        runtime.block_on(async { tokio::spawn(commits(idle, rounds)).await.unwrap() });
    }
    runtime.block_on(async { tokio::spawn(consuming(rounds)).await.unwrap() });
    for (members, partitions) in [(10, 100), (100, 1_000), (1_000, 10_000)] {
        runtime.block_on(async { tokio::spawn(rebalances(members, partitions, rounds)).await.unwrap() });
    }
}

async fn start(partitions: i32) -> (Arc<Broker>, Task) {
    let env = Env::system();
    // All of the first members find each other in one generation.
    let config = BrokerConfig::default().with("group.initial.rebalance.delay.ms", 500).unwrap();
    let broker = Broker::start(config, memory::backend(), env.clone()).await.unwrap();
    let kept = Arc::clone(&broker);
    let keeper = env.spawn("keeper", async move { kept.run_housekeeping().await });
    let topic = CreateTopic {
        name: topic(),
        partitions: Some(partitions),
        replication_factor: None,
        configs: std::collections::BTreeMap::new(),
    };
    broker.create_topics(vec![topic], false).await.unwrap().remove(0).unwrap();
    broker.find_coordinator(FindCoordinator::Group("g".into())).await.unwrap();
    (broker, keeper)
}

fn topic() -> TopicName {
    TopicName::new("bench").unwrap()
}

async fn commit(broker: &Broker, group: GroupId, offset: i64) {
    let partition = OffsetCommitPartition {
        partition: TopicPartition::new(topic(), 0),
        offset: Offset(offset),
        leader_epoch: None,
        metadata: "".into(),
    };
    let request =
        OffsetCommit { group, generation: Generation::NONE, member: None, instance: None, partitions: vec![partition] };
    broker.offset_commit(request).await.unwrap().remove(0).unwrap();
}

async fn commits(idle: i64, rounds: usize) {
    let (broker, keeper) = start(1).await;
    for group in 0..idle {
        commit(&broker, format!("idle-{group}").into(), 1).await;
    }
    let groups: Vec<GroupId> = (0..100).map(|group| format!("busy-{group}").into()).collect();
    let (mut limit, mut rate, mut cpu, mut allocations) =
        (Samples::default(), Samples::default(), Samples::default(), Samples::default());
    for round in 0..=rounds {
        let watch = Watch::start();
        for _ in 0..COMMITS {
            let mut batch = Builder::new(BuilderOptions { capacity: 512, ..BuilderOptions::default() });
            batch.append(0, None, Some(&[7; COMMIT_BYTES]), &[]).unwrap();
            let batch = batch.finish(None, Flags::default()).unwrap();
            let partitions = vec![ProducePartition { partition: TopicPartition::new(topic(), 0), batch }];
            let request = ProduceRequest { acks: Acks::All, timeout: Duration::from_secs(5), partitions };
            broker.produce(request).await.unwrap().remove(0).unwrap();
        }
        let produced = watch.stop();
        let before = counting::allocations();
        let watch = Watch::start();
        for (offset, group) in (0..COMMITS).zip(groups.iter().cycle()) {
            commit(&broker, group.clone(), offset).await;
        }
        let committed = watch.stop();
        if round > 0 {
            limit.push(COMMITS as f64 / produced.wall.as_secs_f64());
            rate.push(COMMITS as f64 / committed.wall.as_secs_f64());
            cpu.push(committed.cpu.as_nanos() as f64 / COMMITS as f64);
            allocations.push((counting::allocations() - before) as f64 / COMMITS as f64);
        }
    }
    println!("commits, {} idle groups", figure(idle as f64));
    println!("  limit: a record of {COMMIT_BYTES} B produced alone {limit}/s");
    println!("  committed {rate}/s, {} of the limit", rate.over(&limit));
    println!("    {cpu} ns of CPU, {allocations} allocations a commit\n");
    broker.close(Duration::from_secs(5)).await.unwrap();
    keeper.await;
}

fn join(member: Option<&JoinedGroup>) -> JoinGroup {
    JoinGroup {
        group: "g".into(),
        member: member.map(|joined| joined.member.clone()),
        instance: None,
        client_id: "bench".into(),
        client_host: "/127.0.0.1".into(),
        session_timeout: Duration::from_secs(45),
        rebalance_timeout: Duration::from_secs(300),
        protocol_type: CONSUMER.into(),
        protocols: vec![GroupProtocol {
            name: "range".into(),
            metadata: Subscription::to(vec![topic()]).encode().unwrap(),
        }],
        requires_known_member: true,
        can_skip_assignment: true,
    }
}

async fn join_by_name(broker: &Broker, member: Option<&JoinedGroup>) -> JoinedGroup {
    let mut request = join(member);
    loop {
        match broker.join_group(request.clone()).await {
            Ok(joined) => return joined,
            Err(refused) => {
                assert_eq!(refused.error.code, ErrorCode::MemberIdRequired, "{refused}");
                request.member = refused.member;
            }
        }
    }
}

async fn sync(broker: &Broker, joined: &JoinedGroup, partitions: i32) {
    let share = |nth: usize| {
        let (nth, members) = (nth as i32, joined.members.len() as i32);
        let partitions = (nth * partitions / members..(nth + 1) * partitions / members).collect();
        let partitions = vec![TopicPartitions { topic: topic(), partitions }];
        Assignment { partitions, user_data: None }.encode().unwrap()
    };
    let assignments = joined.members.iter().enumerate().map(|(nth, member)| (member.member.clone(), share(nth)));
    let request = SyncGroup {
        group: "g".into(),
        generation: joined.generation,
        member: joined.member.clone(),
        instance: None,
        protocol_type: Some(CONSUMER.into()),
        protocol: Some("range".into()),
        assignments: assignments.collect(),
    };
    let synced = broker.sync_group(request).await.unwrap();
    assert!(!synced.assignment.is_empty());
}

/// Everybody joins and syncs; who asks first is the leader, whose question starts a rebalance of a stable group.
async fn rebalance(broker: &Arc<Broker>, members: Vec<Option<JoinedGroup>>, partitions: i32) -> Vec<JoinedGroup> {
    let mut tasks = Vec::with_capacity(members.len());
    for (nth, member) in members.into_iter().enumerate() {
        let broker = Arc::clone(broker);
        let mut asked: Pin<Box<dyn Future<Output = JoinedGroup> + Send>> = Box::pin(async move {
            let joined = join_by_name(&broker, member.as_ref()).await;
            sync(&broker, &joined, partitions).await;
            joined
        });
        // A question is taken when it is first polled.
        assert!(nth > 0 || (&mut asked).now_or_never().is_none(), "the leader waits for nobody");
        tasks.push(tokio::spawn(asked));
    }
    let mut joined = Vec::with_capacity(tasks.len());
    for task in tasks {
        joined.push(task.await.unwrap());
    }
    joined
}

async fn heartbeats(broker: &Broker, members: &[JoinedGroup]) {
    for member in members {
        let heartbeat = Heartbeat {
            group: "g".into(),
            generation: member.generation,
            member: member.member.clone(),
            instance: None,
        };
        broker.heartbeat(heartbeat).await.unwrap();
    }
}

async fn rebalances(count: usize, partitions: i32, rounds: usize) {
    let (broker, keeper) = start(partitions).await;
    let mut members = rebalance(&broker, vec![None; count], partitions).await;
    assert!(members.iter().all(|member| member.generation == members[0].generation), "not one group");
    let (mut limit, mut millis, mut per_member, mut cpu) =
        (Samples::default(), Samples::default(), Samples::default(), Samples::default());
    for round in 0..=rounds {
        let watch = Watch::start();
        heartbeats(&broker, &members).await;
        heartbeats(&broker, &members).await;
        let floor = watch.stop();
        members.sort_by_key(|member| member.leader != member.member);
        let before = members.first().map(|member| member.generation);
        let watch = Watch::start();
        members = rebalance(&broker, members.into_iter().map(Some).collect(), partitions).await;
        let spent = watch.stop();
        assert!(members.iter().all(|member| Some(member.generation) > before), "nobody divided anew");
        if round > 0 {
            limit.push(floor.wall.as_secs_f64() * 1e3);
            millis.push(spent.wall.as_secs_f64() * 1e3);
            per_member.push(spent.wall.as_secs_f64() * 1e6 / count as f64);
            cpu.push(spent.cpu.as_secs_f64() * 1e6 / count as f64);
        }
    }
    println!("rebalance, {count} members, {} partitions", figure(f64::from(partitions)));
    println!("  limit: two heartbeats a member {limit} ms");
    println!("  all joined and synced {millis} ms, {} times the limit", millis.over(&limit));
    println!("    {per_member} µs and {cpu} µs of CPU a member\n");
    broker.close(Duration::from_secs(5)).await.unwrap();
    keeper.await;
}

/// Records of one round.
const RECORDS: u64 = 3_000_000;

async fn consuming(rounds: usize) {
    let client = Client::connect("memory://").await.unwrap();
    client.admin().create_topic(NewTopic::new("t").partitions(3)).await.unwrap();
    let producer = client.producer().build().await.unwrap();
    let value = Bytes::from(vec![7_u8; 100]);
    for n in 0..RECORDS {
        drop(producer.enqueue(Record::to("t").partition((n % 3) as i32).value(value.clone())).await.unwrap());
    }
    producer.flush().await.unwrap();
    let (mut alone, mut grouped) = (Samples::default(), Samples::default());
    for round in 0..=rounds {
        let watch = Watch::start();
        let mut reader = client.reader().topic("t").start(At::Earliest).to_end().build().await.unwrap();
        let mut read = 0;
        while let Some(batch) = reader.next_batch().await.unwrap() {
            for message in batch {
                black_box(message.unwrap().value());
                read += 1;
            }
        }
        assert_eq!(read, RECORDS);
        let by_reader = RECORDS as f64 / watch.stop().wall.as_secs_f64();

        // Its first message ends the joining, which is not what is measured here.
        let mut consumer =
            client.consumer(format!("g{round}")).topics(["t"]).if_no_offset(At::Earliest).build().await.unwrap();
        let mut batch = consumer.next_batch().await.unwrap().unwrap();
        let mut read = (&mut batch).count() as u64;
        batch.ack();
        let before = read;
        let watch = Watch::start();
        while read < RECORDS {
            let mut batch = consumer.next_batch().await.unwrap().unwrap();
            for message in &mut batch {
                black_box(message.unwrap().value());
                read += 1;
            }
            batch.ack();
        }
        let by_group = (read - before) as f64 / watch.stop().wall.as_secs_f64();
        consumer.handle().shutdown(Duration::from_secs(5)).await.unwrap();
        if round > 0 {
            alone.push(by_reader);
            grouped.push(by_group);
        }
    }
    println!("consuming {} records of 100 B, 3 partitions, one member:", figure(RECORDS as f64));
    println!("  a reader alone {alone}/s; through a group, acknowledged {grouped}/s, {} of it\n", grouped.over(&alone));
    client.close(Duration::from_secs(5)).await.unwrap();
}
