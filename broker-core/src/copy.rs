//! Moving a whole cluster's log from one backend to another: memory, disk, bucket, in any direction.
//!
//! ```text
//!   source                                       destination
//!   metadata ── difference of the images ──────► one entry: BeginCopy, topics, configs, epochs, producer ids
//!   each partition:  read ─► check CRC ────────► append (offsets, epochs, producers and bytes as they are)
//!                    log start, base of its trim ► reset_to / trim_prefix
//!                    snapshot ──────────────────► save
//!   (verify: both sides are read once more)      one entry: EndCopy
//! ```
//!
//! Consumer groups' offsets live in an internal topic, and the state of idempotent producers follows from the batches and from
//! what was saved with the last trim: with those they are there too. The copy has the source's cluster id; producer
//! ids that were given out are not given out again, and leader epochs never go back.
//!
//! **Unfinished** copies say so in their metadata: no broker starts on one. The same call again takes up where it
//! ended, partition by partition, also if the source was written to in between: a partition whose end is not
//! what the source has there is begun again.
//!
//! **Nobody may write to the source** meanwhile: whoever opens the two backends sees to that, and that no broker has
//! the destination open. Nothing is written to the source.

mod error;
mod log_state;
mod partition;
mod plan;
mod progress;
mod verify;

use futures::stream::{self, StreamExt, TryStreamExt};

pub use error::{Error, Side};
pub use progress::{Progress, Stage};

use crate::env::Env;
use crate::log::Backend;
use partition::{Job, Tally};
use plan::Plan;
use progress::Meter;

/// How a copy is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Reads all of both sides again at the end and compares: start, end, number of batches and records, every byte.
    pub verify: bool,
    /// How much is read of a partition at a time, in bytes. At least one batch is.
    pub page_bytes: usize,
    /// How many partitions are copied at a time, so that a storage that packs many into one write has what to
    /// pack. Each holds up to four pages in memory.
    pub partitions_at_once: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { verify: false, page_bytes: 2 << 20, partitions_at_once: 16 }
    }
}

/// What a finished copy has done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// The cluster that there are two of now.
    pub cluster_id: String,
    /// Its topics, the internal ones among them.
    pub topics: usize,
    /// Their partitions.
    pub partitions: usize,
    /// Whether it went on with an unfinished copy.
    pub resumed: bool,
    /// Batches that this call appended; what was there from before does not count.
    pub batches: u64,
    /// Records in them.
    pub records: u64,
    /// Their size.
    pub bytes: u64,
    /// Whether both sides were read again and are the same.
    pub verified: bool,
}

/// Copies all of `from` into `to`, which is empty or an unfinished copy of the same cluster.
///
/// `progress` is called often, from within this future, and must not block. Neither backend is closed.
///
/// Dropping the future leaves an unfinished copy, and so does an error: call again to go on.
///
/// # Errors
/// [`Error`]. With those that say that it cannot be begun, nothing was written.
pub async fn copy(
    from: &Backend,
    to: &Backend,
    env: &Env,
    options: Options,
    progress: &(dyn Fn(Progress) + Send + Sync),
) -> Result<Report, Error> {
    let plan = Plan::make(from, to, env).await?;
    let at_once = options.partitions_at_once.max(1);
    let jobs = plan.open(from, to).await?;
    let jobs: Vec<Job> = stream::iter(jobs.into_iter().map(Job::prepare)).buffered(at_once).try_collect().await?;
    let meter = Meter::new(&jobs, options.verify, progress);

    let copying = jobs.iter().map(|job| job.run(options.page_bytes, &meter));
    let copied: Vec<Tally> = stream::iter(copying).buffer_unordered(at_once).try_collect().await?;
    if options.verify {
        meter.verifying();
        let verifying = jobs.iter().map(|job| verify::partition(job, options.page_bytes, &meter));
        stream::iter(verifying).buffer_unordered(at_once).try_collect::<()>().await?;
    }
    for job in &jobs {
        job.close().await?;
    }
    plan.finish().await?;
    meter.finished();

    let all = copied.iter().fold(Tally::default(), |all, one| all.plus(*one));
    Ok(Report {
        cluster_id: plan.cluster_id(),
        topics: plan.topics(),
        partitions: jobs.len(),
        resumed: plan.resumed,
        batches: all.batches,
        records: all.records,
        bytes: all.bytes,
        verified: options.verify,
    })
}
