//! One process' way to a bucket.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use ottla_broker_core::env::{Rng, SplitMix64};
use tokio::sync::oneshot;

use super::bucket::FaultyBucket;
use super::flights::{Flights, Write};

/// The longest that a write is late.
const LATE: Duration = Duration::from_secs(8);
/// A request in so many takes [`SLOW`] times as long as others, where any go wrong.
const SLOW_ONE_IN: u64 = 200;
const SLOW: u32 = 100;
/// Objects that a deletion that fails half-way has deleted, at most.
const DELETED_BEFORE: usize = 3;

/// One process' way to a [`FaultyBucket`]: a store for its storage. Clones are the same way.
#[derive(Clone, Debug)]
pub struct Way {
    bucket: Arc<FaultyBucket>,
    chance: Arc<SplitMix64>,
    flights: Arc<Flights>,
}

/// What becomes of the writes that a process had sent when it died.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// None of them arrives.
    Nothing,
    /// All have arrived.
    All,
    /// Each arrives or not, now or some time later, in any order.
    Any,
}

/// What happens to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Answered,
    /// It has no effect.
    Refused,
    /// It has its effect, and is told to have failed.
    AnswerLost,
    /// It is told to have failed, and has its effect some time later.
    Late,
    /// It is never answered, and has its effect, or not.
    Hangs,
    /// 409: it has no effect.
    Conflict,
}

fn refused() -> Error {
    Error::Generic { store: "faulty", source: "503 Slow Down".into() }
}

fn broken() -> Error {
    Error::Generic { store: "faulty", source: "connection reset by peer".into() }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a bucket in memory")
    }
}

impl Way {
    pub(super) fn new(bucket: Arc<FaultyBucket>, seed: u64) -> Self {
        Self { bucket, chance: Arc::new(SplitMix64::new(seed)), flights: Arc::default() }
    }

    /// The process is no more: it is answered nothing, and sends nothing. What of its writes is under way ends up as
    /// `left` says. Returns the bytes of those that never arrive.
    pub fn kill(&self, left: Left) -> u64 {
        let mut lost = 0;
        for (number, write) in self.flights.die() {
            let arrives = match left {
                Left::Nothing => 0,
                Left::All => 1,
                Left::Any => self.below(4),
            };
            match arrives {
                0 => lost += write.bytes(),
                // Memory answers at once.
                1 => drop(self.bucket.land(write, true).now_or_never()),
                2 => self.flights.go_on(number, write),
                _ => drop(self.send(write, self.late())),
            }
        }
        lost
    }

    fn below(&self, bound: u64) -> u64 {
        self.chance.next_u64() % bound
    }

    fn up_to(&self, most: Duration) -> Duration {
        Duration::from_micros(self.below(u64::try_from(most.as_micros()).unwrap_or(u64::MAX - 1) + 1))
    }

    fn late(&self) -> Duration {
        Duration::from_millis(1) + self.up_to(LATE)
    }

    /// How long it takes there, or back.
    fn travel(&self) -> Duration {
        let usual = self.up_to(self.bucket.travel);
        if self.bucket.in_thousand() > 0 && self.below(SLOW_ONE_IN) == 0 {
            self.bucket.met(|trouble| trouble.slow += 1);
            return usual.max(Duration::from_millis(1)) * SLOW;
        }
        usual
    }

    /// What happens to the next request.
    fn fate(&self, creates: bool) -> Fate {
        if self.below(1000) >= self.bucket.in_thousand() {
            return Fate::Answered;
        }
        let fate = match self.below(5) {
            0 => Fate::Refused,
            1 => Fate::AnswerLost,
            2 => Fate::Late,
            3 => Fate::Hangs,
            _ if creates => Fate::Conflict,
            _ => Fate::Refused,
        };
        self.bucket.met(|trouble| match fate {
            Fate::Answered => {}
            Fate::Refused => trouble.refused += 1,
            Fate::AnswerLost => trouble.answer_lost += 1,
            Fate::Late => trouble.late += 1,
            Fate::Hangs => trouble.hung += 1,
            Fate::Conflict => trouble.conflicts += 1,
        });
        fate
    }

    /// What happens to the next request that changes nothing: whether there is an answer is all there is to it.
    fn fate_of_read(&self) -> Fate {
        if self.below(1000) >= self.bucket.in_thousand() {
            return Fate::Answered;
        }
        self.bucket.met(|trouble| trouble.reads_failed += 1);
        if self.below(5) == 0 { Fate::Hangs } else { Fate::Refused }
    }

    /// Who is dead hears nothing any more.
    async fn unless_dead(&self) {
        if self.flights.is_dead() {
            std::future::pending::<()>().await;
        }
    }

    async fn pass(&self, time: Duration) {
        self.bucket.env.sleep(time).await;
        self.unless_dead().await;
    }

    /// Has a write arrive after some time, whether or not anybody waits for what comes of it.
    fn send(&self, write: Write, after: Duration) -> oneshot::Receiver<Result<Option<PutResult>>> {
        let (told, answer) = oneshot::channel();
        let number = self.flights.start(write);
        let (bucket, flights) = (Arc::clone(&self.bucket), Arc::clone(&self.flights));
        drop(self.bucket.env.spawn("bucket-network", async move {
            bucket.env.sleep(after).await;
            bucket.reached().await;
            if let Some((write, from_the_dead)) = flights.arrive(number) {
                // Who sent it may have given up.
                let _ = told.send(bucket.land(write, from_the_dead).await);
            }
        }));
        answer
    }

    /// A write, and what its sender is told.
    async fn write(&self, write: Write) -> Result<Option<PutResult>> {
        self.unless_dead().await;
        let (there, back) = (self.travel(), self.travel());
        let created = match &write {
            Write::Put(path, _, options) if matches!(options.mode, PutMode::Create) => Some(path.clone()),
            _ => None,
        };
        match self.fate(created.is_some()) {
            fate @ (Fate::Answered | Fate::AnswerLost) => {
                let Ok(answer) = self.send(write, there).await else { return std::future::pending().await };
                self.pass(back).await;
                if fate == Fate::Answered { answer } else { Err(broken()) }
            }
            Fate::Late => {
                drop(self.send(write, there + self.late()));
                self.pass(there + back).await;
                Err(broken())
            }
            Fate::Hangs => {
                if self.below(2) == 0 {
                    drop(self.send(write, there));
                }
                std::future::pending().await
            }
            fate @ (Fate::Refused | Fate::Conflict) => {
                if let Write::Delete(mut paths) = write {
                    paths.truncate(DELETED_BEFORE);
                    drop(self.send(Write::Delete(paths), there));
                }
                self.pass(there + back).await;
                match created.filter(|_| fate == Fate::Conflict) {
                    Some(path) => Err(Error::AlreadyExists { path: path.to_string(), source: "409 Conflict".into() }),
                    None => Err(refused()),
                }
            }
        }
    }

    /// A request that changes nothing: it sees what is there when it arrives.
    async fn read<T>(&self, read: impl Future<Output = Result<T>> + Send) -> Result<T> {
        self.unless_dead().await;
        let (there, back) = (self.travel(), self.travel());
        match self.fate_of_read() {
            Fate::Answered => {
                self.pass(there).await;
                let answer = read.await;
                self.pass(back).await;
                answer
            }
            Fate::Hangs => std::future::pending().await,
            _ => {
                self.pass(there + back).await;
                Err(refused())
            }
        }
    }
}

#[async_trait]
impl ObjectStore for Way {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        let answer = self.write(Write::Put(location.clone(), payload, opts)).await?;
        answer.ok_or_else(broken)
    }

    async fn put_multipart_opts(&self, _: &Path, _: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        Err(Error::NotImplemented { operation: "multipart".into(), implementer: "faulty".into() })
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let objects = self.bucket.objects();
        self.read(async { objects.get_opts(location, options).await }).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let objects = self.bucket.objects();
        self.read(async { objects.get_ranges(location, ranges).await }).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let way = self.clone();
        let deleted = async move {
            let paths: Vec<Path> = locations.try_collect().await?;
            way.write(Write::Delete(paths.clone())).await?;
            Ok::<_, Error>(futures::stream::iter(paths.into_iter().map(Ok)))
        };
        futures::stream::once(deleted).try_flatten().boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let (way, prefix) = (self.clone(), prefix.cloned());
        let listed = async move {
            let objects = way.bucket.objects();
            let found: Vec<_> = way.read(async { objects.list(prefix.as_ref()).try_collect().await }).await?;
            Ok::<_, Error>(futures::stream::iter(found.into_iter().map(Ok)))
        };
        futures::stream::once(listed).try_flatten().boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let objects = self.bucket.objects();
        self.read(async { objects.list_with_delimiter(prefix).await }).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        let objects = self.bucket.objects();
        self.read(async { objects.copy_opts(from, to, options).await }).await
    }
}
