//! An input cut at a delimiter, within a bound of memory.

use std::fmt;
use std::io;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use memchr::memmem::Finder;
use tokio::sync::mpsc;

use super::input::Event;

/// Where a line stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct At {
    pub(super) file: Arc<str>,
    /// Counted from 1 in its file.
    pub(super) line: u64,
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} of {}", self.line, self.file)
    }
}

/// Why there is no next line.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    #[error("{at} is longer than {limit} bytes, which no record may be: {remedy}")]
    TooLong { at: At, limit: usize, remedy: &'static str },
    #[error("{at} cannot be read: {source}")]
    Read { at: At, source: io::Error },
}

/// What is said of a line that is too long.
const REMEDY: &str = "raise `--batch-bytes`, and with it `max.message.bytes` of the topic, or cut it elsewhere with \
                      `--delimiter`";

/// The lines of all files, one after the other. What follows the last delimiter of a file is a line too, unless it is
/// nothing.
#[derive(Debug)]
pub(super) struct Lines {
    events: mpsc::Receiver<Event>,
    delimiter: Finder<'static>,
    /// The longest line that there may be, in bytes.
    limit: usize,
    /// What was read and not handed over.
    rest: BytesMut,
    /// So much of it has no delimiter.
    searched: usize,
    file: Arc<str>,
    /// Handed over of this file.
    count: u64,
}

impl Lines {
    pub(super) fn new(events: mpsc::Receiver<Event>, delimiter: &[u8], limit: usize) -> Self {
        let delimiter = Finder::new(delimiter).into_owned();
        Self { events, delimiter, limit, rest: BytesMut::new(), searched: 0, file: Arc::from(""), count: 0 }
    }

    /// The next line, without its delimiter; `None` after the last. Cancel-safe.
    ///
    /// # Errors
    /// [`Trouble`], after which there is nothing more.
    pub(super) async fn next(&mut self) -> Result<Option<(At, Bytes)>, Trouble> {
        loop {
            if let Some(line) = self.ready()? {
                return Ok(Some(line));
            }
            match self.events.recv().await {
                None => return Ok(None),
                Some(Event::Begin(file)) => (self.file, self.count) = (file, 0),
                Some(Event::Chunk(chunk)) if self.rest.is_empty() => self.rest = chunk,
                Some(Event::Chunk(chunk)) => self.rest.extend_from_slice(&chunk),
                Some(Event::End) => {
                    if !self.rest.is_empty() {
                        let last = std::mem::take(&mut self.rest).freeze();
                        self.searched = 0;
                        return Ok(Some((self.at_next(), last)));
                    }
                }
                Some(Event::Failed(source)) => {
                    let at = At { file: Arc::clone(&self.file), line: self.count + 1 };
                    return Err(Trouble::Read { at, source });
                }
            }
        }
    }

    /// The next line if it has been read: nothing is waited for.
    ///
    /// # Errors
    /// [`Trouble::TooLong`].
    pub(super) fn ready(&mut self) -> Result<Option<(At, Bytes)>, Trouble> {
        let found = self.rest.get(self.searched..).and_then(|unseen| self.delimiter.find(unseen));
        let width = self.delimiter.needle().len();
        let length = found.map_or(self.rest.len(), |found| self.searched + found);
        if length > self.limit {
            let at = At { file: Arc::clone(&self.file), line: self.count + 1 };
            return Err(Trouble::TooLong { at, limit: self.limit, remedy: REMEDY });
        }
        if found.is_none() {
            // A delimiter may have begun.
            self.searched = self.rest.len().saturating_sub(width - 1);
            return Ok(None);
        }
        let mut line = self.rest.split_to(length + width);
        line.truncate(length);
        self.searched = 0;
        Ok(Some((self.at_next(), line.freeze())))
    }

    fn at_next(&mut self) -> At {
        self.count += 1;
        At { file: Arc::clone(&self.file), line: self.count }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The lines of files that come in pieces of these sizes.
    fn lines(files: &[&[u8]], delimiter: &[u8], sizes: &[usize], limit: usize) -> Result<Vec<Vec<u8>>, Trouble> {
        let (told, events) = mpsc::channel(10_000);
        let mut sizes = sizes.iter().cycle();
        for file in files {
            told.try_send(Event::Begin(Arc::from("f"))).unwrap();
            let mut rest = *file;
            while !rest.is_empty() {
                let (piece, after) = rest.split_at_checked((*sizes.next().unwrap()).min(rest.len())).unwrap();
                told.try_send(Event::Chunk(BytesMut::from(piece))).unwrap();
                rest = after;
            }
            told.try_send(Event::End).unwrap();
        }
        drop(told);
        let mut lines = Lines::new(events, delimiter, limit);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut found = Vec::new();
            while let Some((_, line)) = lines.next().await? {
                found.push(line.to_vec());
            }
            Ok(found)
        })
    }

    /// By the standard library, slowly.
    fn expected(file: &[u8], delimiter: &[u8]) -> Vec<Vec<u8>> {
        let (mut found, mut line) = (Vec::new(), Vec::new());
        for byte in file {
            line.push(*byte);
            if line.ends_with(delimiter) {
                line.truncate(line.len() - delimiter.len());
                found.push(std::mem::take(&mut line));
            }
        }
        if !line.is_empty() {
            found.push(line);
        }
        found
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn however_it_comes_the_lines_are_the_same(
            files in proptest::collection::vec("[ab\n;]{0,60}", 0..3),
            delimiter in prop_oneof![Just("\n"), Just(";"), Just("a;"), Just("ab\n"), Just("aa")],
            sizes in proptest::collection::vec(1_usize..9, 1..5),
        ) {
            let files: Vec<&[u8]> = files.iter().map(String::as_bytes).collect();
            let found = lines(&files, delimiter.as_bytes(), &sizes, 1000).unwrap();
            let all: Vec<_> = files.iter().flat_map(|file| expected(file, delimiter.as_bytes())).collect();
            prop_assert_eq!(found, all);
        }
    }

    #[test]
    fn a_line_without_end_is_not_gathered_without_end() {
        let file = [b"short\n".repeat(3), vec![b'x'; 100]].concat();
        for sizes in [[1], [7], [1000]] {
            let error = lines(&[&file], b"\n", &sizes, 20).unwrap_err().to_string();
            assert!(error.starts_with("line 4 of f is longer than 20 bytes"), "{error}");
        }
        assert_eq!(lines(&[b"12345\n"], b"\n", &[2], 5).unwrap().len(), 1);
    }

    #[test]
    fn empty_lines_are_lines() {
        assert_eq!(lines(&[b"\n\na\n"], b"\n", &[9], 5).unwrap(), [&b""[..], b"", b"a"]);
        assert_eq!(lines(&[b""], b"\n", &[9], 5).unwrap(), Vec::<Vec<u8>>::new());
    }
}
