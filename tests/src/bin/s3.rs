//! Serves the tests' S3 endpoint on loopback until it is ended, to try examples by hand. Nothing outlives it.
//!
//! ```text
//! cargo run -p ottla-tests --bin s3 -- [--port 9000] [--bucket NAME …] [--put-ms 50]
//! AWS_ENDPOINT=http://127.0.0.1:9000 AWS_ALLOW_HTTP=true AWS_REGION=local \
//!     AWS_ACCESS_KEY_ID=me AWS_SECRET_ACCESS_KEY=secret …
//! ```
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line program")]

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use ottla_tests::s3::{Kind, Latency, Options, S3Server};

fn main() -> ExitCode {
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("s3: {error}");
            ExitCode::from(2)
        }
    }
}

fn serve() -> Result<(), Box<dyn std::error::Error>> {
    let mut options = Options { port: 9000, ..Options::default() };
    let mut put = Duration::ZERO;
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("{word} wants a value"));
        match word.as_str() {
            "--port" => options.port = value()?.parse()?,
            "--bucket" => options.buckets.push(value()?),
            "--put-ms" => put = Duration::from_millis(value()?.parse()?),
            _ => return Err(format!("{word} is not known: --port, --bucket, --put-ms").into()),
        }
    }
    let server = S3Server::start(options)?;
    server.faults().latency(Kind::Put, Latency::fixed(put));
    println!("{}", server.url());
    std::io::stdout().flush()?;
    loop {
        std::thread::park();
    }
}
