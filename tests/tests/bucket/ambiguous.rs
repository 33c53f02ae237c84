//! Writes that took effect and whose answers never came: a producer does not notice.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use ottla::connect::StorageStats;
use ottla::{At, Client, Env, NewTopic, Record};
use ottla_tests::s3::{Fault, Kind, Requests};

use super::endpoint::Endpoint;
use super::trouble::Trouble;
use super::{PATIENCE, number, swept};

/// What leaves the writer in doubt about a write that took effect, or will.
const DOUBTS: [Fault; 4] = [Fault::ResetAfter, Fault::ClosedAfter, Fault::InternalErrorAfter, Fault::Late];
/// The share of PUTs that meet each.
const SHARE: f64 = 0.05;
const PARTITIONS: i32 = 8;
const KEYS: u64 = 32;
/// Records between two looks.
const BURST: u64 = 2_000;

fn ambiguous(requests: &Requests) -> u64 {
    DOUBTS.into_iter().map(|fault| requests.faults(fault)).sum()
}

async fn connect(place: &Endpoint) -> Client {
    let mut options = place.options();
    // Each batch is a PUT of its own, and many are on their way.
    (options.log.group_bytes, options.log.in_flight) = (1, 32);
    Client::builder().url(place.log()).object_store(options).connect().await.unwrap()
}

/// What each key got, in order: partition and offset of its values 0, 1, 2 and so on.
type Log = BTreeMap<u64, Vec<(i32, i64)>>;

async fn produce(client: &Client, place: &Endpoint, wanted: u64) -> Log {
    // Small batches of a few records, five of each partition in flight.
    let producer = client.producer().batch_bytes(1_024).build().await.unwrap();
    let mut acknowledged = Log::new();
    let mut next = 0;
    while ambiguous(&place.server().requests()) < wanted {
        let mut deliveries = Vec::new();
        for index in next..next + BURST {
            let (key, value) = (index % KEYS, index / KEYS);
            let record = Record::to("t").key(key.to_string()).value(format!("{value:0200}"));
            deliveries.push((key, producer.enqueue(record).await.unwrap()));
        }
        next += BURST;
        for (key, delivery) in deliveries {
            let receipt = delivery.await.unwrap();
            let offset = receipt.offset.unwrap();
            acknowledged.entry(key).or_default().push((receipt.partition, offset.0));
        }
    }
    acknowledged
}

async fn read(client: &Client) -> Log {
    let mut reader = client.reader().topic("t").start(At::Earliest).to_end().build().await.unwrap();
    let mut found = Log::new();
    while let Some(message) = reader.next().await.unwrap() {
        let text = |bytes: Option<&Bytes>| std::str::from_utf8(bytes.unwrap()).unwrap().parse::<u64>().unwrap();
        let places = found.entry(text(message.key())).or_default();
        assert_eq!(text(message.value()), places.len() as u64, "lost, doubled or out of order: {message:?}");
        places.push((message.partition(), message.offset().0));
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_doubled_or_out_of_order() {
    let wanted = number("OTTLA_AMBIGUOUS_PUTS", 1_000);
    let place = Endpoint::local(Trouble::None, 5);
    let faults = place.server().faults();
    for fault in DOUBTS {
        faults.rate(Kind::Put, fault, SHARE);
    }
    faults.late(Duration::from_millis(1)..=Duration::from_millis(20));
    let env = Env::system();
    let begun = env.now();
    let client = connect(&place).await;
    client.admin().create_topic(NewTopic::new("t").partitions(PARTITIONS)).await.unwrap();
    let acknowledged = produce(&client, &place, wanted).await;
    assert_eq!(read(&client).await, acknowledged);
    client.close(PATIENCE).await.unwrap();
    let Some(StorageStats::Bucket(stats)) = client.storage_stats() else { panic!("{client:?}") };
    let requests = place.server().requests();
    faults.clear();
    // From the bucket alone.
    let client = connect(&place).await;
    assert_eq!(read(&client).await, acknowledged);
    client.close(PATIENCE).await.unwrap();
    let report = swept(&place).await;
    println!(
        "{} ambiguous PUTs of {} in {:?}: {} landed late, {} read back, {} made again; {} records whole; {} objects, sound",
        ambiguous(&requests),
        requests.of(Kind::Put).requests,
        env.now().since(begun),
        requests.landed_late,
        stats.read_back,
        stats.retries,
        acknowledged.values().map(Vec::len).sum::<usize>(),
        report.objects,
    );
    for fault in DOUBTS {
        assert!(requests.faults(fault) >= wanted / 8, "{fault:?}: {requests:?}");
    }
}
