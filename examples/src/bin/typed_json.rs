//! Typed records: keys and values are encoded and decoded for you, and a record that does not decode is an error
//! that says where it is, not the end of the program.
//!
//! ```text
//! cargo run --release --bin typed_json
//! ```
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line program")]

use std::process::ExitCode;
use std::time::Duration;

use ottla::{At, Client, Json, NewTopic, Record, Utf8, reader};
use serde::{Deserialize, Serialize};

type Error = Box<dyn std::error::Error + Send + Sync>;

const TOPIC: &str = "user_email_updated";

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct EmailUpdated {
    email: String,
    verified: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("typed_json: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Error> {
    let client = Client::connect("memory://").await?;
    client.admin().ensure_topic(NewTopic::new(TOPIC).partitions(1)).await?;

    // One producer, and a typed view of it: the engine, its room and its producer id are shared.
    let producer = client.producer().build().await?;
    let emails = producer.typed(Utf8, Json::<EmailUpdated>::new());
    let ada = EmailUpdated { email: "ada@example.org".into(), verified: true };
    let grace = EmailUpdated { email: "grace@example.org".into(), verified: false };
    emails.send(TOPIC, "ada", &ada).await?;
    // Somebody else writes what is JSON, but not of this type.
    producer.send(Record::to(TOPIC).key("eve").value(r#"{"email": 7}"#)).await?;
    emails.send(TOPIC, "grace", &grace).await?;
    // The end of a key: a value that is null, which no codec sees.
    emails.send_tombstone(TOPIC, "ada").await?;

    let reader = client.reader().topic(TOPIC).start(At::Earliest).to_end().build().await?;
    let mut reader = reader.typed(Utf8, Json::<EmailUpdated>::new());
    let (mut decoded, mut skipped) = (Vec::new(), Vec::new());
    loop {
        match reader.next().await {
            Ok(Some(message)) => {
                let offset = message.offset();
                let (key, value) = message.into_parts();
                println!("offset {offset}: {key:?} = {value:?}");
                decoded.push((key, value));
            }
            Ok(None) => break,
            // The reader is behind the record already: going on is skipping it.
            Err(error @ reader::Error::Decode { offset, .. }) => {
                println!("skipped: {error}");
                skipped.push(offset.0);
            }
            Err(error) => return Err(error.into()),
        }
    }
    client.close(Duration::from_secs(5)).await?;

    let key = |name: &str| Some(name.to_owned());
    let expected = vec![(key("ada"), Some(ada)), (key("grace"), Some(grace)), (key("ada"), None)];
    if decoded != expected || skipped != [1] {
        return Err(format!("expected {expected:?} and offset 1 skipped; got {decoded:?} and {skipped:?}").into());
    }
    println!("three records decoded, and the one that is no EmailUpdated left out");
    Ok(())
}
