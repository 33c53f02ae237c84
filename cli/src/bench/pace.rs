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
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_rate_is_kept() {
        let env = Env::system();
        let began = env.now();
        let pace = Pace::new(&env, Some(1_000), 2);
        for n in 0..=1_000 {
            pace.due(n).await;
        }
        let took = env.now().since(began);
        assert!(took.abs_diff(Duration::from_secs(2)) <= GRAIN * 2, "{took:?}");
        let pace = Pace::new(&env, None, 1);
        let began = env.now();
        for n in 0..1_000 {
            pace.due(n).await;
        }
        assert_eq!(env.now(), began);
    }
}
