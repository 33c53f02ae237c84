//! Names of objects.

use object_store::path::Path;

use crate::engine::FileKind;

const NUMBER_BITS: u32 = 40;
const INCARNATION_BITS: u32 = 23;
const SEGMENT: u64 = 1 << 63;

/// Incarnations that a prefix can have: as often as it can be opened.
pub(super) const MOST_INCARNATIONS: u64 = (1 << INCARNATION_BITS) - 1;
/// Journal objects, or segments, that one incarnation can write.
pub(super) const MOST_NUMBERS: u64 = (1 << NUMBER_BITS) - 1;

/// Everything of one storage, under its prefix. Numbers have a fixed width, so that names sort as numbers do.
///
/// | name | what |
/// |---|---|
/// | `claims/<incarnation>` | who took the prefix |
/// | `leases/<incarnation>` | that it lives |
/// | `journal/<incarnation>/<number>` | a chunk; or a tombstone, after which nothing of that incarnation counts |
/// | `segments/<incarnation>/<number>` | chunks whose batches the compactor sorted by log |
/// | `checkpoints/<incarnation>/<number>` | the index |
#[derive(Clone, Debug)]
pub(super) struct Keys {
    prefix: Path,
}

/// What a name says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Name {
    Claim(u64),
    Lease(u64),
    /// By its number among files.
    File(u64),
    Checkpoint(u64, u64),
}

/// The number of a journal object or a segment among all files of the storage.
pub(super) const fn file_number(kind: FileKind, incarnation: u64, number: u64) -> u64 {
    let kind = match kind {
        FileKind::Journal => 0,
        FileKind::Segment => SEGMENT,
    };
    kind | (incarnation & MOST_INCARNATIONS) << NUMBER_BITS | number & MOST_NUMBERS
}

/// The inverse of [`file_number`].
pub(super) const fn of_file(file: u64) -> (FileKind, u64, u64) {
    let kind = if file & SEGMENT == 0 { FileKind::Journal } else { FileKind::Segment };
    (kind, (file & !SEGMENT) >> NUMBER_BITS, file & MOST_NUMBERS)
}

impl Keys {
    pub(super) fn new(prefix: &str) -> Self {
        Self { prefix: Path::from(prefix) }
    }

    fn at(&self, parts: &[&str]) -> Path {
        self.prefix.parts().chain(parts.iter().map(|part| (*part).into())).collect()
    }

    pub(super) fn prefix(&self) -> &Path {
        &self.prefix
    }

    pub(super) fn claims(&self) -> Path {
        self.at(&["claims"])
    }

    pub(super) fn claim(&self, incarnation: u64) -> Path {
        self.at(&["claims", &wide(incarnation)])
    }

    pub(super) fn lease(&self, incarnation: u64) -> Path {
        self.at(&["leases", &wide(incarnation)])
    }

    pub(super) fn journal(&self, incarnation: u64) -> Path {
        self.at(&["journal", &wide(incarnation)])
    }

    pub(super) fn checkpoints(&self) -> Path {
        self.at(&["checkpoints"])
    }

    pub(super) fn checkpoint(&self, incarnation: u64, number: u64) -> Path {
        self.at(&["checkpoints", &wide(incarnation), &wide(number)])
    }

    pub(super) fn file(&self, file: u64) -> Path {
        let (kind, incarnation, number) = of_file(file);
        let room = match kind {
            FileKind::Journal => "journal",
            FileKind::Segment => "segments",
        };
        self.at(&[room, &wide(incarnation), &wide(number)])
    }

    /// What a name says; `None` for one that is not ours.
    pub(super) fn parse(&self, path: &Path) -> Option<Name> {
        let parts: Vec<_> = path.prefix_match(&self.prefix)?.collect();
        let parts: Vec<&str> = parts.iter().map(AsRef::as_ref).collect();
        let name = match parts[..] {
            ["claims", incarnation] => Name::Claim(narrow(incarnation)?),
            ["leases", incarnation] => Name::Lease(narrow(incarnation)?),
            ["checkpoints", incarnation, number] => Name::Checkpoint(narrow(incarnation)?, narrow(number)?),
            [room, incarnation, number] => {
                let kind = match room {
                    "journal" => FileKind::Journal,
                    "segments" => FileKind::Segment,
                    _ => return None,
                };
                let (incarnation, number) = (narrow(incarnation)?, narrow(number)?);
                if incarnation > MOST_INCARNATIONS || number > MOST_NUMBERS {
                    return None;
                }
                Name::File(file_number(kind, incarnation, number))
            }
            _ => return None,
        };
        Some(name)
    }
}

fn wide(number: u64) -> String {
    format!("{number:014}")
}

fn narrow(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok()?;
    (wide(number) == text).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for prefix in ["", "a", "a/b c/ä"] {
            let keys = Keys::new(prefix);
            for (incarnation, number) in [(1, 1), (MOST_INCARNATIONS, MOST_NUMBERS), (7, 0)] {
                for kind in [FileKind::Journal, FileKind::Segment] {
                    let file = file_number(kind, incarnation, number);
                    assert_eq!(of_file(file), (kind, incarnation, number));
                    assert_eq!(keys.parse(&keys.file(file)), Some(Name::File(file)));
                }
                assert_eq!(keys.parse(&keys.claim(incarnation)), Some(Name::Claim(incarnation)));
                assert_eq!(keys.parse(&keys.lease(incarnation)), Some(Name::Lease(incarnation)));
                let checkpoint = keys.checkpoint(incarnation, number);
                assert_eq!(keys.parse(&checkpoint), Some(Name::Checkpoint(incarnation, number)));
            }
            for strange in ["claims/1", "claims/00000000000001/x", "notes.txt", "journal/00000000000001", "x/1/2"] {
                let path: Path = keys.prefix.parts().chain(Path::from(strange).parts()).collect();
                assert_eq!(keys.parse(&path), None, "{strange}");
            }
        }
        assert!(Keys::new("a").claim(9).as_ref() < Keys::new("a").claim(10).as_ref());
    }
}
