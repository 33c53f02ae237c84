//! `file:///absolute/path`.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::sync::{Arc, Weak};

use ottla_backends::disk::check::Report;
use ottla_backends::disk::{DiskBackend, DiskOptions, DiskStorage, Level, OpenError};
use ottla_broker_core::config::BrokerConfig;
use ottla_broker_core::env::Env;
use ottla_broker_core::log::{self, ErrorKind};
use ottla_broker_core::planted::is_planted;

use super::error::Error;
use super::hold::Held;
use super::shared::{Beneath, Options, Places, Started};
use super::stats::Storage;
use super::url::Url;
use crate::cluster::embedded::Owner;
use crate::config::{self, Section};

/// By the directory's real path: two ways to one directory are one place.
static OPEN: Places<PathBuf, (BrokerConfig, DiskOptions)> = Places::new();

/// Less is not a journal: a file holds several groups, and the compactor needs a second one to work on.
const LEAST_FILE_BYTES: u64 = 256 << 10;

/// A share of the broker in that directory; this process's, or an error.
pub(super) async fn open(
    url: &Url,
    config: BrokerConfig,
    options: DiskOptions,
    env: &Env,
) -> Result<Arc<Owner>, Error> {
    let path = PathBuf::from(OsString::from_vec(url.file_path()?));
    let failed = |source| refused(url, source);
    let directory = DiskBackend::locate(&path).await.map_err(failed)?;
    let place = directory.clone();
    let directory = if is_planted("directory-by-its-spelling") { path } else { directory };
    let wanted = (config.clone(), options);
    let start = |hold| async move {
        let backend = DiskBackend::open_held(&place, options, env, hold).await.map_err(failed)?;
        let beneath = Box::new(Directory(Arc::downgrade(backend.logs())));
        let storage = Storage::Disk(Arc::downgrade(backend.logs()));
        let owner = super::start(backend.backend(), storage, config, env, &url.shown).await?;
        Ok(Started { owner, beneath })
    };
    OPEN.share(directory, wanted, &url.shown, env, start).await
}

/// The real path of the directory, for a copy; it is made unless it must be there.
pub(super) async fn locate(url: &Url, exists: bool) -> Result<PathBuf, Error> {
    let path = PathBuf::from(OsString::from_vec(url.file_path()?));
    let located = if exists { DiskBackend::find(&path).await } else { DiskBackend::locate(&path).await };
    located.map_err(|error| refused(url, error))
}

/// What the directory holds; nobody may have it open.
pub(super) async fn verify(url: &Url) -> Result<Report, Error> {
    let path = PathBuf::from(OsString::from_vec(url.file_path()?));
    DiskBackend::check(&path).await.map_err(|error| refused(url, error))
}

/// The directory, for a copy alone.
pub(super) async fn hold(url: &Url, directory: PathBuf, options: DiskOptions, env: &Env) -> Result<Held, Error> {
    let mut reserved = OPEN.reserve(directory.clone(), &url.shown, env).await?;
    let freed = reserved.taken((BrokerConfig::default(), options));
    let backend = DiskBackend::open_held(&directory, options, env, freed).await.map_err(|error| refused(url, error))?;
    Ok(Held::new(backend.backend(), None, reserved))
}

/// The storage in a directory; whoever asks does not keep it open.
#[derive(Debug)]
struct Directory(Weak<DiskStorage>);

impl Beneath for Directory {
    fn poisoned(&self) -> Option<log::Error> {
        self.0.upgrade().and_then(|storage| storage.poisoned())
    }
}

fn refused(url: &Url, error: OpenError) -> Error {
    let url = url.shown.clone();
    match error {
        OpenError::InUse { reason } => Error::InUse {
            url,
            reason: format!(
                "{reason}; clients of one process share a broker, so close the other process, or use another directory"
            ),
        },
        OpenError::Directory { directory, source } => Error::Directory { url, directory, source },
        OpenError::Log { source, .. } => Error::Storage { url, source },
        other => Error::Storage { url, source: log::Error::new(ErrorKind::Unavailable, other.to_string()) },
    }
}

impl Options for (BrokerConfig, DiskOptions) {
    fn difference(&self, wanted: &Self) -> Option<String> {
        self.0.difference(&wanted.0).or_else(|| {
            let pairs = values(&self.1).into_iter().zip(values(&wanted.1));
            let ((name, there), (_, here)) = pairs.into_iter().find(|(there, here)| there != here)?;
            Some(format!("`disk.{name}` is `{there}` there and `{here}` here"))
        })
    }
}

fn values(options: &DiskOptions) -> [(&'static str, String); 7] {
    let DiskOptions { level, journal_bytes, file_bytes, tail_bytes, cold_bytes, pending_bytes, group_bytes } = *options;
    let durability = match level {
        Level::Fsync => "fsync",
        Level::Os => "os",
    };
    [
        ("durability", durability.to_owned()),
        ("journal_bytes", journal_bytes.to_string()),
        ("file_bytes", file_bytes.to_string()),
        ("tail_bytes", tail_bytes.to_string()),
        ("cold_bytes", cold_bytes.to_string()),
        ("pending_bytes", pending_bytes.to_string()),
        ("group_bytes", group_bytes.to_string()),
    ]
}

/// The table `[disk]`.
pub(super) fn read(mut section: Section) -> Result<DiskOptions, config::Error> {
    let mut options = DiskOptions::default();
    if let Some(level) = section.choice("durability", &[("fsync", Level::Fsync), ("os", Level::Os)])? {
        options.level = level;
    }
    if let Some(bytes) = section.count("journal_bytes")? {
        options.journal_bytes = bytes as u64;
        options.file_bytes = (options.journal_bytes / 8).max(LEAST_FILE_BYTES);
    }
    if let Some(bytes) = section.count("file_bytes")? {
        options.file_bytes = bytes as u64;
    }
    options.tail_bytes = section.count("tail_bytes")?.unwrap_or(options.tail_bytes);
    options.cold_bytes = section.count("cold_bytes")?.unwrap_or(options.cold_bytes);
    options.pending_bytes = section.count("pending_bytes")?.unwrap_or(options.pending_bytes);
    options.group_bytes = section.count("group_bytes")?.unwrap_or(options.group_bytes);
    section.finish()?;
    check(&options)?;
    Ok(options)
}

/// Refuses sizes that cannot be.
pub(super) fn check(options: &DiskOptions) -> Result<(), config::Error> {
    let DiskOptions { journal_bytes, file_bytes, pending_bytes, group_bytes, .. } = *options;
    let bad =
        |name: &str, value: u64, reason: String| Err(config::Error::bad_value(format!("disk.{name}"), value, reason));
    if file_bytes < LEAST_FILE_BYTES {
        return bad("file_bytes", file_bytes, format!("it is at least {LEAST_FILE_BYTES}"));
    }
    if journal_bytes / 2 < file_bytes {
        let reason = format!("it holds at least two files of `file_bytes`, which is {file_bytes}");
        return bad("journal_bytes", journal_bytes, reason);
    }
    for (name, value) in [("pending_bytes", pending_bytes), ("group_bytes", group_bytes)] {
        if value == 0 {
            return bad(name, 0, "it is at least 1".to_owned());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(text: &str) -> Result<DiskOptions, String> {
        Section::parse(text).and_then(read).map_err(|error| error.to_string())
    }

    #[test]
    fn the_table_is_read() {
        assert_eq!(options("").unwrap(), DiskOptions::default());
        let small = options(
            "durability = 'os'\njournal_bytes = 16777216\ntail_bytes = 0\ncold_bytes = 1048576\ngroup_bytes = 65536",
        )
        .unwrap();
        let expected = DiskOptions {
            level: Level::Os,
            journal_bytes: 16 << 20,
            file_bytes: 2 << 20,
            tail_bytes: 0,
            cold_bytes: 1 << 20,
            group_bytes: 64 << 10,
            ..DiskOptions::default()
        };
        assert_eq!(small, expected);
    }

    #[test]
    fn what_cannot_be_names_the_setting() {
        for (text, expected) in [
            ("durability = 'fsink'", "\"fsync\", \"os\""),
            ("durabilty = 'os'", "unknown setting `durabilty`: did you mean `durability`?"),
            ("journal_bytes = 1000", "`disk.journal_bytes` cannot be 1000"),
            ("file_bytes = 1", "`disk.file_bytes` cannot be 1"),
            ("pending_bytes = 0", "`disk.pending_bytes` cannot be 0"),
            ("group_bytes = 0", "`disk.group_bytes` cannot be 0"),
        ] {
            let error = options(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn a_difference_is_named() {
        let os = DiskOptions { level: Level::Os, ..DiskOptions::default() };
        let (one, two) = ((BrokerConfig::default(), DiskOptions::default()), (BrokerConfig::default(), os));
        assert_eq!(one.difference(&two).unwrap(), "`disk.durability` is `fsync` there and `os` here");
        assert_eq!(one.difference(&one.clone()), None);
    }
}
