//! Typed records: values are encoded and decoded for you, and a record that does not decode is an error that
//! says where it is, not the end of the program.
//!
//! ```text
//! cargo run --release --bin typed_json
//! ```
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line program")]

use std::process::ExitCode;
use std::time::Duration;

use ottla::{At, Client, Json, NewTopic, Record, Utf8};
use serde::{Deserialize, Serialize};

type Error = Box<dyn std::error::Error + Send + Sync>;

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
    client.admin().ensure_topic(NewTopic::new("user_email_updated").partitions(1)).await?;

    // One producer, and a typed view of it: the engine, its budget and its producer id are shared.
    let producer = client.producer().build().await?;
    let emails = producer.typed(Utf8, Json::<EmailUpdated>::new());
    let ada = EmailUpdated { email: "ada@example.org".into(), verified: true };
    emails.send("user_email_updated", Some(&"ada".to_owned()), Some(&ada)).await?;
    // Somebody else writes what is no JSON of this type, and a tombstone: a value that is not there.
    producer.send(Record::to("user_email_updated").key("eve").value("{\"email\": 7}")).await?;
    producer.send(Record::to("user_email_updated").key("ada").tombstone()).await?;

    let mut reader = client
        .reader()
        .topic("user_email_updated")
        .start(At::Earliest)
        .to_end()
        .typed(Utf8, Json::<EmailUpdated>::new())
        .build()
        .await?;
    let (mut decoded, mut refused) = (Vec::new(), 0);
    while let Some(message) = reader.next().await? {
        match message.decoded() {
            Ok((key, value)) => {
                println!("offset {}: {key:?} = {value:?}", message.offset());
                decoded.push((key, value));
            }
            Err(error) => {
                println!("{error}");
                refused += 1;
            }
        }
    }
    client.close(Duration::from_secs(5)).await?;

    let expected = vec![(Some("ada".to_owned()), Some(ada)), (Some("ada".to_owned()), None)];
    if decoded != expected || refused != 1 {
        return Err(format!("expected {expected:?} and one refusal; got {decoded:?} and {refused}").into());
    }
    Ok(())
}
