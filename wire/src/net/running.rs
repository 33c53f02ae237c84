//! The task that has a connection: makes it when there is something to ask, and again when it was lost.

use std::sync::Arc;
use std::time::Duration;

use ottla_broker_core::env::Moment;
use ottla_broker_core::planted::is_planted;
use tokio::io::{ReadHalf, WriteHalf};

use super::again::renew;
use super::backlog::{Backlog, Overdue};
use super::error::Error;
use super::frames::{Frames, write_all};
use super::handshake::{Failure, Opened, shake_hands};
use super::options::Options;
use super::sign_in::Session;
use super::stream::{BoxStream, dial};
use crate::api::correlation_id;
use crate::negotiate::ServerVersions;

pub(super) struct Running {
    pub(super) backlog: Arc<Backlog>,
    pub(super) options: Arc<Options>,
}

impl Drop for Running {
    /// With its task (its runtime, perhaps) gone, nobody else would answer what is here.
    fn drop(&mut self) {
        self.backlog.end();
    }
}

/// How a connection ended.
struct Ending {
    reason: Arc<str>,
    /// Whether it was of any use: then the next one is made without a pause.
    useful: bool,
}

impl Running {
    pub(super) async fn run(self) {
        let mut failures = 0;
        let mut oldest = false;
        let mut not_before = self.backlog.env.now();
        loop {
            while !self.backlog.has_work() {
                self.backlog.work.notified().await;
            }
            self.meanwhile(self.backlog.env.sleep_until(not_before)).await;
            let address = &self.backlog.address;
            match self.meanwhile(self.open(oldest)).await {
                Ok(opened) => {
                    self.backlog.has_connected();
                    tracing::debug!(%address, "connected");
                    let ending = self.serve(opened).await;
                    tracing::debug!(%address, reason = %ending.reason, "disconnected");
                    failures = if ending.useful { 0 } else { failures + 1 };
                    not_before = self.backlog.env.now() + self.pause(failures);
                    self.backlog.lost(&ending.reason);
                }
                // At once, and in the version that every broker knows.
                Err(Failure::NoHello) if !oldest => oldest = true,
                Err(failure) => {
                    oldest = false;
                    failures += 1;
                    not_before = self.backlog.env.now() + self.pause(failures);
                    let error = match failure {
                        Failure::Reason(reason) => Error::Unreachable { address: address.clone(), reason },
                        Failure::Denied(reason) => Error::Denied { address: address.clone(), reason },
                        Failure::Insecure(reason) => Error::Insecure { address: address.clone(), reason },
                        Failure::NoHello => Error::Unreachable {
                            address: address.clone(),
                            reason: Arc::from("it ended the connection before it had said what it speaks"),
                        },
                    };
                    tracing::debug!(%error, failures, "no connection");
                    self.backlog.could_not_connect(&error);
                }
            }
        }
    }

    /// The pause after so many failures in a row: none after none, then doubling, by chance between half and all of it, so that many clients do not
    /// come back at once.
    fn pause(&self, failures: u32) -> Duration {
        if failures == 0 || is_planted("no-pause-before-reconnecting") {
            return Duration::ZERO;
        }
        let Options { first_pause, longest_pause, .. } = *self.options;
        let full = first_pause.saturating_mul(1 << (failures - 1).min(16)).min(longest_pause);
        let half = full / 2;
        let micros = u64::try_from(half.as_micros()).unwrap_or(u64::MAX);
        half + Duration::from_micros(self.backlog.env.random_below(micros.saturating_add(1)))
    }

    async fn open(&self, oldest: bool) -> Result<Opened, Failure> {
        let limit = self.options.connect_timeout;
        let opening = async {
            let stream = dial(&self.backlog.address, &self.options).await?;
            shake_hands(stream, &self.options, oldest, &self.backlog.env).await
        };
        self.backlog
            .env
            .timeout(limit, opening)
            .await
            .unwrap_or_else(|_| Err(Failure::new(format!("it did not let this client connect within {limit:?}"))))
    }

    /// Runs `future` while what waits for too long is told so.
    async fn meanwhile<T>(&self, future: impl Future<Output = T> + Send) -> T {
        let mut future = std::pin::pin!(future);
        loop {
            // Nothing is in flight, and there is nothing that could be idle.
            let next = self.backlog.look_after(None).unwrap_or_default();
            tokio::select! {
                biased;
                output = &mut future => return output,
                () = self.backlog.hurry.notified() => {}
                () = self.until(next) => {}
            }
        }
    }

    async fn until(&self, moment: Option<Moment>) {
        match moment {
            Some(moment) => self.backlog.env.sleep_until(moment).await,
            None => std::future::pending().await,
        }
    }

    async fn serve(&self, opened: Opened) -> Ending {
        let Opened { stream, mut frames, versions, session } = opened;
        let (mut reading, mut writing) = tokio::io::split(stream);
        let mut useful = false;
        let reason = tokio::select! {
            biased;
            reason = self.read(&mut reading, &mut frames, &mut useful) => reason,
            reason = self.write(&mut writing, &versions, session) => reason,
            overdue = self.watch() => match overdue {
                Overdue::Answer => "an answer did not come in time".to_owned(),
                Overdue::Idle => {
                    useful = true;
                    format!("nothing was asked for {:?}", self.options.idle_timeout)
                }
            },
        };
        Ending { reason: Arc::from(reason), useful }
    }

    async fn read(&self, stream: &mut ReadHalf<BoxStream>, frames: &mut Frames, useful: &mut bool) -> String {
        loop {
            let frame = match frames.next(stream).await {
                Ok(Some(frame)) => frame,
                Ok(None) => return "the broker ended it".to_owned(),
                Err(error) => return error.to_string(),
            };
            let answered = correlation_id(&frame)
                .map_err(|error| format!("it does not speak the Kafka protocol: {error}"))
                .and_then(|correlation_id| self.backlog.answered(correlation_id, frame));
            match answered {
                Ok(()) => *useful = true,
                Err(reason) => return reason,
            }
        }
    }

    async fn write(
        &self,
        stream: &mut WriteHalf<BoxStream>,
        versions: &ServerVersions,
        mut session: Option<Session>,
    ) -> String {
        loop {
            if session.as_ref().is_some_and(|session| session.is_over(&self.backlog.env)) {
                // Nobody has to renew what nobody uses.
                if !self.backlog.is_waiting() {
                    self.backlog.work.notified().await;
                    continue;
                }
                session = match renew(&self.backlog, &self.options, stream, versions).await {
                    Ok(session) => session,
                    Err(reason) => return reason,
                };
            }
            let mut outgoing = self.backlog.take(&self.options.client_id, versions);
            let chunks = std::mem::take(&mut outgoing.chunks);
            let idle = chunks.is_empty();
            if let Err(error) = write_all(stream, chunks).await {
                return error.to_string();
            }
            self.backlog.written(&outgoing);
            if idle {
                self.backlog.work.notified().await;
            }
        }
    }

    async fn watch(&self) -> Overdue {
        loop {
            let next = match self.backlog.look_after(Some(self.options.idle_timeout)) {
                Ok(next) => next,
                Err(overdue) => return overdue,
            };
            tokio::select! {
                biased;
                () = self.backlog.hurry.notified() => {}
                () = self.until(next) => {}
            }
        }
    }
}
