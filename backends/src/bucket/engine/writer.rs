//! Writing the journal: one object a group, several on their way, acknowledged in order.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::FuturesOrdered;
use object_store::PutPayload;
use ottla_broker_core::env::Moment;
use ottla_broker_core::log::{Error, ErrorKind};
use ottla_broker_core::planted::is_planted;

use super::Engine;
use super::pace::{Decision, Pace};
use crate::bucket::keys::file_number;
use crate::bucket::store::{Created, Purpose, beginning};
use crate::engine::{Applied, Composed, FileKind, Group, Waiting, Work, encode};

/// A chunk on its way.
struct Sent {
    /// `None`: an empty chunk, which only asks whether this is still the owner.
    group: Option<Group>,
    applied: Vec<Vec<Applied>>,
    number: u64,
    file: u64,
    bytes: u64,
}

type Answer = Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;

/// Chunks on their way, the oldest first, and their answers in that order.
#[derive(Default)]
struct Flights {
    sent: VecDeque<Sent>,
    answers: FuturesOrdered<Answer>,
}

impl Engine {
    /// Writes groups until the queue ends, or nothing can be written any more.
    pub(in crate::bucket) async fn write_all(self: Arc<Self>) {
        let mut pace = Pace::new(self.options.interval());
        let mut flights = Flights::default();
        loop {
            let mut wake = None;
            while flights.sent.len() < self.options.in_flight.max(1) {
                let now = self.env.now();
                let waiting = self.core.queue.waiting();
                match pace.decide(now, waiting) {
                    Decision::Go => {}
                    Decision::At(then) => {
                        wake = Some(then);
                        break;
                    }
                    Decision::Nothing
                        if waiting == Waiting::Nothing && flights.sent.is_empty() && self.has_unconfirmed() =>
                    {
                        match pace.partial(now) {
                            Decision::At(then) => wake = Some(then),
                            _ => {
                                self.next.set(pace.went(now));
                                self.launch(&mut flights, None, true);
                            }
                        }
                        break;
                    }
                    Decision::Nothing => break,
                }
                let Some(Work::Group(group)) = self.core.queue.try_take() else { break };
                if waiting == Waiting::Gathering {
                    self.next.set(pace.went(now));
                }
                self.launch(&mut flights, Some(group), waiting == Waiting::Gathering);
            }
            if flights.sent.is_empty() && self.core.queue.waiting() == Waiting::Ended {
                break;
            }
            if let Some(answer) = self.next_event(&mut flights, wake).await
                && let Some(sent) = flights.sent.pop_front()
            {
                let Err(error) = answer else {
                    self.land(sent);
                    continue;
                };
                self.end(&error);
                // Those behind it may land or not: nothing of them counts, for the journal ends here.
                for sent in std::iter::once(sent).chain(flights.sent) {
                    if let Some(group) = sent.group {
                        self.core.fail(group, &error);
                    }
                }
                break;
            }
        }
        self.written.store(true, Ordering::Release);
        self.wanted.notify_one();
    }

    /// The answer to the oldest chunk; `None` if there is something else to look at.
    async fn next_event(&self, flights: &mut Flights, wake: Option<Moment>) -> Option<Result<(), Error>> {
        let is_full = flights.sent.len() >= self.options.in_flight.max(1);
        tokio::select! {
            biased;
            answer = flights.answers.next(), if !flights.sent.is_empty() => answer,
            () = self.core.queue.notify.notified(), if !is_full => None,
            () = sleep(self, wake), if wake.is_some() => None,
        }
    }

    fn launch(self: &Arc<Self>, flights: &mut Flights, group: Option<Group>, is_partial: bool) {
        let (number, durable) = match self.take_number() {
            Ok(numbers) => numbers,
            Err(error) => {
                flights.sent.push_back(Sent { group, applied: Vec::new(), number: 0, file: 0, bytes: 0 });
                flights.answers.push_back(Box::pin(std::future::ready(Err(error))));
                return;
            }
        };
        let file = file_number(FileKind::Journal, self.incarnation, number);
        let Composed { pieces, bytes, applied } = match &group {
            Some(group) => group.compose(self.incarnation, number, durable, file),
            None => {
                let chunk = encode(self.incarnation, number, durable, &[]);
                Composed { bytes: chunk.len() as u64, pieces: vec![Bytes::from(chunk)], applied: Vec::new() }
            }
        };
        if is_partial {
            self.store().counts.partial(bytes);
        }
        flights.sent.push_back(Sent { group, applied, number, file, bytes });
        let engine = Arc::clone(self);
        let answer: Answer = Box::pin(async move { engine.put(file, pieces).await });
        if is_planted("bucket-acks-out-of-order") {
            flights.answers.push_front(answer);
        } else {
            flights.answers.push_back(answer);
        }
    }

    async fn put(&self, file: u64, pieces: Vec<Bytes>) -> Result<(), Error> {
        let path = self.keys().file(file);
        // The header names this incarnation, this number and the directory's checksum: nobody else writes the same.
        let head = pieces.first().map_or_else(Bytes::new, beginning);
        let payload: PutPayload = pieces.into_iter().collect();
        let is_ours = |found: &[u8]| found.starts_with(&head);
        match self.store().create(Purpose::Journal, &path, payload, is_ours).await {
            Ok(Created::Ours) => Ok(()),
            Ok(Created::Theirs(_)) if is_planted("bucket-fenced-put-acknowledged") => Ok(()),
            Ok(Created::Theirs(_)) => Err(Error::new(
                ErrorKind::Fenced,
                format!("{} was taken over by another: this storage writes nothing more", self.keys().prefix()),
            )),
            Err(error) => {
                let message = "a chunk of the journal could not be written: the storage is to be opened anew";
                Err(Error::new(ErrorKind::Poisoned, message).with_source(error))
            }
        }
    }

    fn land(&self, sent: Sent) {
        let Sent { group, applied, number, file, bytes } = sent;
        if let Some(group) = group {
            return self.settle(group, applied, number, file, bytes);
        }
        let mut work = self.lock();
        self.shelf.add(file, bytes);
        work.applied = number + 1;
        drop(work);
        self.wanted.notify_one();
    }

    /// Writes an empty chunk: that it is created says that this is still the owner. Not while the writer works.
    pub(super) async fn confirm(self: &Arc<Self>) -> Result<(), Error> {
        let mut flights = Flights::default();
        self.launch(&mut flights, None, true);
        if let (Some(sent), Some(answer)) = (flights.sent.pop_front(), flights.answers.next().await) {
            answer?;
            self.land(sent);
        }
        Ok(())
    }

    /// Whether objects are to be deleted once a chunk that is yet to be written is durable.
    pub(super) fn has_unconfirmed(&self) -> bool {
        let work = self.lock();
        work.dead.iter().any(|dead| dead.after >= work.next_chunk)
    }
}

async fn sleep(engine: &Engine, until: Option<Moment>) {
    if let Some(until) = until {
        engine.env.sleep_until(until).await;
    }
}
