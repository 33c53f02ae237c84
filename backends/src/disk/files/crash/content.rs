//! The bytes of a file in memory.

use std::collections::BTreeMap;
use std::sync::Arc;

/// Bytes of a page. Copies of a file share pages until one of them writes.
const PAGE: usize = 4096;

/// The bytes of a file. Pages that were never written take no memory and read as zeros.
#[derive(Clone, Debug, Default)]
pub(super) struct Content {
    pages: BTreeMap<u64, Arc<[u8; PAGE]>>,
    size: u64,
}

/// A part of a page: which, and where in it.
struct Piece {
    page: u64,
    start: usize,
    bytes: usize,
}

/// The pieces of pages that `bytes` bytes from `position` on lie in.
fn pieces(position: u64, bytes: usize) -> impl Iterator<Item = Piece> {
    let mut done = 0;
    std::iter::from_fn(move || {
        let at = position.saturating_add(done as u64);
        let start = (at % PAGE as u64) as usize;
        let piece = Piece { page: at / PAGE as u64, start, bytes: (PAGE - start).min(bytes - done) };
        done += piece.bytes;
        (piece.bytes > 0).then_some(piece)
    })
}

impl Content {
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Makes the file at least this large.
    pub(super) fn grow(&mut self, size: u64) {
        self.size = self.size.max(size);
    }

    pub(super) fn write(&mut self, position: u64, mut bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.grow(position.saturating_add(bytes.len() as u64));
        for piece in pieces(position, bytes.len()) {
            let Some((now, later)) = bytes.split_at_checked(piece.bytes) else { return };
            let page = Arc::make_mut(self.pages.entry(piece.page).or_insert_with(|| Arc::new([0; PAGE])));
            if let Some(target) = page.get_mut(piece.start..piece.start + piece.bytes) {
                target.copy_from_slice(now);
            }
            bytes = later;
        }
    }

    /// Writes zeros.
    pub(super) fn clear(&mut self, position: u64, bytes: u64) {
        self.grow(position.saturating_add(bytes));
        for piece in pieces(position, bytes as usize) {
            if piece.bytes == PAGE {
                self.pages.remove(&piece.page);
            } else if let Some(page) = self.pages.get_mut(&piece.page) {
                let range = piece.start..piece.start + piece.bytes;
                Arc::make_mut(page).get_mut(range).into_iter().for_each(|target| target.fill(0));
            }
        }
    }

    /// Reads until `buffer` is full or the file ends; says how many bytes.
    pub(super) fn read(&self, position: u64, buffer: &mut [u8]) -> usize {
        let there = self.size.saturating_sub(position).min(buffer.len() as u64) as usize;
        let mut rest = buffer;
        for piece in pieces(position, there) {
            let Some((target, later)) = rest.split_at_mut_checked(piece.bytes) else { break };
            match self.pages.get(&piece.page).and_then(|page| page.get(piece.start..piece.start + piece.bytes)) {
                Some(bytes) => target.copy_from_slice(bytes),
                None => target.fill(0),
            }
            rest = later;
        }
        there
    }

    /// Turns one bit over. False where the file ends before.
    pub(super) fn flip(&mut self, position: u64, bit: u8) -> bool {
        let mut byte = [0];
        let there = self.read(position, &mut byte) == 1;
        if there {
            self.write(position, &byte.map(|byte| byte ^ (1 << (bit % 8))));
        }
        there
    }
}
