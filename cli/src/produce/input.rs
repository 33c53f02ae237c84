//! Files and the standard input, read ahead on a thread of their own: a read of a terminal or a pipe cannot be given up.
#![expect(clippy::disallowed_methods, reason = "these are the user's own files, and no part of a log")]

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::BytesMut;
use tokio::sync::mpsc;

use crate::error::Error;

/// How much is read at a time.
const CHUNK: usize = 256 << 10;

/// How many chunks are read ahead.
const AHEAD: usize = 2;

/// What comes from the input, in order.
#[derive(Debug)]
pub(super) enum Event {
    /// A file begins.
    Begin(Arc<str>),
    /// More of it.
    Chunk(BytesMut),
    /// It is over.
    End,
    /// It cannot be read to its end. Nothing follows.
    Failed(io::Error),
}

/// Opens all of them, so that one that is not there is told before anything is sent, and begins to read. `-` is the
/// standard input, and so is no file at all.
///
/// # Errors
/// [`Error::File`] for the first that cannot be opened.
pub(super) fn open(files: &[PathBuf]) -> Result<mpsc::Receiver<Event>, Error> {
    let standard = [PathBuf::from("-")];
    let files = if files.is_empty() { &standard[..] } else { files };
    let opened = files.iter().map(|path| open_one(path)).collect::<Result<Vec<_>, Error>>()?;
    let (told, events) = mpsc::channel(AHEAD);
    let reading = std::thread::Builder::new().name("ottla-input".to_owned()).spawn(move || {
        for (name, source) in opened {
            // Nobody waits for the rest once the receiver is gone.
            if !read(name, source, &told) {
                return;
            }
        }
    });
    // It ends with the input, or with the process.
    reading.map(|_| events).map_err(Error::Runtime)
}

type Source = Box<dyn Read + Send>;

fn open_one(path: &Path) -> Result<(Arc<str>, Source), Error> {
    if path == Path::new("-") {
        return Ok((Arc::from("the standard input"), Box::new(io::stdin())));
    }
    let failed = |source| Error::File { path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    // Reading says so too, but only after what came before was sent.
    if file.metadata().map_err(failed)?.is_dir() {
        return Err(failed(io::ErrorKind::IsADirectory.into()));
    }
    Ok((Arc::from(path.to_string_lossy()), Box::new(file)))
}

/// Whether there is somebody to read on for.
fn read(name: Arc<str>, mut source: Source, told: &mpsc::Sender<Event>) -> bool {
    let tell = |event| told.blocking_send(event).is_ok();
    if !tell(Event::Begin(name)) {
        return false;
    }
    let mut buffer = vec![0; CHUNK];
    loop {
        match source.read(&mut buffer) {
            Ok(0) => return tell(Event::End),
            Ok(length) => {
                if !tell(Event::Chunk(BytesMut::from(buffer.get(..length).unwrap_or_default()))) {
                    return false;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                tell(Event::Failed(error));
                return false;
            }
        }
    }
}
