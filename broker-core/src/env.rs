//! Time, chance and tasks come in from outside, so that one seed reproduces a whole cluster.
//!
//! Nothing else in this crate asks the machine for the time, a random number or a task; `clippy.toml`
//! bans the calls. A service uses [`Env::system`]; a simulation makes an [`Env`] of its own, with a
//! seed, a skewed clock for each broker and a spawner that counts.

mod system;
mod watched;

use std::fmt;
use std::future::Future;
use std::ops::Add;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use uuid::Uuid;

pub use system::SplitMix64;
pub use watched::Watched;

/// An owned, sendable future.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A moment on a [`Clock`]'s monotonic scale: the time since an origin that only this clock knows.
/// Moments of different clocks do not compare.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(pub Duration);

impl Moment {
    /// The time that has passed since `earlier`; zero if that lies ahead.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<Duration> for Moment {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration))
    }
}

/// A source of time.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// Now, on a scale that never goes back.
    fn now(&self) -> Moment;
    /// Milliseconds since 1970-01-01T00:00Z by the wall clock, which may jump either way.
    fn wall_ms(&self) -> i64;
    /// Completes once `now() >= deadline`.
    fn sleep_until(&self, deadline: Moment) -> BoxFuture<'static, ()>;
}

/// A source of random bits. Not for secrets.
pub trait Rng: fmt::Debug + Send + Sync + 'static {
    /// 64 uniform bits.
    fn next_u64(&self) -> u64;
}

/// Starts tasks.
pub trait Spawn: fmt::Debug + Send + Sync + 'static {
    /// Runs `future` to its end in the background. `name` shows up in diagnostics.
    fn spawn(&self, name: &'static str, future: BoxFuture<'static, ()>) -> Task;
}

/// A background task. Dropping it lets the task run on; [`Task::abort`] ends it.
#[derive(Debug)]
pub struct Task(tokio::task::JoinHandle<()>);

impl Task {
    /// Wraps what a tokio runtime returned.
    #[must_use]
    pub fn new(handle: tokio::task::JoinHandle<()>) -> Self {
        Self(handle)
    }

    /// Ends the task at its next await point.
    pub fn abort(&self) {
        self.0.abort();
    }

    /// Whether it has ended.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.0.is_finished()
    }
}

impl Future for Task {
    /// Whether the task ran to its end; false if it was aborted or panicked.
    type Output = bool;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<bool> {
        Pin::new(&mut self.0).poll(cx).map(|joined| joined.is_ok())
    }
}

/// The outside world as one value; cheap to clone.
#[derive(Clone, Debug)]
pub struct Env {
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    spawner: Arc<dyn Spawn>,
}

/// A time limit passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("timed out after {0:?}")]
pub struct Elapsed(pub Duration);

impl Env {
    /// Puts a world together from its parts.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, rng: Arc<dyn Rng>, spawner: Arc<dyn Spawn>) -> Self {
        Self { clock, rng, spawner }
    }

    /// The machine's clocks (tokio's for sleeping, so that its paused clock works), a generator seeded
    /// by the operating system, and tasks on the tokio runtime that is current when one is spawned.
    #[must_use]
    pub fn system() -> Self {
        system::env(None)
    }

    /// As [`Env::system`], with the generator seeded by `seed`.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        system::env(Some(seed))
    }

    /// The same world under another clock.
    #[must_use]
    pub fn with_clock(self, clock: Arc<dyn Clock>) -> Self {
        Self { clock, ..self }
    }

    /// The same world with other chance.
    #[must_use]
    pub fn with_rng(self, rng: Arc<dyn Rng>) -> Self {
        Self { rng, ..self }
    }

    /// The same world with tasks elsewhere.
    #[must_use]
    pub fn with_spawner(self, spawner: Arc<dyn Spawn>) -> Self {
        Self { spawner, ..self }
    }

    /// Now, on a scale that never goes back.
    #[must_use]
    pub fn now(&self) -> Moment {
        self.clock.now()
    }

    /// Milliseconds since 1970 by the wall clock.
    #[must_use]
    pub fn wall_ms(&self) -> i64 {
        self.clock.wall_ms()
    }

    /// Completes at `deadline`.
    pub async fn sleep_until(&self, deadline: Moment) {
        self.clock.sleep_until(deadline).await;
    }

    /// Completes after `duration`.
    pub async fn sleep(&self, duration: Duration) {
        self.sleep_until(self.now() + duration).await;
    }

    /// Runs `future` until `duration` has passed.
    ///
    /// # Errors
    /// [`Elapsed`]; the future is dropped.
    pub async fn timeout<F: Future + Send>(&self, duration: Duration, future: F) -> Result<F::Output, Elapsed> {
        let sleep = self.clock.sleep_until(self.now() + duration);
        let future = std::pin::pin!(future);
        match futures::future::select(future, sleep).await {
            futures::future::Either::Left((output, _)) => Ok(output),
            futures::future::Either::Right(_) => Err(Elapsed(duration)),
        }
    }

    /// 64 uniform bits.
    #[must_use]
    pub fn random_u64(&self) -> u64 {
        self.rng.next_u64()
    }

    /// A number in `0..bound`, uniform; 0 if `bound` is 0.
    #[must_use]
    pub fn random_below(&self, bound: u64) -> u64 {
        // Lemire's multiply-shift: its bias is below 2^-32 for any bound used here.
        ((u128::from(self.rng.next_u64()) * u128::from(bound)) >> 64) as u64
    }

    /// A random (version 4) UUID.
    #[must_use]
    pub fn uuid(&self) -> Uuid {
        let bits = (u128::from(self.rng.next_u64()) << 64) | u128::from(self.rng.next_u64());
        uuid::Builder::from_random_bytes(bits.to_be_bytes()).into_uuid()
    }

    /// Runs `future` in the background.
    pub fn spawn(&self, name: &'static str, future: impl Future<Output = ()> + Send + 'static) -> Task {
        self.spawner.spawn(name, Box::pin(future))
    }
}
