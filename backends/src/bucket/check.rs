//! Looks at all there is under a prefix, and changes nothing.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use object_store::ObjectStore;
use ottla_broker_core::Offset;
use ottla_broker_core::env::Env;
use ottla_broker_core::log::{Durability, Error};

use super::backend::OpenError;
use super::keys::{Keys, Name, of_file};
use super::marks::{Claim, Lease};
use super::options::BucketOptions;
use super::recover::recover;
use super::shelf::Shelf;
use super::store::{Listed, Purpose, Store};
use super::takeover::{Inherited, claims, corrupt, is_tombstone, list_checkpoints, walk_journal};
use crate::engine::{Checkpoint, Core, FileKind, Limits, Log};

/// Extents that are read at a time.
const EXTENTS: usize = 64;

/// What [`check`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// What the newest owner calls itself; `None` if nobody ever was one.
    pub owner: Option<String>,
    /// The number of its opening.
    pub incarnation: u64,
    /// Whether it gave the prefix back.
    pub released: bool,
    /// The logs, those of the metadata and the snapshots among them.
    pub logs: Vec<LogReport>,
    /// Objects that the metadata reaches, and their bytes; tombstones, which stay for ever, among them.
    pub objects: usize,
    /// Bytes of those objects.
    pub bytes: u64,
    /// Names of objects that nothing refers to. The next owner collects them; while one is at work there may be some that
    /// are about to count.
    pub unreachable: Vec<String>,
    /// What something refers to and is not there, or not as it was written.
    pub damage: Vec<String>,
    /// Objects of other programs, which are left alone.
    pub foreign: Vec<String>,
}

/// One log.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogReport {
    /// Its topic id and partition.
    pub name: String,
    /// Its first offset.
    pub start: Offset,
    /// One past its last offset.
    pub end: Offset,
    /// Batches that were read and checked.
    pub batches: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Report {
    /// Whether everything that the metadata refers to is there, as it was written.
    #[must_use]
    pub const fn is_sound(&self) -> bool {
        self.damage.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.owner {
            Some(owner) => {
                let state = if self.released { "given back" } else { "held, or left by one who died" };
                writeln!(f, "opened {} time(s); the last owner is {owner} ({state})", self.incarnation)?;
            }
            None => writeln!(f, "nobody has written here")?,
        }
        for log in &self.logs {
            let LogReport { name, start, end, batches, bytes } = log;
            writeln!(f, "  {name}: offsets {start} to {end}, {batches} batches of {bytes} bytes")?;
        }
        writeln!(f, "{} objects of {} bytes are in use", self.objects, self.bytes)?;
        for (what, names) in [
            ("of other programs", &self.foreign),
            ("that nothing refers to", &self.unreachable),
            ("DAMAGED", &self.damage),
        ] {
            if !names.is_empty() {
                writeln!(f, "{} {what}:", names.len())?;
                for name in names.iter().take(20) {
                    writeln!(f, "  {name}")?;
                }
            }
        }
        f.write_str(if self.is_sound() { "sound" } else { "NOT SOUND" })
    }
}

/// Reads all that is under `prefix`, checks it, and says what it found. Nothing is written; an owner at work is not
/// disturbed, and makes objects come and go while this looks.
///
/// # Errors
/// [`OpenError::Log`] where the store does not answer, or there is nothing that could be checked: the newest checkpoint is
/// damaged, say.
pub async fn check(store: Arc<dyn ObjectStore>, prefix: &str, env: &Env) -> Result<Report, OpenError> {
    let BucketOptions { request_timeout, give_up_after, .. } = BucketOptions::default();
    let store = Arc::new(Store::new(store, env.clone(), request_timeout, give_up_after));
    look(store, &Keys::new(prefix), env).await.map_err(|source| OpenError::Log { prefix: prefix.to_owned(), source })
}

async fn look(store: Arc<Store>, keys: &Keys, env: &Env) -> Result<Report, Error> {
    let mut report = Report::default();
    let mut reached: BTreeSet<Name> = BTreeSet::new();
    if let Some(newest) = claims(&store, keys).await?.last().copied() {
        let body = store.get(Purpose::Recovery, &keys.claim(newest)).await?;
        let claim = body.as_deref().map(Claim::parse);
        report.incarnation = newest;
        report.owner = claim.and_then(Result::ok).map(|claim| claim.owner);
        let lease = store.get(Purpose::Recovery, &keys.lease(newest)).await?;
        let lease = lease.as_deref().and_then(|lease| Lease::parse(lease).ok());
        report.released = lease.is_some_and(|lease| lease.released);
        reached.extend([Name::Claim(newest), Name::Lease(newest)]);
    }
    let checkpoints = list_checkpoints(&store, keys).await?;
    let newest = checkpoints.last().copied();
    let mut inherited = Inherited { checkpoint: None, checkpoints, journal: Vec::new() };
    if let Some((incarnation, number)) = newest {
        let path = keys.checkpoint(incarnation, number);
        let body = store.get(Purpose::Recovery, &path).await?;
        let body = body.ok_or_else(|| corrupt(format!("`{path}` went while it was looked at: look again")))?;
        let checkpoint = Checkpoint::decode(&body);
        let checkpoint = checkpoint.map_err(|bad| corrupt(format!("`{path}` cannot be used: {bad}")))?;
        let (journal, _) = walk_journal(&store, keys, incarnation, checkpoint.next_chunk).await?;
        reached.insert(Name::Checkpoint(incarnation, number));
        reached.extend(
            journal.iter().chain(checkpoint.files.iter().map(|file| &file.number)).map(|file| Name::File(*file)),
        );
        (inherited.checkpoint, inherited.journal) = (Some(checkpoint), journal);
    }
    let shelf = Arc::new(Shelf::new(Arc::clone(&store), keys.clone(), env.clone()));
    let limits = Limits { group_bytes: 0, pending_bytes: 0, tail_bytes: 0, cold: BucketOptions::default().cold() };
    let core = Core::new(Durability::ObjectStore, limits, Arc::clone(&shelf) as _);
    recover(&store, keys, &core, &shelf, &inherited).await?;
    let mut present = BTreeSet::new();
    for object in store.list(keys.prefix(), None).await? {
        sort(&store, keys, &mut report, &reached, &mut present, object).await?;
    }
    report.damage.extend(
        reached
            .iter()
            .filter(|name| !present.contains(*name) && !matches!(name, Name::Lease(_)))
            .map(|name| format!("missing: {}", path_of(keys, *name))),
    );
    for log in core.logs() {
        read(&core, &log, &mut report).await;
    }
    Ok(report)
}

/// Says what an object is.
async fn sort(
    store: &Store,
    keys: &Keys,
    report: &mut Report,
    reached: &BTreeSet<Name>,
    present: &mut BTreeSet<Name>,
    object: Listed,
) -> Result<(), Error> {
    let Some(name) = keys.parse(&object.path) else {
        report.foreign.push(object.path.to_string());
        return Ok(());
    };
    present.insert(name);
    let fences = match name {
        Name::File(file) if of_file(file).0 == FileKind::Journal => is_tombstone(store, &object).await?,
        _ => false,
    };
    if fences || reached.contains(&name) {
        report.objects += 1;
        report.bytes += object.bytes;
    } else {
        report.unreachable.push(object.path.to_string());
    }
    Ok(())
}

fn path_of(keys: &Keys, name: Name) -> String {
    match name {
        Name::Claim(incarnation) => keys.claim(incarnation),
        Name::Lease(incarnation) => keys.lease(incarnation),
        Name::File(file) => keys.file(file),
        Name::Checkpoint(incarnation, number) => keys.checkpoint(incarnation, number),
    }
    .to_string()
}

/// Reads a whole log.
async fn read(core: &Core, log: &Log, report: &mut Report) {
    let bounds = log.bounds();
    let mut found = LogReport { name: log.key.to_string(), start: bounds.start, end: bounds.end, batches: 0, bytes: 0 };
    for extents in log.extents().chunks(EXTENTS) {
        match log.batches(core, extents).await {
            Ok(Ok(batches)) => {
                found.batches += batches.len() as u64;
                found.bytes += batches.iter().map(|batch| batch.size_in_bytes() as u64).sum::<u64>();
            }
            Ok(Err(error)) | Err(error) => report.damage.push(error.to_string()),
        }
    }
    report.logs.push(found);
}
