//! What goes into a decision, and what comes out.

use bytes::Bytes;

use crate::api::Error;
use crate::api::group::{JoinRefused, JoinedGroup, OffsetsKey, SyncedGroup};
use crate::config::GroupConfig;
use crate::env::Moment;

/// The world at the moment of a decision.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Context<'a> {
    pub(crate) config: &'a GroupConfig,
    /// The most that one record's key and value may take: what its log still takes as one batch.
    pub(crate) max_record_bytes: usize,
    /// For time-outs.
    pub(crate) now: Moment,
    /// For what is stored.
    pub(crate) wall_ms: i64,
}

/// Names who waits for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ReplyTo(pub(crate) u64);

/// An answer that someone may have waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    Join(Result<JoinedGroup, JoinRefused>),
    Sync(Result<SyncedGroup, Error>),
}

/// A record to append; without value it deletes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Write {
    pub(crate) key: OffsetsKey,
    pub(crate) value: Option<Bytes>,
}

/// What a decision does to the world. The records are appended first; the answers go out once they are
/// committed, and with them all that was appended before.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    pub(crate) records: Vec<Write>,
    pub(crate) replies: Vec<(ReplyTo, Reply)>,
}

impl Effects {
    pub(crate) fn write(&mut self, key: OffsetsKey, value: Option<Bytes>) {
        self.records.push(Write { key, value });
    }

    pub(crate) fn joined(&mut self, to: ReplyTo, joined: JoinedGroup) {
        self.replies.push((to, Reply::Join(Ok(joined))));
    }

    pub(crate) fn join_refused(&mut self, to: ReplyTo, error: Error) {
        self.replies.push((to, Reply::Join(Err(JoinRefused { error, member: None }))));
    }

    pub(crate) fn synced(&mut self, to: ReplyTo, result: Result<SyncedGroup, Error>) {
        self.replies.push((to, Reply::Sync(result)));
    }
}
