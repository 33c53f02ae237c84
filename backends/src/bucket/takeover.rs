//! Taking a prefix, so that nobody else can write to it any more.
//!
//! ```text
//! newest claim ─► does its owner live? ─► create the next claim ─► end the journals of all before (tombstones)
//!                 (watch its lease)       (one of many wins)        ─► read what they acknowledged
//! ```
//!
//! An incarnation is the number of a claim. It writes its journal under names of its own, numbered without a gap, and
//! acknowledges in that order. Whoever creates a tombstone at the first number that is free ends that journal: the
//! owner cannot write that number any more, and so acknowledges nothing from there on, whatever else of it lands.
//! A lease spares a live owner from being robbed by mistake; nothing that must be right depends on it.

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use ottla_broker_core::env::Env;
use ottla_broker_core::log::{Error, ErrorKind};
use ottla_broker_core::planted::is_planted;
use uuid::Uuid;

use super::keys::{Keys, MOST_INCARNATIONS, MOST_NUMBERS, Name, file_number};
use super::marks::{Claim, Lease, Tombstone};
use super::options::BucketOptions;
use super::store::{Created, Listed, Purpose, Store};
use crate::engine::{Checkpoint, FileKind, HEADER_BYTES};

/// How often a lease is looked at while a newcomer waits for it to change, within the time after which it is stale.
const LOOKS: u32 = 5;
/// No mark is larger.
const MARK_BYTES: u64 = 128;
/// How far ahead of an owner that is faster than us the first tombstone is; twice as far each time that it was there before.
const AHEAD: u64 = 8;
/// Objects that may be marks are looked at so many at a time.
const MARKS_AT_ONCE: usize = 64;

/// Why a prefix was not taken.
#[derive(Debug)]
pub(super) enum Refused {
    /// This one has it.
    InUse(String),
    Error(Error),
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

/// A prefix that is ours.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) incarnation: u64,
    pub(super) claim: Claim,
    /// Leases and claims of others before, which mean nothing any more.
    pub(super) older: Vec<u64>,
}

/// What the incarnations before left.
#[derive(Debug)]
pub(super) struct Inherited {
    /// The newest checkpoint; `None` in a new storage.
    pub(super) checkpoint: Option<Checkpoint>,
    /// Names of all checkpoints.
    pub(super) checkpoints: Vec<(u64, u64)>,
    /// The journal after the checkpoint, in its order: file numbers.
    pub(super) journal: Vec<u64>,
}

/// Takes the prefix.
pub(super) async fn take(
    store: &Store,
    keys: &Keys,
    env: &Env,
    options: &BucketOptions,
    storage: Uuid,
) -> Result<Taken, Refused> {
    let claims = claims(store, keys).await?;
    let newest = claims.last().copied();
    let storage = match newest {
        Some(newest) => {
            let body = store.get(Purpose::Recovery, &keys.claim(newest)).await?;
            match body.as_deref().map(Claim::parse) {
                Some(Ok(claim)) => {
                    if !options.take_over {
                        wait_until_stale(store, keys, env, options, newest, &claim).await?;
                    }
                    claim.storage
                }
                Some(Err(bad)) => {
                    return Err(corrupt(format!("`{}` cannot be used: {bad}", keys.claim(newest))).into());
                }
                // Somebody newer removed it just now.
                None => return Err(Refused::InUse("another opened it at this moment".to_owned())),
            }
        }
        None => storage,
    };
    let incarnation = newest.unwrap_or(0) + 1;
    if incarnation > MOST_INCARNATIONS {
        return Err(corrupt(format!("{} was opened too often: copy it to another prefix", keys.prefix())).into());
    }
    let claim = Claim { id: env.uuid(), storage, owner: options.owner.clone() };
    let path = keys.claim(incarnation);
    let created = store.create(Purpose::Ownership, &path, claim.encode().into(), |head| claim.begins(head)).await?;
    if let Created::Theirs(head) = created {
        let owner = Claim::parse(&head).map_or_else(|bad| bad.to_string(), |claim| claim.owner);
        return Err(Refused::InUse(owner));
    }
    // A claim that was removed since we looked could be made again, by one who slept meanwhile.
    let now = self::claims(store, keys).await?;
    if now.last().is_some_and(|newest| *newest > incarnation) {
        store.delete(&[path]).await?;
        return Err(Refused::InUse("another opened it at this moment".to_owned()));
    }
    Ok(Taken { incarnation, claim, older: claims })
}

/// Incarnations with a claim, in order.
pub(super) async fn claims(store: &Store, keys: &Keys) -> Result<Vec<u64>, Error> {
    let listed = store.list(&keys.claims(), None).await?;
    Ok(listed
        .iter()
        .filter_map(|object| match keys.parse(&object.path) {
            Some(Name::Claim(incarnation)) => Some(incarnation),
            _ => None,
        })
        .collect())
}

/// Returns once the owner has ended, or has not been heard of for long enough by our own clock.
async fn wait_until_stale(
    store: &Store,
    keys: &Keys,
    env: &Env,
    options: &BucketOptions,
    incarnation: u64,
    claim: &Claim,
) -> Result<(), Refused> {
    let path = keys.lease(incarnation);
    let begun = env.now();
    let mut first: Option<Option<Bytes>> = None;
    loop {
        let seen = store.get(Purpose::Ownership, &path).await?;
        let released = seen.as_deref().and_then(|body| Lease::parse(body).ok()).is_some_and(|lease| lease.released);
        if released {
            return Ok(());
        }
        match &first {
            None => first = Some(seen),
            Some(first) if *first != seen => return Err(Refused::InUse(claim.owner.clone())),
            Some(_) => {}
        }
        if env.now().since(begun) >= options.stale_after {
            tracing::warn!(owner = %claim.owner, "the owner has not been heard of: its prefix is taken over");
            return Ok(());
        }
        env.sleep(options.stale_after / LOOKS).await;
    }
}

/// Ends the journals of all incarnations before `taken`, and says what they left.
pub(super) async fn inherit(store: &Store, keys: &Keys, taken: &Taken) -> Result<Inherited, Error> {
    let tombstone = Tombstone { id: taken.claim.id, by: taken.incarnation };
    let mut checkpoints = list_checkpoints(store, keys).await?;
    loop {
        let newest = checkpoints.last().copied();
        let checkpoint = match newest {
            Some((incarnation, number)) => {
                let path = keys.checkpoint(incarnation, number);
                match store.get(Purpose::Recovery, &path).await? {
                    Some(bytes) => {
                        let decoded = Checkpoint::decode(&bytes);
                        Some(decoded.map_err(|bad| corrupt(format!("`{path}` cannot be used: {bad}")))?)
                    }
                    // A newer one took its place.
                    None => {
                        checkpoints = list_checkpoints(store, keys).await?;
                        continue;
                    }
                }
            }
            None => None,
        };
        let base = newest.map_or(0, |(incarnation, _)| incarnation);
        let journal = match &checkpoint {
            Some(checkpoint) => end_journal(store, keys, base, checkpoint.next_chunk, &tombstone).await?,
            None => Vec::new(),
        };
        // Those who took the prefix and have no checkpoint yet have written nothing, and shall not begin.
        let mut began = false;
        for incarnation in base + 1..taken.incarnation {
            if !is_planted("bucket-silent-claim-not-fenced") {
                began |= !end_journal(store, keys, incarnation, 1, &tombstone).await?.is_empty();
            }
        }
        // An owner who lived until now may have taken a checkpoint meanwhile, and removed what it replaces: then what
        // seemed to be the end of its journal was not.
        let now = list_checkpoints(store, keys).await?;
        if now.last() == newest.as_ref() || is_planted("bucket-checkpoint-not-looked-at-again") {
            if began {
                let prefix = keys.prefix();
                return Err(corrupt(format!("there is a journal under `{prefix}` and no checkpoint that it follows")));
            }
            return Ok(Inherited { checkpoint, checkpoints: now, journal });
        }
        checkpoints = now;
    }
}

/// All checkpoints in order.
pub(super) async fn list_checkpoints(store: &Store, keys: &Keys) -> Result<Vec<(u64, u64)>, Error> {
    let listed = store.list(&keys.checkpoints(), None).await?;
    let mut found: Vec<_> = listed
        .iter()
        .filter_map(|object| match keys.parse(&object.path) {
            Some(Name::Checkpoint(incarnation, number)) => Some((incarnation, number)),
            _ => None,
        })
        .collect();
    found.sort_unstable();
    Ok(found)
}

/// Chunks of `incarnation` from `from` on that follow one another, and whether a tombstone ends them.
pub(super) async fn walk_journal(
    store: &Store,
    keys: &Keys,
    incarnation: u64,
    from: u64,
) -> Result<(Vec<u64>, bool), Error> {
    let file = |number| file_number(FileKind::Journal, incarnation, number);
    let listed = store.list(&keys.journal(incarnation), Some(&keys.file(file(from.saturating_sub(1))))).await?;
    let in_turn = listed.into_iter().zip((from..=MOST_NUMBERS).map(file));
    let in_turn = in_turn.take_while(|(object, file)| keys.parse(&object.path) == Some(Name::File(*file)));
    // Empty chunks are as small as tombstones, and there may be many of them.
    let mut looked = futures::stream::iter(in_turn)
        .map(|(object, file)| async move { Ok::<_, Error>((file, object.bytes, is_tombstone(store, &object).await?)) })
        .buffered(if is_planted("bucket-looks-one-by-one") { 1 } else { MARKS_AT_ONCE });
    let mut found = Vec::new();
    while let Some((file, bytes, is_tombstone)) = looked.try_next().await? {
        if is_tombstone && !is_planted("bucket-reads-behind-tombstone") {
            return Ok((found, true));
        }
        if bytes < HEADER_BYTES as u64 {
            return Err(corrupt(format!("`{}` is damaged: it has {bytes} bytes only", keys.file(file))));
        }
        found.push(file);
    }
    Ok((found, false))
}

/// Whether an object of the journal is a tombstone.
pub(super) async fn is_tombstone(store: &Store, object: &Listed) -> Result<bool, Error> {
    // A tombstone is small, and so is hardly anything else.
    if object.bytes > MARK_BYTES {
        return Ok(false);
    }
    let head = store.get(Purpose::Recovery, &object.path).await?;
    Ok(head.is_some_and(|head| Tombstone::is_one(&head)))
}

/// Has a tombstone behind the journal of `incarnation`; says what there is of it from chunk `from` on.
///
/// An owner that lives may have created each number before we could: then a tombstone some numbers ahead comes first,
/// which it cannot pass, and what is free before that is at most so many.
async fn end_journal(
    store: &Store,
    keys: &Keys,
    incarnation: u64,
    from: u64,
    tombstone: &Tombstone,
) -> Result<Vec<u64>, Error> {
    let (mut found, mut ended) = walk_journal(store, keys, incarnation, from).await?;
    let put = async |number: u64| -> Result<Created, Error> {
        let path = keys.file(file_number(FileKind::Journal, incarnation, number));
        store.create(Purpose::Ownership, &path, tombstone.encode().into(), |head| tombstone.begins(head)).await
    };
    let mut ahead = Some(AHEAD).filter(|_| !is_planted("bucket-owner-not-overtaken"));
    while !ended && !is_planted("bucket-journal-not-ended") {
        let free = from + found.len() as u64;
        if !is_theirs(&put(free).await?) {
            break;
        }
        if let Some(distance) = ahead.filter(|distance| free + distance <= MOST_NUMBERS) {
            ahead = is_theirs(&put(free + distance).await?).then(|| distance * 2);
        }
        let (more, met) = walk_journal(store, keys, incarnation, free).await?;
        found.extend(more);
        ended = met;
    }
    Ok(found)
}

/// Whether a chunk of the owner is there, and no tombstone of anybody.
fn is_theirs(created: &Created) -> bool {
    matches!(created, Created::Theirs(head) if !Tombstone::is_one(head))
}

pub(super) fn corrupt(message: String) -> Error {
    Error::new(ErrorKind::Corrupt, message)
}

#[cfg(test)]
mod tests;
