//! The one task of a producer.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use futures::stream::{FuturesUnordered, StreamExt};
use ottla_broker_core::api::InitProducerId;
use ottla_broker_core::env::{BoxFuture, Moment};

use super::shared::{Event, Shared};
use crate::metadata::MetadataCache;

/// While records keep coming that nobody waits for, the sender goes round this often at the most: batches
/// grow meanwhile. What somebody waits for, and a full batch, go at once.
const PACE: Duration = Duration::from_millis(1);
/// The pause after a refresh or a renewal that failed.
const PAUSE: Duration = Duration::from_millis(100);

pub(super) fn start(shared: &Arc<Shared>) {
    let env = shared.parts.env.clone();
    let running =
        Running { shared: Arc::clone(shared), waiting: FuturesUnordered::new(), refreshing: false, renewing: false };
    drop(env.spawn("ottla-producer", running.run()));
}

struct Running {
    shared: Arc<Shared>,
    waiting: FuturesUnordered<BoxFuture<'static, Event>>,
    refreshing: bool,
    renewing: bool,
}

impl Drop for Running {
    /// With its task (its runtime, perhaps) gone, nobody else would answer what is here.
    fn drop(&mut self) {
        self.shared.abandon();
    }
}

impl Running {
    async fn run(mut self) {
        let env = self.shared.parts.env.clone();
        let mut timer: Option<(Moment, BoxFuture<'static, ()>)> = None;
        let mut metadata_due = env.now() + MetadataCache::MAX_AGE;
        let mut urgent = true;
        loop {
            let now = env.now();
            self.shared.turns.settle();
            urgent |= self.shared.hurry.swap(false, Ordering::AcqRel);
            if urgent || now >= self.shared.state().last_taken + PACE {
                self.shared.submit_round();
            }
            urgent = false;
            if self.shared.state().stopped {
                return;
            }
            self.keep_house();
            self.collect();
            let (next, listed, paced) = {
                let mut state = self.shared.state();
                state.listening = state.next_broker().is_none();
                (
                    state.next_timer().map_or(metadata_due, |next| next.min(metadata_due)),
                    !state.listening,
                    state.last_taken + PACE,
                )
            };
            let pacing = listed && env.now() < paced;
            let next = if pacing { next.min(paced) } else { next };
            if listed && !pacing {
                continue;
            }
            if timer.as_ref().is_none_or(|(at, _)| *at != next) {
                let env = env.clone();
                timer = Some((next, Box::pin(async move { env.sleep_until(next).await })));
            }
            let Some((_, sleep)) = &mut timer else { return };
            tokio::select! {
                biased;
                () = self.shared.prompt.notified() => {}
                Some(event) = self.waiting.next(), if !self.waiting.is_empty() => {
                    self.shared.state().urgent = false;
                    urgent = self.happened(event);
                    while let Some(Some(event)) = self.waiting.next().now_or_never() {
                        urgent |= self.happened(event);
                    }
                    let mut state = self.shared.state();
                    urgent |= state.urgent;
                    if self.waiting.is_empty() && state.next_broker().is_none() {
                        let buffers = std::mem::take(&mut state.buffers);
                        drop(state);
                        drop(buffers);
                    }
                }
                // While it paces itself, news only piles up.
                () = self.shared.wake.notified(), if !pacing => {}
                () = sleep => {
                    timer = None;
                    // What waited for this moment is not to miss it.
                    urgent = true;
                    self.shared.fire();
                    if env.now() >= metadata_due {
                        metadata_due = env.now() + MetadataCache::MAX_AGE;
                        let mut state = self.shared.state();
                        let known = state.known();
                        state.stale.extend(known);
                    }
                }
            }
        }
    }

    fn collect(&mut self) {
        let inbox = std::mem::take(&mut *self.shared.inbox.lock().unwrap_or_else(PoisonError::into_inner));
        self.waiting.extend(inbox);
    }

    /// Metadata that is out of date, and epochs that are used up: one request each at a time.
    fn keep_house(&mut self) {
        let env = self.shared.parts.env.clone();
        let (stale, renewal) = {
            let mut state = self.shared.state();
            let stale = if self.refreshing { Default::default() } else { std::mem::take(&mut state.stale) };
            (stale, if self.renewing { None } else { state.wants_renewal(&self.shared.parts) })
        };
        if !stale.is_empty() {
            self.refreshing = true;
            let metadata = Arc::clone(&self.shared.context.metadata);
            let topics: Vec<_> = stale.into_iter().collect();
            let env = env.clone();
            self.waiting.push(Box::pin(async move {
                let answer = metadata.refresh_all(&topics, env.now()).await;
                if answer.is_err() {
                    env.sleep(PAUSE).await;
                }
                Event::Refreshed(topics, answer)
            }));
        }
        if let Some(current) = renewal {
            self.renewing = true;
            let cluster = Arc::clone(&self.shared.context.cluster);
            self.waiting.push(Box::pin(async move {
                let request = InitProducerId { current: Some(current), ..InitProducerId::default() };
                let answer = cluster.init_producer_id(request).await;
                if answer.is_err() {
                    env.sleep(PAUSE).await;
                }
                Event::Renewed(answer)
            }));
        }
    }

    /// Whether what it leads to is not to wait.
    fn happened(&mut self, event: Event) -> bool {
        let urgent = !matches!(event, Event::Answered(..));
        match &event {
            Event::Refreshed(topics, answer) => {
                self.refreshing = false;
                if answer.is_err() {
                    self.shared.state().stale.extend(topics.iter().cloned());
                }
            }
            Event::Renewed(_) => self.renewing = false,
            Event::Answered(..) | Event::Ready(..) | Event::Loaded(..) => {}
        }
        self.shared.handle(event);
        urgent
    }
}
