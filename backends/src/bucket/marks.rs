//! Small objects that say who has a prefix: claims, leases and tombstones. Text, for they are also read by people.
//!
//! ```text
//! ottla-claim 1              ottla-lease 1             ottla-tombstone 1
//! id 6f1c…                   id 6f1c…                  id 6f1c…
//! storage 90ab…              beat 17                   by 8
//! owner orders@host-3        state held (or released)
//! ```

use std::fmt;

use bytes::Bytes;
use uuid::Uuid;

/// A mark cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadMark {
    #[error("it is no {0}")]
    Other(&'static str),
    #[error("it is a {what} of format version {found}; this release knows version 1 only")]
    Version { what: &'static str, found: String },
    #[error("the {what} has no good `{field}`")]
    Field { what: &'static str, field: &'static str },
}

/// Somebody took the prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Claim {
    /// Of this opening alone.
    pub(super) id: Uuid,
    pub(super) storage: Uuid,
    pub(super) owner: String,
}

/// The one who took it lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lease {
    pub(super) id: Uuid,
    /// Grows with each renewal.
    pub(super) beat: u64,
    /// The owner has ended, and writes nothing more.
    pub(super) released: bool,
}

/// The journal of an incarnation ends here, for ever.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tombstone {
    /// The opening that wrote it.
    pub(super) id: Uuid,
    /// Its incarnation.
    pub(super) by: u64,
}

const CLAIM: &str = "claim";
const LEASE: &str = "lease";
const TOMBSTONE: &str = "tombstone";

/// What a mark has, line by line.
struct Fields<'a> {
    what: &'static str,
    lines: std::str::Lines<'a>,
}

impl<'a> Fields<'a> {
    fn of(what: &'static str, bytes: &'a [u8]) -> Result<Self, BadMark> {
        let mut lines = std::str::from_utf8(bytes).map_err(|_| BadMark::Other(what))?.lines();
        let version = lines
            .next()
            .and_then(|first| first.strip_prefix("ottla-")?.strip_prefix(what)?.strip_prefix(' '))
            .ok_or(BadMark::Other(what))?;
        if version == "1" {
            Ok(Self { what, lines })
        } else {
            Err(BadMark::Version { what, found: version.chars().take(20).collect() })
        }
    }

    fn next<T>(&mut self, field: &'static str, read: impl FnOnce(&'a str) -> Option<T>) -> Result<T, BadMark> {
        let value = self.lines.next().and_then(|line| line.strip_prefix(field)?.strip_prefix(' '));
        value.and_then(read).ok_or(BadMark::Field { what: self.what, field })
    }

    fn id(&mut self, field: &'static str) -> Result<Uuid, BadMark> {
        self.next(field, |text| Uuid::try_parse(text).ok())
    }
}

impl Claim {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, BadMark> {
        let mut fields = Fields::of(CLAIM, bytes)?;
        Ok(Self {
            id: fields.id("id")?,
            storage: fields.id("storage")?,
            owner: fields.next("owner", |text| Some(text.to_owned()))?,
        })
    }

    pub(super) fn encode(&self) -> Bytes {
        self.to_string().into()
    }

    /// Whether `head` is what this one begins with.
    pub(super) fn begins(&self, head: &[u8]) -> bool {
        has_id(CLAIM, self.id, head)
    }
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A line is a line, whatever somebody calls himself.
        let owner: String = self.owner.chars().filter(|c| !c.is_control()).take(200).collect();
        write!(f, "ottla-{CLAIM} 1\nid {}\nstorage {}\nowner {owner}\n", self.id, self.storage)
    }
}

impl Lease {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, BadMark> {
        let mut fields = Fields::of(LEASE, bytes)?;
        Ok(Self {
            id: fields.id("id")?,
            beat: fields.next("beat", |text| text.parse().ok())?,
            released: fields.next("state", |text| match text {
                "held" => Some(false),
                "released" => Some(true),
                _ => None,
            })?,
        })
    }

    pub(super) fn encode(&self) -> Bytes {
        let state = if self.released { "released" } else { "held" };
        format!("ottla-{LEASE} 1\nid {}\nbeat {}\nstate {state}\n", self.id, self.beat).into()
    }
}

impl Tombstone {
    pub(super) fn encode(&self) -> Bytes {
        format!("ottla-{TOMBSTONE} 1\nid {}\nby {}\n", self.id, self.by).into()
    }

    /// Whether `head` is what this one begins with.
    pub(super) fn begins(&self, head: &[u8]) -> bool {
        has_id(TOMBSTONE, self.id, head)
    }

    /// Whether an object that begins so is a tombstone, whoever wrote it.
    pub(super) fn is_one(head: &[u8]) -> bool {
        head.starts_with(b"ottla-tombstone ")
    }
}

fn has_id(what: &'static str, id: Uuid, head: &[u8]) -> bool {
    Fields::of(what, head).and_then(|mut fields| fields.id("id")) == Ok(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_read_as_they_are_written() {
        let id = Uuid::from_u128(7);
        let claim = Claim { id, storage: Uuid::from_u128(9), owner: "orders@host-3".to_owned() };
        assert_eq!(Claim::parse(&claim.encode()), Ok(claim.clone()));
        assert!(claim.begins(&claim.encode()));
        assert!(!Claim { id: Uuid::from_u128(8), ..claim.clone() }.begins(&claim.encode()));
        for released in [false, true] {
            let lease = Lease { id, beat: 17, released };
            assert_eq!(Lease::parse(&lease.encode()), Ok(lease));
        }
        let tombstone = Tombstone { id, by: 8 };
        assert!(tombstone.begins(&tombstone.encode()) && Tombstone::is_one(&tombstone.encode()));
        // A strange owner breaks no line.
        let odd = Claim { owner: "a\nid 1\n\u{7}".to_owned(), ..claim };
        assert_eq!(Claim::parse(&odd.encode()).unwrap().owner, "aid 1");
    }

    #[test]
    fn what_is_no_mark_is_told() {
        assert_eq!(Claim::parse(b""), Err(BadMark::Other(CLAIM)));
        assert_eq!(Claim::parse(b"\xff\xfe"), Err(BadMark::Other(CLAIM)));
        assert_eq!(Lease::parse(b"ottla-claim 1\n"), Err(BadMark::Other(LEASE)));
        let newer = Lease::parse(b"ottla-lease 2\nid x\n").unwrap_err();
        assert!(newer.to_string().contains("version 2"), "{newer}");
        let cut = Lease::parse(b"ottla-lease 1\nid 00000000000000000000000000000007\nbeat x\n").unwrap_err();
        assert!(cut.to_string().contains("`beat`"), "{cut}");
    }
}
