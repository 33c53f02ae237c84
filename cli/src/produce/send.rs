//! From lines to acknowledgements, with as many on their way as the producer has room for.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;

use bytes::Bytes;
use futures::FutureExt;
use ottla::producer::{self, Delivery};
use ottla::{Client, Env, Producer};
use ottla_broker_core::planted::is_planted;

use super::lines::{At, Lines};
use super::report::{Receipts, Summary, Told};
use super::shape::Shape;
use crate::error::Error;
use crate::signals::Signals;

/// Lines that are taken before the acknowledgements are looked at again.
const BURST: usize = 256;

/// A record that has no answer yet.
struct OnItsWay {
    at: At,
    bytes: usize,
    delivery: Delivery,
}

/// What is on its way, in the order of the lines, and what became of the rest.
struct Sending<'a> {
    producer: Producer,
    shape: &'a Shape,
    waiting: VecDeque<OnItsWay>,
    receipts: Receipts,
    summary: Summary,
    /// The first that failed. Nothing is read after it.
    failure: Option<Failure>,
}

/// Why nothing is read any more.
struct Failure {
    told: String,
    /// What the library said of a record.
    source: Option<producer::Error>,
}

impl From<String> for Failure {
    fn from(told: String) -> Self {
        Self { told, source: None }
    }
}

/// What there is to do next.
enum Next {
    Line(At, Bytes),
    Answer(Result<ottla::RecordMetadata, producer::Error>),
    /// There are no more lines.
    End,
    Failed(String),
    Signal,
}

/// Sends every line, and waits for every answer.
pub(super) async fn run(client: &Client, env: &Env, mut lines: Lines, shape: &Shape, told: Told) -> Result<(), Error> {
    let mut signals = Signals::new().map_err(Error::Runtime)?;
    let start = async {
        let producer = client.producer().build().await?;
        // A topic that is not there is said before anything is read.
        producer.partitions_for(shape.topic.as_str()).await?;
        Ok::<_, producer::Error>(producer)
    };
    let producer = tokio::select! {
        biased;
        signal = signals.next() => return Err(Error::Failed(format!("ended by {signal} before anything was sent"))),
        started = start => started.map_err(ottla::Error::from)?,
    };
    let began = env.now();
    let mut sending = Sending {
        producer,
        shape,
        waiting: VecDeque::new(),
        receipts: Receipts::new(told),
        summary: Summary::default(),
        failure: None,
    };
    let mut reads = true;
    let mut signalled = false;
    loop {
        reads &= sending.failure.is_none();
        if !reads && sending.waiting.is_empty() {
            break;
        }
        let next = tokio::select! {
            biased;
            _ = signals.next() => Next::Signal,
            answer = first_answer(&mut sending.waiting), if !sending.waiting.is_empty() => Next::Answer(answer),
            line = lines.next(), if reads => match line {
                Ok(Some((at, line))) => Next::Line(at, line),
                Ok(None) => Next::End,
                Err(trouble) => Next::Failed(trouble.to_string()),
            },
        };
        match next {
            Next::Line(at, line) => {
                if !sending.burst(at, line, &mut lines, &mut signals).await {
                    (reads, signalled) = (false, true);
                }
            }
            Next::Answer(answer) => sending.answered(answer)?,
            Next::End => reads = false,
            Next::Failed(reason) => sending.failure = Some(reason.into()),
            Next::Signal if signalled => {
                let left = sending.waiting.len();
                let reason = format!("ended by a second signal; {left} records have no answer, and may be there");
                return Err(sending.failed(reason.into()));
            }
            Next::Signal => (reads, signalled) = (false, true),
        }
        sending.take_answers()?;
        sending.receipts.flush().map_err(Error::Output)?;
    }
    match sending.failure.take() {
        Some(failure) if !is_planted("produce-failure-passed-over") => Err(sending.failed(failure)),
        _ => {
            sending.summary.tell(env.now().since(began), told);
            Ok(())
        }
    }
}

/// The answer of the first record that is on its way. Cancel-safe: it stays the first until it is taken.
async fn first_answer(waiting: &mut VecDeque<OnItsWay>) -> Result<ottla::RecordMetadata, producer::Error> {
    match waiting.front_mut() {
        Some(first) => poll_fn(|cx| Pin::new(&mut first.delivery).poll(cx)).await,
        None => std::future::pending().await,
    }
}

impl Sending<'_> {
    /// This line, and those that are here already. False once a signal has come, which may be while there is no room.
    async fn burst(&mut self, at: At, line: Bytes, lines: &mut Lines, signals: &mut Signals) -> bool {
        let (mut at, mut line) = (at, line);
        for more in (0..BURST).rev() {
            let sent = tokio::select! {
                biased;
                sent = self.send(at, &line) => sent,
                // There was no room for it, and so it was not sent.
                _ = signals.next() => return false,
            };
            if !sent || more == 0 {
                return true;
            }
            (at, line) = match lines.ready() {
                Ok(Some(next)) => next,
                Ok(None) => return true,
                Err(trouble) => {
                    self.failure = Some(trouble.to_string().into());
                    return true;
                }
            };
        }
        true
    }

    /// Whether it could be enqueued; else why not is noted.
    async fn send(&mut self, at: At, line: &Bytes) -> bool {
        let failure = match self.shape.record(line) {
            Ok(record) => match self.producer.enqueue(record).await {
                Ok(delivery) => {
                    self.waiting.push_back(OnItsWay { at, bytes: line.len(), delivery });
                    return true;
                }
                Err(error) => Failure { told: format!("{at}: {error}"), source: Some(error) },
            },
            Err(reason) => format!("{at}: {reason}").into(),
        };
        self.failure = Some(failure);
        false
    }

    /// Takes the answers that are there.
    fn take_answers(&mut self) -> Result<(), Error> {
        while let Some(first) = self.waiting.front_mut().filter(|first| first.delivery.is_answered()) {
            let Some(answer) = (&mut first.delivery).now_or_never() else { break };
            self.answered(answer)?;
        }
        Ok(())
    }

    /// Of the first one.
    fn answered(&mut self, answer: Result<ottla::RecordMetadata, producer::Error>) -> Result<(), Error> {
        let Some(OnItsWay { at, bytes, .. }) = self.waiting.pop_front() else { return Ok(()) };
        match answer {
            Ok(receipt) => {
                self.receipts.tell(&at, &receipt).map_err(Error::Output)?;
                self.summary.acknowledged(at, bytes, &receipt);
            }
            Err(error) => {
                self.summary.failed += 1;
                self.summary.in_doubt += u64::from(error.may_have_been_written());
                // A line that could not even be sent comes after all that were.
                if self.summary.failed == 1 {
                    self.failure = Some(Failure { told: format!("{at}: {error}"), source: Some(error) });
                }
            }
        }
        Ok(())
    }

    fn failed(&self, Failure { told, source }: Failure) -> Error {
        let told = format!("{told}; {}", self.summary.so_far());
        match source {
            Some(source) => Error::Record { told, source: Box::new(source.into()) },
            None => Error::Failed(told),
        }
    }
}
