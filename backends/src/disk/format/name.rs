//! What the files of a directory are called.

/// The name of the file that a process locks. It stays when the lock is gone: only the lock on it counts.
pub(crate) const LOCK_NAME: &str = "lock";

const JOURNAL: &str = ".journal";
const SEGMENT: &str = ".segment";
const CHECKPOINT: &str = ".checkpoint";
const TEMPORARY: &str = ".tmp";
const DIGITS: usize = 20;

/// What a name in the directory is the name of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    /// A journal file.
    Journal(u64),
    /// A segment file.
    Segment(u64),
    /// A checkpoint.
    Checkpoint(u64),
    /// What was being written to become one of the others. It means nothing and may be deleted.
    Temporary,
    /// The lock.
    Lock,
    /// Not ours: left alone.
    Foreign,
}

impl Name {
    /// Reads a name. Only what the functions here make is ours.
    pub(crate) fn parse(name: &str) -> Self {
        if name == LOCK_NAME {
            return Self::Lock;
        }
        match name.strip_suffix(TEMPORARY) {
            Some(target) if Self::numbered(target).is_some() => Self::Temporary,
            Some(_) => Self::Foreign,
            None => Self::numbered(name).unwrap_or(Self::Foreign),
        }
    }

    fn numbered(name: &str) -> Option<Self> {
        let (digits, ending) = name.split_at_checked(DIGITS)?;
        // `parse` alone would take a sign.
        let number = if digits.bytes().all(|b| b.is_ascii_digit()) { digits.parse().ok()? } else { return None };
        match ending {
            JOURNAL => Some(Self::Journal(number)),
            SEGMENT => Some(Self::Segment(number)),
            CHECKPOINT => Some(Self::Checkpoint(number)),
            _ => None,
        }
    }
}

/// The name of a journal file.
pub(crate) fn journal_name(number: u64) -> String {
    format!("{number:020}{JOURNAL}")
}

/// The name of a segment file.
pub(crate) fn segment_name(number: u64) -> String {
    format!("{number:020}{SEGMENT}")
}

/// The name of a checkpoint.
pub(crate) fn checkpoint_name(number: u64) -> String {
    format!("{number:020}{CHECKPOINT}")
}

/// The name under which what will be called `name` is written.
pub(crate) fn temporary_name(name: &str) -> String {
    format!("{name}{TEMPORARY}")
}
