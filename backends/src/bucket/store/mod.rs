//! Requests to the bucket: each has a time-out, is made again when it failed, and is counted.
//!
//! A PUT whose answer was lost may have taken effect, or may yet. So a conditional PUT is repeated as it is, to the same
//! name, and never given up for another; that something is there already may be our own doing, which only a look at it
//! tells.

mod counts;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{GetOptions, GetRange, ObjectStore, PutMode, PutOptions, PutPayload};
use ottla_broker_core::env::{Env, Moment};
use ottla_broker_core::log::{Error, ErrorKind};
use ottla_broker_core::planted::is_planted;
use ottla_broker_core::record::share;

use super::options::BucketOptions;
use crate::engine::HEADER_BYTES;
pub use counts::{BucketStats, Requests};

pub(super) use counts::{Counts, Purpose};

/// The first pause before a request is made again; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// How much of an object is read to see whose it is.
const HEAD_BYTES: u64 = 256;
/// Objects that one request deletes, and names on one page of a list.
const PAGE: usize = 1000;

/// What became of an object that was to be created.
#[derive(Debug)]
pub(super) enum Created {
    Ours,
    /// Somebody else's is there; this is how it begins.
    Theirs(Bytes),
}

/// An object in a list.
#[derive(Clone, Debug)]
pub(super) struct Listed {
    pub(super) path: Path,
    pub(super) bytes: u64,
}

#[derive(Debug)]
pub(super) struct Store {
    inner: Arc<dyn ObjectStore>,
    env: Env,
    timeout: Duration,
    give_up_after: Duration,
    give_up_writing_after: Duration,
    pub(super) counts: Counts,
}

/// Why a request did not succeed.
enum Failure {
    /// Another attempt may.
    Transient(Box<dyn std::error::Error + Send + Sync>),
    /// It is there already, or was a moment ago.
    Exists,
    NotFound(object_store::Error),
    Permanent(object_store::Error),
}

impl From<object_store::Error> for Failure {
    fn from(error: object_store::Error) -> Self {
        use object_store::Error as E;
        match error {
            E::AlreadyExists { .. } | E::Precondition { .. } => Self::Exists,
            E::NotFound { .. } => Self::NotFound(error),
            E::InvalidPath { .. }
            | E::NotSupported { .. }
            | E::NotImplemented { .. }
            | E::PermissionDenied { .. }
            | E::Unauthenticated { .. }
            | E::UnknownConfigurationKey { .. } => Self::Permanent(error),
            E::Generic { .. } if is_refusal(&error.to_string()) => Self::Permanent(error),
            other => Self::Transient(Box::new(other)),
        }
    }
}

/// Whether the store understood the request and will answer no other way: there is no such bucket, say. The status is in the
/// text alone; where a release of the library words it otherwise, such a request is made again until it is given up.
fn is_refusal(error: &str) -> bool {
    let status = error.split_once("status code: ").and_then(|(_, rest)| rest.get(..3)?.parse::<u16>().ok());
    // Time-out, conflict, too early, too many.
    status.is_some_and(|status| (400..500).contains(&status) && ![408, 409, 425, 429].contains(&status))
}

/// When attempts of one request are made.
struct Attempts<'a> {
    store: &'a Store,
    what: String,
    limit: Duration,
    deadline: Moment,
    pause: Duration,
}

impl Attempts<'_> {
    /// Waits before the next one; the error says that there is none.
    async fn again(&mut self, why: &(dyn std::error::Error + Send + Sync)) -> Result<(), Error> {
        let Store { env, counts, .. } = self.store;
        // Between a half and the whole: many that failed at once shall not come back at once.
        let half = self.pause / 2;
        let jitter = env.random_below(u64::try_from(half.as_micros()).unwrap_or(u64::MAX) + 1);
        let pause = half + Duration::from_micros(jitter);
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        if env.now() + pause >= self.deadline {
            let message = format!("{} did not succeed within {:?}: {why}", self.what, self.limit);
            return Err(Error::new(ErrorKind::Unavailable, message));
        }
        tracing::debug!(what = %self.what, %why, "a request to the bucket failed; it is made again");
        counts.retries.fetch_add(1, Ordering::Relaxed);
        env.sleep(pause).await;
        Ok(())
    }

    fn fail(&self, error: object_store::Error) -> Error {
        Error::new(ErrorKind::Unavailable, format!("{} failed", self.what)).with_source(error)
    }
}

impl Store {
    pub(super) fn new(inner: Arc<dyn ObjectStore>, env: Env, options: &BucketOptions) -> Self {
        let BucketOptions { request_timeout: timeout, give_up_after, give_up_writing_after, .. } = *options;
        Self { inner, env, timeout, give_up_after, give_up_writing_after, counts: Counts::default() }
    }

    fn attempts(&self, purpose: Purpose, what: String) -> Attempts<'_> {
        let limit = if purpose == Purpose::Journal { self.give_up_writing_after } else { self.give_up_after };
        Attempts { store: self, what, limit, deadline: self.env.now() + limit, pause: FIRST_PAUSE }
    }

    /// One attempt.
    async fn attempt<T>(&self, request: impl Future<Output = object_store::Result<T>> + Send) -> Result<T, Failure> {
        match self.env.timeout(self.timeout, request).await {
            Ok(answer) => answer.map_err(Failure::from),
            Err(elapsed) => Err(Failure::Transient(Box::new(elapsed))),
        }
    }

    async fn put(&self, path: &Path, payload: PutPayload, mode: PutMode) -> Result<(), Failure> {
        let options = PutOptions { mode, ..PutOptions::default() };
        self.attempt(self.inner.put_opts(path, payload, options)).await.map(drop)
    }

    /// Creates an object, unless there is one of that name. `is_ours` tells ours by how it begins.
    ///
    /// # Errors
    /// `Unavailable`: whether it was written, or will be, is unknown.
    pub(super) async fn create(
        &self,
        purpose: Purpose,
        path: &Path,
        payload: PutPayload,
        is_ours: impl Fn(&[u8]) -> bool + Send,
    ) -> Result<Created, Error> {
        let mut attempts = self.attempts(purpose, format!("PUT of {path}"));
        loop {
            self.counts.request(purpose, payload.content_length() as u64);
            match self.put(path, payload.clone(), PutMode::Create).await {
                Ok(()) => return Ok(Created::Ours),
                Err(Failure::Exists) => {
                    if is_planted("bucket-exists-is-a-rival") {
                        return Ok(Created::Theirs(Bytes::new()));
                    }
                    self.counts.read_back.fetch_add(1, Ordering::Relaxed);
                    match self.get_range(Purpose::Recovery, path, 0..HEAD_BYTES).await? {
                        Some(head) if is_ours(&head) => return Ok(Created::Ours),
                        Some(head) => return Ok(Created::Theirs(head)),
                        // A conflict, and nothing came of it: the same again.
                        None => attempts.again(&Conflict).await?,
                    }
                }
                Err(Failure::Transient(error)) => attempts.again(&*error).await?,
                Err(Failure::NotFound(error) | Failure::Permanent(error)) => return Err(attempts.fail(error)),
            }
        }
    }

    /// Writes an object in place of whatever is there.
    ///
    /// # Errors
    /// `Unavailable`.
    pub(super) async fn overwrite(&self, purpose: Purpose, path: &Path, body: Bytes) -> Result<(), Error> {
        let mut attempts = self.attempts(purpose, format!("PUT of {path}"));
        loop {
            self.counts.request(purpose, body.len() as u64);
            match self.put(path, body.clone().into(), PutMode::Overwrite).await {
                Ok(()) => return Ok(()),
                Err(Failure::Transient(error)) => attempts.again(&*error).await?,
                Err(Failure::Exists) => attempts.again(&Conflict).await?,
                Err(Failure::NotFound(error) | Failure::Permanent(error)) => return Err(attempts.fail(error)),
            }
        }
    }

    /// The whole object; `None` if there is none.
    ///
    /// # Errors
    /// `Unavailable`.
    pub(super) async fn get(&self, purpose: Purpose, path: &Path) -> Result<Option<Bytes>, Error> {
        Ok(self.read(purpose, path, None).await?.map(|(bytes, _)| bytes))
    }

    /// Some of an object's bytes, fewer where it ends before; `None` if there is no such object, or it ends before the
    /// first of them.
    ///
    /// # Errors
    /// `Unavailable`.
    pub(super) async fn get_range(
        &self,
        purpose: Purpose,
        path: &Path,
        range: std::ops::Range<u64>,
    ) -> Result<Option<Bytes>, Error> {
        Ok(self.read(purpose, path, Some(GetRange::Bounded(range))).await?.map(|(bytes, _)| bytes))
    }

    /// How an object begins, and how many bytes it has in all; `None` if there is none, or it is empty.
    ///
    /// # Errors
    /// `Unavailable`.
    pub(super) async fn get_front(
        &self,
        purpose: Purpose,
        path: &Path,
        bytes: u64,
    ) -> Result<Option<(Bytes, u64)>, Error> {
        self.read(purpose, path, Some(GetRange::Bounded(0..bytes))).await
    }

    /// What was asked for, and the size of the whole object.
    async fn read(
        &self,
        purpose: Purpose,
        path: &Path,
        range: Option<GetRange>,
    ) -> Result<Option<(Bytes, u64)>, Error> {
        let mut attempts = self.attempts(purpose, format!("GET of {path}"));
        loop {
            self.counts.request(purpose, 0);
            let options = GetOptions { range: range.clone(), ..GetOptions::default() };
            let request = async {
                let answer = self.inner.get_opts(path, options).await?;
                let size = answer.meta.size;
                Ok((answer.bytes().await?, size))
            };
            match self.attempt(request).await {
                Ok((bytes, size)) => {
                    self.counts.received(purpose, bytes.len() as u64);
                    return Ok(Some((bytes, size)));
                }
                Err(Failure::NotFound(_)) => return Ok(None),
                Err(Failure::Transient(error)) => attempts.again(&*error).await?,
                Err(Failure::Exists) => attempts.again(&Conflict).await?,
                Err(Failure::Permanent(error)) => return Err(attempts.fail(error)),
            }
        }
    }

    /// All objects under `prefix` whose names come after `after`, in the order of their names.
    ///
    /// # Errors
    /// `Unavailable`.
    pub(super) async fn list(&self, prefix: &Path, after: Option<&Path>) -> Result<Vec<Listed>, Error> {
        let mut attempts = self.attempts(Purpose::List, format!("LIST of {prefix}"));
        loop {
            self.counts.request(Purpose::List, 0);
            let stream = match after {
                Some(after) => self.inner.list_with_offset(Some(prefix), after),
                None => self.inner.list(Some(prefix)),
            };
            let all = stream.map_ok(|object| Listed { path: object.location, bytes: object.size });
            match self.attempt(all.try_collect::<Vec<_>>()).await {
                Ok(mut all) => {
                    for _ in 0..all.len() / PAGE {
                        self.counts.request(Purpose::List, 0);
                    }
                    // Some stores do not sort.
                    all.sort_unstable_by(|one, other| one.path.as_ref().cmp(other.path.as_ref()));
                    return Ok(all);
                }
                Err(Failure::NotFound(_)) => return Ok(Vec::new()),
                Err(Failure::Transient(error)) => attempts.again(&*error).await?,
                Err(Failure::Exists) => attempts.again(&Conflict).await?,
                Err(Failure::Permanent(error)) => return Err(attempts.fail(error)),
            }
        }
    }

    /// Deletes objects, whether or not they are there.
    ///
    /// # Errors
    /// `Unavailable`: some may be gone.
    pub(super) async fn delete(&self, paths: &[Path]) -> Result<(), Error> {
        for page in paths.chunks(PAGE) {
            let mut attempts = self.attempts(Purpose::Delete, format!("DELETE of {} objects", page.len()));
            loop {
                self.counts.request(Purpose::Delete, 0);
                let paths = futures::stream::iter(page.to_vec()).map(Ok).boxed();
                let gone = self.inner.delete_stream(paths).map(|deleted| match deleted {
                    Err(object_store::Error::NotFound { .. }) | Ok(_) => Ok(()),
                    Err(error) => Err(error),
                });
                match self.attempt(gone.try_collect::<Vec<()>>()).await {
                    Ok(_) | Err(Failure::NotFound(_)) => break,
                    Err(Failure::Transient(error)) => attempts.again(&*error).await?,
                    Err(Failure::Exists) => attempts.again(&Conflict).await?,
                    Err(Failure::Permanent(error)) => return Err(attempts.fail(error)),
                }
            }
        }
        Ok(())
    }
}

/// How a body begins: enough to know it again by.
pub(super) fn beginning(body: &Bytes) -> Bytes {
    share(body, 0..body.len().min(HEADER_BYTES)).unwrap_or_default()
}

/// The store refused because of another request, and it is not known which.
#[derive(Debug, thiserror::Error)]
#[error("the store reported a conflict")]
struct Conflict;
