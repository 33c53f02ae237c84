//! What becomes of records that are not delivered: time is up, there is no such partition, or the producer ends.

use std::sync::Arc;

use ottla_broker_core::TopicPartition;
use ottla_broker_core::api::{self, ErrorCode};
use ottla_broker_core::env::Moment;
use ottla_broker_core::planted::is_planted;

use super::super::batch::{Pending, Settlement};
use super::super::error::Error;
use super::super::settings::Config;
use super::{Effects, GRACE, Partition};

impl Partition {
    /// Gives up what is past its time: answers deliveries that have waited for `delivery_timeout`, and
    /// attempts that nobody answered within `request_timeout`.
    pub(in super::super) fn expire(&mut self, now: Moment, config: &Config, jitter: u64) -> Effects {
        let mut effects = Effects::default();
        let due = |batch: &Pending| batch.created + config.delivery_timeout <= now;
        for sent in self.in_flight.iter_mut().filter(|sent| due(sent) && !sent.expired) {
            sent.expired = true;
            self.resetting |= sent.stamp.is_some();
            effects.settled.push(sent.settle(Err(timed_out(&self.name, config, sent.last.clone(), true))));
        }
        while let Some(mut batch) = self.queue.pop_front_if(|front| due(front)) {
            self.resetting |= batch.stamp.is_some();
            let error = timed_out(&self.name, config, batch.last.clone(), batch.in_doubt);
            effects.settled.push(batch.settle(Err(error)));
        }
        if self.queue.is_empty()
            && let Some(mut open) = self.open.take_if(|open| due(open))
        {
            let error = timed_out(&self.name, config, open.last.clone(), false);
            effects.settled.push(open.settle(Err(error)));
        }
        let lost: Vec<_> = self
            .in_flight
            .iter()
            .filter(|sent| sent.sent + config.request_timeout + GRACE <= now)
            .map(|sent| (sent.order, sent.attempts))
            .collect();
        for attempt in lost {
            let silence = api::Error::new(
                api::ErrorCode::RequestTimedOut,
                format!("no answer from {} within {:?} (`request_timeout`)", self.name, config.request_timeout),
            );
            let more = self.answer(attempt, Err(silence), now, config, jitter);
            effects.settled.extend(more.settled);
            effects.refresh |= more.refresh;
            effects.retried |= more.retried;
        }
        effects
    }

    /// Its topic was created anew with `partitions`, and has it no more. What its leader does not know either fails.
    ///
    /// One witness is not enough. Metadata may be older than what made the partition known: it comes from any broker, and
    /// they hear of changes one after the other. And a leader may not have heard yet that it is one. That both say so at
    /// the same time, of a topic that did change, is no accident; should it be one, nothing is lost without being told.
    pub(in super::super) fn is_missing(&mut self, partitions: i32) -> Vec<Settlement> {
        let denied =
            |batch: &Pending| batch.last.as_ref().is_some_and(|last| last.code == ErrorCode::UnknownTopicOrPartition);
        if !self.queue.iter().any(denied) || is_planted("records-wait-for-no-partition") {
            return Vec::new();
        }
        let mut settled = Vec::new();
        // What is in flight has its answer first.
        for mut batch in self.queue.drain(..).chain(self.open.take()) {
            self.resetting |= batch.stamp.is_some();
            let TopicPartition { topic, partition } = self.name.clone();
            let error = match batch.last.clone().filter(|_| batch.in_doubt) {
                Some(source) => Error::InDoubt { topic, partition, source },
                None => Error::UnknownPartition { topic, partition, partitions },
            };
            settled.push(batch.settle(Err(error)));
        }
        settled
    }

    /// Ends everything: the records' answers, in order.
    pub(in super::super) fn stop(&mut self, error: impl Fn(&TopicPartition, bool) -> Error) -> Vec<Settlement> {
        let sent = self.in_flight.drain(..).map(|batch| (batch, true));
        let queued = self.queue.drain(..).map(|batch| (batch, false));
        let open = self.open.take().map(|batch| (batch, false));
        let mut settled = Vec::new();
        for (mut batch, away) in sent.chain(queued).chain(open).filter(|(batch, _)| !batch.expired) {
            let error = error(&self.name, away || batch.in_doubt);
            settled.push(batch.settle(Err(error)));
        }
        settled
    }
}

fn timed_out(name: &TopicPartition, config: &Config, last: Option<Arc<api::Error>>, in_doubt: bool) -> Error {
    Error::TimedOut {
        topic: name.topic.clone(),
        partition: name.partition,
        after: config.delivery_timeout,
        in_doubt,
        last,
    }
}
