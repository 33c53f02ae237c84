//! How long a record waits from the producer through the broker to a bucket: by a clock that only requests move.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use object_store::memory::InMemory;
use object_store::throttle::{ThrottleConfig, ThrottledStore};
use ottla::{Client, Env, NewTopic, Record};
use ottla_backends::bucket::{BucketBackend, BucketOptions};

const PUT: Duration = Duration::from_millis(50);

#[tokio::test(start_paused = true)]
async fn under_load_a_record_waits_for_two_puts_at_the_median_and_three_at_the_most() {
    for partitions in [1, 20, 1_000] {
        let config = ThrottleConfig { wait_put_per_call: PUT, ..ThrottleConfig::default() };
        let store = Arc::new(ThrottledStore::new(InMemory::new(), config));
        let env = Env::system();
        let backend = BucketBackend::open(store, "pace", BucketOptions::default(), &env).await.unwrap();
        let client = Client::builder().storage(backend.backend()).connect().await.unwrap();
        client.admin().create_topic(NewTopic::new("load").partitions(partitions)).await.unwrap();
        let producer = client.producer().build().await.unwrap();
        let (before, begun) = (backend.logs().stats().journal_partial.count, env.now());
        let mut waits = Vec::new();
        for n in 0..5_000 {
            let (producer, clock) = (producer.clone(), env.clone());
            #[expect(clippy::disallowed_methods, reason = "tasks of the test itself, each with its own end")]
            waits.push(tokio::spawn(async move {
                let begun = clock.now();
                let record = Record::to("load").partition(n % partitions).value("a value");
                producer.send(record).await.unwrap();
                clock.now().since(begun)
            }));
            env.sleep(Duration::from_millis(1)).await;
        }
        let puts = (backend.logs().stats().journal_partial.count - before) as f64;
        let most = env.now().since(begun).as_secs_f64() * 10.0 + 1.0;
        assert!(puts <= most, "{puts} PUTs below full size, where {most} may be");
        let mut waits: Vec<_> = join_all(waits).await.into_iter().skip(500).map(Result::unwrap).collect();
        waits.sort();
        let (p50, p99) = (waits[waits.len() / 2], waits[waits.len() * 99 / 100]);
        // The clock counts whole milliseconds, and each of those on the way rounds up.
        assert!(p50 <= 2 * PUT + Duration::from_millis(2), "{p50:?} at the median, over {partitions} partitions");
        assert!(p99 <= 3 * PUT + Duration::from_millis(3), "{p99:?} at p99, over {partitions} partitions");
        client.close(Duration::from_secs(60)).await.unwrap();
    }
}
