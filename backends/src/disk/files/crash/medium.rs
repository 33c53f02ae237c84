//! What a machine holds at one moment: what is durable, and what is on its way there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;

use super::content::Content;

/// A file, whatever its name.
pub(super) type Inode = u64;

/// One thing that happened. Their order is total.
#[derive(Clone, Debug)]
pub(super) enum Event {
    Create {
        name: Arc<str>,
        inode: Inode,
    },
    Grow {
        inode: Inode,
        size: u64,
    },
    Write {
        inode: Inode,
        position: u64,
        bytes: Bytes,
    },
    Sync {
        inode: Inode,
    },
    /// The data is as good as lost, and no later sync tries it again: "fsyncgate".
    SyncFailed {
        inode: Inode,
    },
    Rename {
        from: Arc<str>,
        to: Arc<str>,
        inode: Inode,
    },
    Remove {
        name: Arc<str>,
    },
    SyncNames,
    Flip {
        inode: Inode,
        position: u64,
        bit: u8,
    },
    Note(u64),
}

impl Event {
    /// Bytes that it writes.
    pub(super) fn written(&self) -> u64 {
        if let Self::Write { bytes, .. } = self { bytes.len() as u64 } else { 0 }
    }
}

/// A change of one file that may or may not be durable.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    pub(super) inode: Inode,
    pub(super) change: Change,
    /// A failed sync gave it up: a later one does not make it durable.
    given_up: bool,
}

#[derive(Clone, Debug)]
pub(super) enum Change {
    Grow(u64),
    Write { position: u64, bytes: Bytes },
}

impl Change {
    pub(super) fn position(&self) -> u64 {
        match self {
            Self::Grow(_) => 0,
            Self::Write { position, .. } => *position,
        }
    }

    /// Bytes that it writes.
    pub(super) fn bytes(&self) -> u64 {
        match self {
            Self::Grow(_) => 0,
            Self::Write { bytes, .. } => bytes.len() as u64,
        }
    }

    /// The file is at least this large after it.
    pub(super) fn end(&self) -> u64 {
        match self {
            Self::Grow(size) => *size,
            Self::Write { position, bytes } => position.saturating_add(bytes.len() as u64),
        }
    }
}

/// A change of the directory that may or may not be durable.
#[derive(Clone, Debug)]
pub(super) enum NameChange {
    Create { name: Arc<str>, inode: Inode },
    Rename { from: Arc<str>, to: Arc<str>, inode: Inode },
    Remove { name: Arc<str> },
}

/// What is durable, and what is not yet.
#[derive(Clone, Debug, Default)]
pub(super) struct Medium {
    pub(super) names: BTreeMap<Arc<str>, Inode>,
    pub(super) contents: BTreeMap<Inode, Arc<Content>>,
    pub(super) changes: Vec<Pending>,
    pub(super) name_changes: Vec<NameChange>,
}

impl Medium {
    pub(super) fn advance(&mut self, event: &Event) {
        match event {
            Event::Create { name, inode } => {
                self.contents.entry(*inode).or_default();
                self.name_changes.push(NameChange::Create { name: name.clone(), inode: *inode });
            }
            Event::Rename { from, to, inode } => {
                let (from, to) = (from.clone(), to.clone());
                self.name_changes.push(NameChange::Rename { from, to, inode: *inode });
            }
            Event::Remove { name } => self.name_changes.push(NameChange::Remove { name: name.clone() }),
            Event::SyncNames => {
                for change in std::mem::take(&mut self.name_changes) {
                    self.apply_name(&change);
                }
            }
            Event::Grow { inode, size } => self.pend(*inode, Change::Grow(*size)),
            Event::Write { inode, position, bytes } => {
                self.pend(*inode, Change::Write { position: *position, bytes: bytes.clone() });
            }
            Event::Sync { inode } => self.sync(*inode),
            Event::SyncFailed { inode } => {
                self.changes.iter_mut().filter(|change| change.inode == *inode).for_each(|it| it.given_up = true);
            }
            Event::Flip { inode, position, bit } => {
                if let Some(content) = self.contents.get_mut(inode) {
                    Arc::make_mut(content).flip(*position, *bit);
                }
                for pending in self.changes.iter_mut().filter(|pending| pending.inode == *inode) {
                    pending.flip(*position, *bit);
                }
            }
            Event::Note(_) => {}
        }
    }

    fn pend(&mut self, inode: Inode, change: Change) {
        self.changes.push(Pending { inode, change, given_up: false });
    }

    fn sync(&mut self, inode: Inode) {
        let mut later = Vec::new();
        for pending in std::mem::take(&mut self.changes) {
            if pending.inode != inode || pending.given_up {
                later.push(pending);
                continue;
            }
            self.apply(inode, &pending.change);
            // What was given up is older, and may not come back over what is durable.
            if let Change::Write { position, bytes } = &pending.change {
                later = later.into_iter().flat_map(|old| old.without(inode, *position, bytes.len() as u64)).collect();
            }
        }
        self.changes = later;
    }

    pub(super) fn apply(&mut self, inode: Inode, change: &Change) {
        let Some(content) = self.contents.get_mut(&inode) else { return };
        let content = Arc::make_mut(content);
        match change {
            Change::Grow(size) => content.grow(*size),
            Change::Write { position, bytes } => content.write(*position, bytes),
        }
    }

    /// Puts zeros where a write was lost.
    pub(super) fn clear(&mut self, inode: Inode, position: u64, bytes: u64) {
        if let Some(content) = self.contents.get_mut(&inode) {
            Arc::make_mut(content).clear(position, bytes);
        }
    }

    pub(super) fn apply_name(&mut self, change: &NameChange) {
        match change {
            NameChange::Create { name, inode } => {
                self.names.insert(name.clone(), *inode);
            }
            NameChange::Rename { from, to, inode } => {
                // The old name may by now stand for another file, where a change in between was lost.
                if self.names.get(from) == Some(inode) {
                    self.names.remove(from);
                }
                self.names.insert(to.clone(), *inode);
            }
            NameChange::Remove { name } => {
                self.names.remove(name);
            }
        }
    }

    /// Forgets files without a name: a crash has closed them.
    pub(super) fn forget_nameless(&mut self) {
        let named: BTreeSet<_> = self.names.values().copied().collect();
        self.contents.retain(|inode, _| named.contains(inode));
    }
}

impl Pending {
    /// What is left of a write when a later one covers this range.
    fn without(self, inode: Inode, start: u64, length: u64) -> Vec<Self> {
        let (position, bytes) = match &self.change {
            Change::Write { position, bytes } if self.inode == inode => (*position, bytes.clone()),
            _ => return vec![self],
        };
        let cut = |at: u64| at.saturating_sub(position).min(bytes.len() as u64) as usize;
        let (head, tail) = (cut(start), cut(start.saturating_add(length)));
        let keep = |from: usize, to: usize| {
            let bytes = bytes.get(from..to).filter(|rest| !rest.is_empty()).map(|rest| bytes.slice_ref(rest))?;
            let change = Change::Write { position: position + from as u64, bytes };
            Some(Self { inode, change, given_up: self.given_up })
        };
        [keep(0, head), keep(tail.max(head), bytes.len())].into_iter().flatten().collect()
    }

    fn flip(&mut self, at: u64, bit: u8) {
        let Change::Write { position, bytes } = &mut self.change else { return };
        let mut copy = bytes.to_vec();
        let index = at.checked_sub(*position).and_then(|index| usize::try_from(index).ok());
        if let Some(byte) = index.and_then(|index| copy.get_mut(index)) {
            *byte ^= 1 << (bit % 8);
            *bytes = Bytes::from(copy);
        }
    }
}
