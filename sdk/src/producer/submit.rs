//! From a producer's state to the cluster: who submits, when, and how.

use std::future::Future;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::task::Poll;

use ottla_broker_core::BrokerId;
use ottla_broker_core::api::{self, ErrorCode, ProducePartition, ProduceRequest};
use ottla_broker_core::env::BoxFuture;

use super::batch;
use super::error::Error;
use super::shared::{Event, Sent, Shared};

/// Bytes of one request, about: enough to be worth a round trip, little enough to share a connection.
const REQUEST_BYTES: usize = 8 << 20;

impl Shared {
    /// Submits what can go, from whoever waits for it; the rest is the sender's.
    pub(super) fn submit_now(&self) {
        if let Ok(_turn) = self.submitting.try_lock() {
            // A statement of its own: within `if let` the guard would live on, and `submit` takes it again.
            let next = self.state().next_broker();
            if let Some(broker) = next {
                self.submit(broker);
            }
            let mut state = self.state();
            if std::mem::take(&mut state.news) {
                self.wake.notify_one();
            }
            if state.next_broker().is_none() {
                return;
            }
        }
        self.hurry();
    }

    /// Has the sender send what can go, whatever its pace.
    pub(super) fn hurry(&self) {
        self.hurry.store(true, Ordering::Release);
        self.prompt.notify_one();
    }

    /// Waits for room for a record.
    pub(super) async fn take_room(&self, bytes: u32) -> Result<(), Error> {
        match self.budget.try_take(bytes) {
            Err(Error::Full { .. }) => {
                // Room comes from what is sent.
                self.hurry();
                self.budget.take(bytes).await
            }
            taken => taken,
        }
    }

    /// Submits what can go: batches that are sealed until there are none left, open ones once.
    pub(super) fn submit_round(&self) {
        let _turn = self.submitting.lock().unwrap_or_else(PoisonError::into_inner);
        let mut sealed = false;
        loop {
            let brokers = self.state().ready_brokers(sealed);
            if brokers.is_empty() {
                return;
            }
            for &broker in &brokers {
                // What was listed goes, in as many requests as it takes.
                let mut listed = self.state().listed_with(broker);
                while listed > 0 {
                    let taken = self.submit(broker);
                    listed = if taken == 0 { 0 } else { listed.saturating_sub(taken) };
                }
            }
            sealed = true;
        }
    }

    /// One request to `broker`; says of how many batches. The caller holds the turn.
    fn submit(&self, broker: BrokerId) -> usize {
        match poll_once(&mut std::pin::pin!(self.context.cluster.ready(broker, self.parts.config.batch_bytes))) {
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(error)) => {
                self.unreachable(broker, &error);
                return 0;
            }
            Poll::Pending => {
                self.state().gate(broker);
                let (cluster, bytes) = (Arc::clone(&self.context.cluster), self.parts.config.batch_bytes);
                self.later(Box::pin(async move { Event::Ready(broker, cluster.ready(broker, bytes).await) }));
                return 0;
            }
        }
        let config = &self.parts.config;
        let at = self.parts.env.now();
        let taken = self.state().take(broker, REQUEST_BYTES, &self.parts);
        let count = taken.len();
        let mut sent = Vec::with_capacity(count);
        let mut partitions = Vec::with_capacity(taken.len());
        let mut broken = Vec::new();
        let mut buffers = Vec::with_capacity(taken.len());
        // Encoding, compression and CRC happen outside the lock.
        for (index, batch) in taken {
            match batch::seal(batch.content, batch.stamp) {
                Ok((encoded, buffer)) => {
                    buffers.push(buffer);
                    metrics::histogram!("ottla_producer_batch_bytes").record(encoded.size_in_bytes() as f64);
                    if batch.attempt == 1 {
                        metrics::counter!("ottla_producer_records_total").increment(u64::from(batch.records));
                        metrics::histogram!("ottla_producer_queue_seconds")
                            .record(at.since(batch.created).as_secs_f64());
                    }
                    sent.push((index, batch.order, batch.attempt, encoded));
                }
                Err(source) => broken.push((index, batch.order, batch.attempt, source)),
            }
        }
        let mut settled = Vec::new();
        {
            let mut state = self.state();
            state.buffers.give_back(buffers);
            for (index, order, _, encoded) in &sent {
                let Some(partition) = state.partition_mut(*index) else { continue };
                partition.keep(*order, encoded.clone());
                partitions.push(ProducePartition { partition: partition.name.clone(), batch: encoded.clone() });
            }
            for (index, order, attempt, source) in broken {
                let refusal =
                    api::Error::new(ErrorCode::InvalidRecord, format!("the batch cannot be encoded: {source}"));
                let answer = Err(refusal);
                let Some(partition) = state.partition_mut(index) else { continue };
                let effects = partition.answer((order, attempt), answer, at, config, 0);
                state.apply(index, effects, &mut settled, &self.parts);
            }
        }
        self.settle(settled);
        if partitions.is_empty() {
            return count;
        }
        let request = ProduceRequest { acks: config.acks, timeout: config.request_timeout, partitions };
        tracing::trace!(%broker, batches = request.partitions.len(), "produce");
        let sent =
            Sent { at, batches: sent.into_iter().map(|(index, order, attempt, _)| (index, order, attempt)).collect() };
        let mut answer = self.context.cluster.produce(broker, request);
        // An embedded broker may have answered already: then nobody has to be woken for it.
        match poll_once(&mut answer) {
            Poll::Ready(answer) => self.answered(sent, answer),
            Poll::Pending => self.later(Box::pin(async move { Event::Answered(sent, answer.await) })),
        }
        count
    }

    /// Leaves something to wait for to the sender.
    pub(super) fn later(&self, event: BoxFuture<'static, Event>) {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner).push(event);
        self.prompt.notify_one();
    }

    pub(super) fn unreachable(&self, broker: BrokerId, error: &api::Error) {
        tracing::debug!(%broker, %error, "the broker cannot be reached");
        self.state().unreachable(broker, &Arc::new(error.clone()), &self.parts);
    }
}

/// Polls without a waker: who finds it not ready MUST poll it again with one.
fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    std::pin::Pin::new(future).poll(&mut cx)
}
