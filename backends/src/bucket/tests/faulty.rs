//! A store whose answers get lost, come late, or are refusals, by seed.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt,
    PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use ottla_broker_core::env::{Env, Rng, SplitMix64};

/// One process' way to a bucket.
#[derive(Debug)]
pub(crate) struct Faulty {
    inner: Arc<InMemory>,
    env: Env,
    chance: SplitMix64,
    /// Of a thousand requests so many go wrong.
    rate: Arc<AtomicU64>,
    /// The process is no more: nothing is answered, and nothing new is sent.
    dead: AtomicBool,
    counts: Arc<Counts>,
}

/// How often each kind of fault was met.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) refused: AtomicU64,
    pub(crate) answer_lost: AtomicU64,
    pub(crate) late: AtomicU64,
    pub(crate) hung: AtomicU64,
    pub(crate) conflict: AtomicU64,
    pub(crate) slow: AtomicU64,
}

impl Counts {
    /// PUTs of which nobody knew whether they had taken effect.
    pub(crate) fn ambiguous(&self) -> u64 {
        [&self.answer_lost, &self.late, &self.hung].map(|count| count.load(Ordering::Relaxed)).iter().sum()
    }
}

/// What happens to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Answered,
    /// It had no effect.
    Refused,
    /// It had an effect.
    AnswerLost,
    /// It is refused, and has its effect some time later.
    Late,
    /// It is never answered, and has its effect, or not.
    Hangs,
    /// 409: it had no effect.
    Conflict,
}

impl fmt::Display for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("faulty")
    }
}

fn trouble() -> Error {
    Error::Generic { store: "faulty", source: "503 Slow Down".into() }
}

impl Faulty {
    pub(crate) fn new(
        inner: Arc<InMemory>,
        env: Env,
        seed: u64,
        rate: Arc<AtomicU64>,
        counts: Arc<Counts>,
    ) -> Arc<Self> {
        Arc::new(Self { inner, env, chance: SplitMix64::new(seed), rate, dead: AtomicBool::new(false), counts })
    }

    /// The process is killed: what it had sent may take effect yet.
    pub(crate) fn kill(&self) {
        self.dead.store(true, Ordering::SeqCst);
    }

    fn below(&self, bound: u64) -> u64 {
        self.chance.next_u64() % bound
    }

    async fn travel(&self) {
        let usual = 1 + self.below(30);
        let slow = self.rate.load(Ordering::SeqCst) > 0 && self.below(200) == 0;
        if slow {
            self.counts.slow.fetch_add(1, Ordering::Relaxed);
        }
        self.env.sleep(Duration::from_millis(if slow { usual * 100 } else { usual })).await;
    }

    /// What happens to the next request; does not return if the process is dead.
    async fn fate(&self, conditional: bool) -> Fate {
        if self.dead.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        self.travel().await;
        if self.below(1000) >= self.rate.load(Ordering::SeqCst) {
            return Fate::Answered;
        }
        let (fate, count) = match self.below(5) {
            0 => (Fate::Refused, &self.counts.refused),
            1 => (Fate::AnswerLost, &self.counts.answer_lost),
            2 => (Fate::Late, &self.counts.late),
            3 => (Fate::Hangs, &self.counts.hung),
            _ if conditional => (Fate::Conflict, &self.counts.conflict),
            _ => (Fate::Refused, &self.counts.refused),
        };
        count.fetch_add(1, Ordering::Relaxed);
        fate
    }

    async fn back(&self) {
        self.travel().await;
        if self.dead.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
    }

    fn later(&self, effect: impl Future<Output = ()> + Send + 'static) {
        let after = Duration::from_millis(1 + self.below(8000));
        let env = self.env.clone();
        drop(self.env.spawn("late", async move {
            env.sleep(after).await;
            effect.await;
        }));
    }
}

#[async_trait]
impl ObjectStore for Faulty {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        let (inner, location) = (Arc::clone(&self.inner), location.clone());
        let fate = self.fate(matches!(opts.mode, PutMode::Create)).await;
        let effect = {
            let location = location.clone();
            async move { inner.put_opts(&location, payload, opts).await }
        };
        match fate {
            Fate::Answered => {
                let answer = effect.await;
                self.back().await;
                answer
            }
            Fate::Refused => Err(trouble()),
            Fate::AnswerLost => {
                drop(effect.await);
                Err(trouble())
            }
            Fate::Late => {
                self.later(effect.map(drop));
                Err(trouble())
            }
            Fate::Hangs => {
                if self.below(2) == 0 {
                    drop(effect.await);
                }
                std::future::pending().await
            }
            Fate::Conflict => Err(Error::AlreadyExists { path: location.to_string(), source: "409 Conflict".into() }),
        }
    }

    async fn put_multipart_opts(&self, _: &Path, _: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        Err(Error::NotImplemented { operation: "multipart".into(), implementer: "faulty".into() })
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        match self.fate(false).await {
            Fate::Answered => {
                let answer = self.inner.get_opts(location, options).await;
                self.back().await;
                answer
            }
            Fate::Hangs => std::future::pending().await,
            _ => Err(trouble()),
        }
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.inner.get_ranges(location, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        // The fate is of all of them: the stream borrows nothing.
        let inner = Arc::clone(&self.inner);
        let dead = self.dead.load(Ordering::SeqCst);
        let fails = self.below(1000) < self.rate.load(Ordering::SeqCst);
        let late = Duration::from_millis(self.below(1500));
        let env = self.env.clone();
        locations
            .enumerate()
            .then(move |(index, location)| {
                let (inner, env) = (Arc::clone(&inner), env.clone());
                async move {
                    if dead {
                        std::future::pending::<()>().await;
                    }
                    if fails && index > 2 {
                        return Err(trouble());
                    }
                    if index == 0 {
                        env.sleep(late).await;
                    }
                    let location = location?;
                    inner.delete(&location).await?;
                    Ok(location)
                }
            })
            .boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let fails = self.below(1000) < self.rate.load(Ordering::SeqCst);
        if fails {
            return futures::stream::once(async { Err(trouble()) }).boxed();
        }
        // What is there when it arrives.
        let (inner, env, prefix) = (Arc::clone(&self.inner), self.env.clone(), prefix.cloned());
        let after = Duration::from_millis(1 + self.below(30));
        futures::stream::once(async move {
            env.sleep(after).await;
            inner.list(prefix.as_ref())
        })
        .flatten()
        .boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}
