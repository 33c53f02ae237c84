//! The files of a directory by number, opened when they are needed.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use ottla_broker_core::log::{Error, ErrorKind};
use ottla_broker_core::planted::is_planted;

use super::buffers::Buffers;
use super::files::{File, Files};
use super::format::{FileKind, journal_name, segment_name};
use super::pool::Pool;
use crate::engine::{Medium, Piece, Stretch};

/// Files that are open at a time, at most: a large log has more files than a process may open.
const MOST_OPEN: usize = 256;

/// The files that the index knows.
#[derive(Debug)]
pub(super) struct Shelf {
    pub(super) files: Arc<dyn Files>,
    pool: Arc<Pool>,
    pub(super) buffers: Arc<Buffers>,
    books: Mutex<Books>,
    /// Reads for readers, and their bytes.
    pub(super) reads: AtomicU64,
    pub(super) read_bytes: AtomicU64,
}

#[derive(Debug, Default)]
struct Books {
    by_number: BTreeMap<u64, Book>,
    open: usize,
    clock: u64,
}

#[derive(Debug)]
struct Book {
    about: About,
    handle: Option<Arc<dyn File>>,
    used_at: u64,
}

/// What is known of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct About {
    pub(super) kind: FileKind,
    /// Bytes that are used.
    pub(super) bytes: u64,
    /// Nothing more is written to it.
    pub(super) closed: bool,
    /// It stays as it is although it was written as a journal: it is sorted well enough.
    pub(super) adopted: bool,
}

impl Books {
    /// Lets go of handles that were not used for the longest time, down to what may be open.
    fn shut(&mut self) {
        while self.open > MOST_OPEN && !is_planted("handles-unbounded") {
            let oldest = self.by_number.values_mut().filter(|book| book.handle.is_some() && book.about.closed);
            // What is written is open in any case: there are two such files at most.
            let Some(book) = oldest.min_by_key(|book| book.used_at) else { return };
            book.handle = None;
            self.open -= 1;
        }
    }
}

pub(super) fn name(number: u64, kind: FileKind) -> String {
    match kind {
        FileKind::Journal => journal_name(number),
        FileKind::Segment => segment_name(number),
    }
}

impl Shelf {
    /// Keeps at most `buffer_bytes` of memory for later reads.
    pub(super) fn new(files: Arc<dyn Files>, pool: Arc<Pool>, buffer_bytes: usize) -> Self {
        let (reads, read_bytes) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { files, pool, buffers: Buffers::new(buffer_bytes), books: Mutex::default(), reads, read_bytes }
    }

    fn lock(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn add(&self, number: u64, about: About, handle: Option<Arc<dyn File>>) {
        let mut books = self.lock();
        books.open += usize::from(handle.is_some());
        books.clock += 1;
        let used_at = books.clock;
        if books.by_number.insert(number, Book { about, handle, used_at }).is_some_and(|book| book.handle.is_some()) {
            books.open -= 1;
        }
        books.shut();
    }

    pub(super) fn update(&self, number: u64, change: impl FnOnce(&mut About)) {
        if let Some(book) = self.lock().by_number.get_mut(&number) {
            change(&mut book.about);
        }
    }

    pub(super) fn all(&self) -> Vec<(u64, About)> {
        self.lock().by_number.iter().map(|(number, book)| (*number, book.about)).collect()
    }

    /// Takes a file off: whoever reads it holds a handle of their own.
    pub(super) fn drop_file(&self, number: u64) {
        let mut books = self.lock();
        if books.by_number.remove(&number).is_some_and(|book| book.handle.is_some()) {
            books.open -= 1;
        }
    }

    /// A handle for reading; `None` if there is no such file any more.
    pub(super) fn open(&self, number: u64) -> io::Result<Option<Arc<dyn File>>> {
        let mut books = self.lock();
        books.clock += 1;
        let now = books.clock;
        let Some(book) = books.by_number.get_mut(&number) else { return Ok(None) };
        book.used_at = now;
        if let Some(handle) = &book.handle {
            return Ok(Some(Arc::clone(handle)));
        }
        let handle = self.files.open(&name(number, book.about.kind), false)?;
        book.handle = Some(Arc::clone(&handle));
        books.open += 1;
        books.shut();
        Ok(Some(handle))
    }

    /// Reads on the calling thread.
    pub(super) fn read_now(&self, number: u64, position: u64, bytes: usize) -> io::Result<Option<Bytes>> {
        let Some(file) = self.open(number)? else { return Ok(None) };
        self.buffers.filled(bytes, |buffer| file.read_at(position, buffer)).map(Some)
    }
}

#[async_trait]
impl Medium for Shelf {
    async fn read(&self, stretch: Stretch) -> Result<Option<Piece>, Error> {
        let (number, position, bytes) = (stretch.file(), stretch.position(), stretch.bytes());
        let failed = |error: io::Error| {
            let message = format!("file {number} cannot be read at byte {position}");
            Error::new(ErrorKind::Unavailable, message).with_source(error)
        };
        let Some(file) = self.open(number).map_err(failed)? else { return Ok(None) };
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.read_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        let buffers = Arc::clone(&self.buffers);
        // There and then, while what was read is in that core's cache.
        let answer = self.pool.run(move || {
            let read = buffers.filled(bytes, |buffer| file.read_at(position, buffer))?;
            Ok(stretch.take_apart(&read))
        });
        let answer = answer.await.map_err(|_| Error::new(ErrorKind::Closed, "the storage is closed: open it anew"))?;
        answer.map(Some).map_err(failed)
    }
}

#[cfg(test)]
mod tests;
