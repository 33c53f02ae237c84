//! The smallest whole story: a log in this process, written, read and replayed.
//!
//! ```text
//! cargo run --release --bin quickstart [URL]
//! ```
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line program")]

use std::process::ExitCode;
use std::time::Duration;

use ottla::{At, Client, Env, NewTopic, Record, Utf8};

type Error = Box<dyn std::error::Error + Send + Sync>;

const TOPIC: &str = "user_email_updated";

const EVENTS: [(&str, &str); 8] = [
    ("ada", "ada@old.example"),
    ("grace", "grace@navy.example"),
    ("ada", "ada@new.example"),
    ("linus", "linus@fi.example"),
    ("grace", "grace@home.example"),
    ("ada", "ada@newest.example"),
    ("linus", "linus@us.example"),
    ("grace", "grace@work.example"),
];

#[tokio::main]
async fn main() -> ExitCode {
    let url = std::env::args().nth(1).unwrap_or_else(|| "memory://".to_owned());
    match run(&url).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("quickstart: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(url: &str) -> Result<(), Error> {
    // A broker in this process: nothing else is started, no port is opened.
    let client = Client::connect(url).await?;
    let topic = NewTopic::new(TOPIC).partitions(3).retention(Duration::from_hours(7 * 24));
    client.admin().ensure_topic(topic).await?;
    println!("connected to {url}; topic {TOPIC} has 3 partitions\n\nwritten:");

    // Idempotent and acks=all unless said otherwise. Records of one key stay in one partition, in order.
    let producer = client.producer().build().await?;
    // An event an hour, the last one an hour ago. Without this a record has the time of its sending.
    let time = |hours_ago: usize| Env::system().wall_ms() - hours_ago as i64 * 3_600_000;
    for (n, (user, email)) in EVENTS.into_iter().enumerate() {
        let record = Record::to(TOPIC).key(user).value(email).timestamp_ms(time(EVENTS.len() - n));
        let receipt = producer.send(record).await?;
        let offset = receipt.offset.ok_or("a record of its first attempt has an offset")?;
        let (partition, durability) = (receipt.partition, receipt.durability);
        println!("  {user:<6} {email:<20} partition {partition} offset {offset}, kept in {durability}");
    }

    println!("\nread from the start:");
    let read = replay(&client, At::Earliest).await?;
    println!("\nthe last two of each partition:");
    let tail = replay(&client, At::Tail(2)).await?;
    println!("\nof the last three and a half hours:");
    let since = time(3) - 1_800_000;
    let latest = replay(&client, At::Time(since)).await?;
    client.close(Duration::from_secs(5)).await?;

    // What it claims: everything came back, and each user's changes in the order in which they were made.
    for user in ["ada", "grace", "linus"] {
        let sent: Vec<_> = EVENTS.iter().filter(|(u, _)| *u == user).map(|(_, email)| *email).collect();
        let got: Vec<_> = read.iter().filter(|seen| seen.user == user).map(|seen| seen.email.as_str()).collect();
        // A log that is kept has the events of earlier runs before them.
        if !got.ends_with(&sent) {
            return Err(format!("{user}: wrote {sent:?}, read {got:?}").into());
        }
    }
    for partition in 0..3 {
        let of = |list: &[Seen]| list.iter().filter(|seen| seen.partition == partition).cloned().collect::<Vec<_>>();
        let all = of(&read);
        let last_two = all.get(all.len().saturating_sub(2)..).unwrap_or_default();
        if of(&tail) != last_two {
            return Err(format!("the last two of partition {partition} are {last_two:?}, read {:?}", of(&tail)).into());
        }
        let recent: Vec<_> = all.into_iter().filter(|seen| seen.timestamp_ms >= since).collect();
        if of(&latest) != recent {
            return Err(format!("since {since}: {recent:?} in partition {partition}, read {:?}", of(&latest)).into());
        }
    }
    println!("\nevery record came back, each user's in the order written");
    Ok(())
}

#[derive(Clone, Debug, PartialEq)]
struct Seen {
    user: String,
    email: String,
    partition: i32,
    timestamp_ms: i64,
}

/// Reads the topic from a place to its end.
async fn replay(client: &Client, from: At) -> Result<Vec<Seen>, Error> {
    let mut reader = client.reader().topic(TOPIC).start(from).to_end().build().await?.typed(Utf8, Utf8);
    let mut seen = Vec::new();
    while let Some(message) = reader.next().await? {
        let (partition, offset, timestamp_ms) = (message.partition(), message.offset(), message.timestamp_ms());
        let (user, email) = message.into_parts();
        let (user, email) = (user.unwrap_or_default(), email.unwrap_or_default());
        println!("  {user:<6} {email:<20} partition {partition} offset {offset}");
        seen.push(Seen { user, email, partition, timestamp_ms });
    }
    Ok(seen)
}
