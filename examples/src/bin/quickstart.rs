//! The smallest whole story: a log in this process, written, read and replayed.
//!
//! ```text
//! cargo run --release --bin quickstart [URL]
//! ```
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line program")]

use std::process::ExitCode;
use std::time::Duration;

use ottla::{At, Client, NewTopic, Record};

type Error = Box<dyn std::error::Error + Send + Sync>;

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
    let topic = NewTopic::new("user_email_updated").partitions(3).retention(Duration::from_hours(7 * 24));
    client.admin().ensure_topic(topic).await?;
    println!("connected to {url}, topic user_email_updated with 3 partitions\n");

    // Idempotent and acks=all unless said otherwise. Records of one key stay in one partition, in order.
    let producer = client.producer().build().await?;
    println!("written:");
    for (user, email) in EVENTS {
        let record = Record::to("user_email_updated").key(user).value(email);
        let receipt = producer.send(record).await?;
        println!(
            "  {user:<6} {email:<20} partition {} offset {}, durable in {}",
            receipt.partition, receipt.offset, receipt.durability
        );
    }

    println!("\nread from the start:");
    let mut reader = client.reader().topic("user_email_updated").start(At::Earliest).to_end().build().await?;
    let mut read = Vec::new();
    while let Some(message) = reader.next().await? {
        let text = |bytes: Option<&bytes::Bytes>| bytes.map(|b| String::from_utf8_lossy(b).into_owned()).unwrap_or_default();
        let (user, email) = (text(message.key()), text(message.value()));
        println!("  {user:<6} {email:<20} partition {} offset {}", message.partition(), message.offset());
        read.push((user, email));
    }

    println!("\nthe last two of each partition, replayed:");
    let mut tail = client.reader().topic("user_email_updated").start(At::Tail(2)).to_end().build().await?;
    while let Some(message) = tail.next().await? {
        println!("  partition {} offset {}", message.partition(), message.offset());
    }
    client.close(Duration::from_secs(5)).await?;

    // What it claims: everything came back, and each user's changes in the order in which they were made.
    for user in ["ada", "grace", "linus"] {
        let sent: Vec<_> = EVENTS.iter().filter(|(u, _)| *u == user).map(|(_, email)| *email).collect();
        let got: Vec<_> = read.iter().filter(|(u, _)| u == user).map(|(_, email)| email.as_str()).collect();
        if sent != got {
            return Err(format!("{user}: wrote {sent:?}, read {got:?}").into());
        }
    }
    println!("\nevery record came back, each user's in the order written");
    Ok(())
}

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
