//! A member of a consumer group for the interop tests: says as JSON lines what it is given and what it reads,
//! acknowledges all of it, and leaves when its standard input ends.
//!
//! ```text
//! member kafka://127.0.0.1:9092 TOPIC GROUP [--assignor range|roundrobin|cooperative-sticky] [--instance NAME]
//! {"assigned":[0,1]}
//! {"record":[0,17,"the value"]}
//! {"left":true}
//! ```
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line program")]

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use ottla::consumer::{Assignor, Committer, CooperativeSticky, Handle, Range, RebalanceListener, RoundRobin};
use ottla::{At, Client, TopicPartition};
use serde_json::json;
use tokio::io::AsyncReadExt;

type Error = Box<dyn std::error::Error + Send + Sync>;

/// The broker's least session time-out: a crash is noticed soon.
const SESSION: Duration = Duration::from_secs(6);
const HEARTBEAT: Duration = Duration::from_millis(500);

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("member: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Error> {
    let mut words = std::env::args().skip(1);
    let mut place = |what| words.next().ok_or(format!("{what} is missing"));
    let (url, topic, group) = (place("the URL")?, place("the topic")?, place("the group")?);
    let mut assignor: Arc<dyn Assignor> = Arc::new(CooperativeSticky);
    let mut instance = None;
    while let Some(word) = words.next() {
        let value = words.next().ok_or(format!("{word} wants a value"))?;
        match (word.as_str(), value.as_str()) {
            ("--assignor", "range") => assignor = Arc::new(Range),
            ("--assignor", "roundrobin") => assignor = Arc::new(RoundRobin),
            ("--assignor", "cooperative-sticky") => {}
            ("--instance", _) => instance = Some(value),
            _ => return Err(format!("`{word} {value}` is not known").into()),
        }
    }
    let client = Client::connect(&url).await?;
    let mut builder = client
        .consumer(group.as_str())
        .topics([&topic])
        .if_no_offset(At::Earliest)
        .assignors([assignor])
        .session_timeout(SESSION)
        .heartbeat_interval(HEARTBEAT)
        .on_rebalance(Share::default());
    if let Some(name) = instance {
        builder = builder.group_instance_id(name);
    }
    let mut consumer = builder.build().await?;
    let handle = consumer.handle();
    let mut input = tokio::io::stdin();
    let mut byte = [0];
    loop {
        tokio::select! {
            biased;
            read = input.read(&mut byte) => if read? == 0 { break },
            message = consumer.next() => {
                let Some(message) = message? else { break };
                let value = message.value().map(|value| String::from_utf8_lossy(value).into_owned());
                println!("{}", json!({ "record": [message.partition(), message.offset().0, value] }));
                message.ack();
            }
        }
    }
    handle.shutdown(Duration::from_secs(5)).await?;
    client.close(Duration::from_secs(5)).await?;
    println!("{}", json!({ "left": true }));
    Ok(())
}

/// Says all that the member has whenever that changes.
#[derive(Debug, Default)]
struct Share(Mutex<BTreeSet<i32>>);

impl Share {
    fn change(&self, change: impl FnOnce(&mut BTreeSet<i32>)) {
        let mut share = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut share);
        println!("{}", json!({ "assigned": &*share }));
    }

    fn without(&self, partitions: &[TopicPartition]) {
        self.change(|share| share.retain(|one| partitions.iter().all(|gone| gone.partition != *one)));
    }
}

#[async_trait]
impl RebalanceListener for Share {
    async fn assigned(&self, partitions: &[TopicPartition], _: &Handle) {
        self.change(|share| share.extend(partitions.iter().map(|one| one.partition)));
    }

    async fn revoked(&self, partitions: &[TopicPartition], _: &Committer) {
        self.without(partitions);
    }

    async fn lost(&self, partitions: &[TopicPartition]) {
        self.without(partitions);
    }
}
