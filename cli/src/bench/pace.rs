//! Sending at a rate.

use std::time::Duration;

use ottla::Env;
use ottla_broker_core::env::Moment;

/// Says when each record is due, so that what was late is made up for.
#[derive(Debug)]
pub(super) struct Pace {
    env: Env,
    began: Moment,
    /// Between two records; `None` for as fast as it goes.
    every: Option<Duration>,
}

/// Timers are no finer.
const GRAIN: Duration = Duration::from_millis(1);

impl Pace {
    /// Of one of several producers that share a rate.
    pub(super) fn new(env: &Env, rate: Option<u64>, producers: usize) -> Self {
        let every = rate.map(|rate| Duration::from_secs_f64(producers as f64 / rate as f64));
        Self { env: env.clone(), began: env.now(), every }
    }

    /// When the `n`th record is due: it counts as late from then on, whatever else is.
    pub(super) async fn due(&self, n: u64) -> Moment {
        let now = self.env.now();
        let Some(every) = self.every else { return now };
        let due = self.began + every.mul_f64(n as f64);
        if due.since(now) >= GRAIN {
            self.env.sleep_until(due).await;
        }
        // The next ones of the same grain go a little early.
        due.min(self.env.now())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use ottla_broker_core::env::{BoxFuture, Clock};

    use super::*;

    /// Time passes only by sleeping, a little longer than was asked for; in nanoseconds.
    #[derive(Clone, Debug, Default)]
    struct Asleep(Arc<AtomicU64>);

    const TOO_LONG: u64 = 700_000;

    impl Clock for Asleep {
        fn now(&self) -> Moment {
            Moment(Duration::from_nanos(self.0.load(Ordering::Relaxed)))
        }

        fn wall_ms(&self) -> i64 {
            0
        }

        fn sleep_until(&self, deadline: Moment) -> BoxFuture<'static, ()> {
            let until = u64::try_from(deadline.0.as_nanos()).unwrap() + TOO_LONG;
            self.0.fetch_max(until, Ordering::Relaxed);
            Box::pin(async {})
        }
    }

    #[tokio::test]
    async fn a_rate_is_kept_and_delays_are_made_up_for() {
        let env = Env::system().with_clock(Arc::new(Asleep::default()));
        let pace = Pace::new(&env, Some(1_000), 2);
        let mut before = env.now();
        for n in 0..=1_000_u32 {
            let due = pace.due(n.into()).await;
            // Never before the record is handed over, nor later than it should have been.
            assert!(due <= env.now() && due <= Moment(Duration::from_millis(2) * n) && due >= before, "{n}: {due:?}");
            before = due;
        }
        let took = env.now().0;
        assert!(took.abs_diff(Duration::from_secs(2)) <= GRAIN * 2, "{took:?}");
        let pace = Pace::new(&env, None, 1);
        let began = env.now();
        for n in 0..1_000 {
            pace.due(n).await;
        }
        assert_eq!(env.now(), began);
    }
}
