//! Time, chance and tasks of a test.

use std::sync::Arc;
use std::time::Duration;

use ottla_broker_core::env::{Env, Moment, SplitMix64};

use super::clock::TestClock;
use super::tasks::{Process, Tasks};

/// How long [`World::assert_no_tasks`] waits for tasks that are on their way out.
const PATIENCE: Duration = Duration::from_secs(60);

/// Everything that comes from outside, decided by one seed: the same seed gives the same run, if the program runs
/// on one thread with tokio's clock paused, as under [`run`] or `#[tokio::test(start_paused = true)]`.
///
/// Cheap to clone; clones are one world.
#[derive(Clone, Debug)]
pub struct World {
    seed: u64,
    machine: Env,
    began: Moment,
    tasks: Tasks,
    env: Env,
}

/// Runs `test` in a new world to its end: on this thread, with the clock paused, which then jumps to the next
/// event whenever nothing else is left to do.
///
/// # Panics
/// When the operating system refuses what a runtime needs.
#[expect(clippy::expect_used, reason = "a test has nobody to tell that there is no runtime")]
pub fn run<T>(seed: u64, test: impl AsyncFnOnce(World) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime for the test").block_on(async { test(World::new(seed)).await })
}

impl World {
    /// A world. In a tokio runtime.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let machine = Env::seeded(seed);
        let began = machine.now();
        let tasks = Tasks::default();
        let clock = Arc::new(TestClock::new(machine.clone(), began));
        let process = Arc::new(Process::new(machine.clone(), tasks.clone()));
        let env = machine.clone().with_clock(clock).with_spawner(process);
        Self { seed, machine, began, tasks, env }
    }

    /// What decides all.
    #[must_use]
    pub const fn seed(&self) -> u64 {
        self.seed
    }

    /// For clients and for the test itself: a right clock, the seed's chance, counted tasks.
    #[must_use]
    pub fn env(&self) -> Env {
        self.env.clone()
    }

    /// A clock of its own, that may be made wrong: `world.env().with_clock(Arc::new(world.clock()))`.
    #[must_use]
    pub fn clock(&self) -> TestClock {
        TestClock::new(self.machine.clone(), self.began)
    }

    /// The same world with chance of its own, drawn from the seed: what one part of a test draws does not
    /// change what the others do.
    #[must_use]
    pub fn fork(&self) -> Env {
        self.env().with_rng(Arc::new(SplitMix64::new(self.env.random_u64())))
    }

    /// A process of its own: tasks that are counted here and can be killed together.
    pub(super) fn process(&self) -> Process {
        Process::new(self.machine.clone(), self.tasks.clone())
    }

    /// How long the world has existed.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.machine.now().since(self.began)
    }

    /// The tasks that were spawned through this world and live.
    #[must_use]
    pub const fn tasks(&self) -> &Tasks {
        &self.tasks
    }

    /// Waits, for a minute of the world's time at most, until every task has ended.
    ///
    /// # Panics
    /// When some have not; says which.
    #[expect(clippy::panic, reason = "an assertion of a test")]
    pub async fn assert_no_tasks(&self) {
        let deadline = self.machine.now() + PATIENCE;
        while self.tasks.total() > 0 {
            if self.machine.now() >= deadline {
                panic!("tasks were left behind: {:?}", self.tasks.live());
            }
            self.machine.sleep(Duration::from_millis(10)).await;
        }
    }
}
