//! A client whose broker was replaced.

use std::time::Duration;

use ottla::{At, Client, ErrorCode, NewTopic, Record};
use ottla_backends::memory::{MemoryBackend, MemoryOptions};
use ottla_broker_core::env::Env;

/// Less than the retry time-outs: who is told must not have tried until one of them passed.
const SOON: Duration = Duration::from_secs(30);

#[tokio::test(start_paused = true)]
async fn who_can_reach_no_other_broker_is_told_that_its_own_was_replaced() {
    let memory = MemoryBackend::new(MemoryOptions::default());
    let old = Client::over(memory.backend()).await.unwrap();
    old.admin().create_topic(NewTopic::new("t")).await.unwrap();
    old.producer().build().await.unwrap().send(Record::to("t").value("a")).await.unwrap();
    let mut reader = old.reader().topic("t").start(At::Earliest).build().await.unwrap();
    let mut consumer = old.consumer("g").topics(["t"]).if_no_offset(At::Earliest).build().await.unwrap();
    assert!(reader.next().await.unwrap().is_some());
    assert!(consumer.next().await.unwrap().is_some());

    let new = Client::over(memory.backend()).await.unwrap();
    // It learns of that when it asks the metadata. The first answer is the broker's.
    let first = old.admin().create_topic(NewTopic::new("u")).await.unwrap_err();
    assert!(first.is_retriable() && first.to_string().contains("started again on the same storage"), "{first}");
    let env = Env::system();
    let refused = old.admin().create_topic(NewTopic::new("u")).await.unwrap_err();
    let read = env.timeout(SOON, reader.next()).await.expect("the reader is told").unwrap_err();
    assert_eq!(read.kafka_code(), Some(ErrorCode::BrokerNotAvailable));
    let consumed = env.timeout(SOON, consumer.next()).await.expect("the consumer is told").unwrap_err();
    assert_eq!(consumed.kafka_code(), Some(ErrorCode::BrokerNotAvailable));
    let built = env.timeout(SOON, old.consumer("h").topics(["t"]).build()).await.expect("it can be built or not");
    for told in [refused.to_string(), read.to_string(), consumed.to_string(), built.unwrap_err().to_string()] {
        assert!(told.contains("was replaced") && told.contains("connect again"), "{told}");
    }
    assert!(!refused.is_retriable() && !read.is_retriable() && !consumed.is_retriable());

    // As it says.
    new.producer().build().await.unwrap().send(Record::to("t").value("b")).await.unwrap();
    let again = Client::over(memory.backend()).await.unwrap();
    let mut reader = again.reader().topic("t").start(At::Earliest).to_end().build().await.unwrap();
    let mut values = Vec::new();
    while let Some(message) = reader.next().await.unwrap() {
        values.push(message.value().unwrap().to_vec());
    }
    assert_eq!(values, [b"a", b"b"]);
}
