//! A directory of the operating system.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, IoSlice};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::FallocateFlags;
use rustix::io::Errno;

use super::failure::At;
use super::name;
use super::{File, Files};

/// The most parts that one vectored write takes (`IOV_MAX` of Linux and the BSDs).
const MOST_PARTS: usize = 1024;

/// A directory of the operating system.
///
/// Errors carry the path and what was asked, and keep the kind that the operating system gave
/// (`StorageFull`, `PermissionDenied`, ...).
#[derive(Debug)]
pub(crate) struct RealFiles {
    path: PathBuf,
    /// Held open, so that a sync of the names needs no path.
    directory: fs::File,
}

/// A file of [`RealFiles`].
#[derive(Debug)]
struct RealFile {
    path: PathBuf,
    file: fs::File,
}

impl RealFiles {
    /// Opens the directory; creates it, with its parents, where it is absent. What was created is durable
    /// when this returns.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        create_directories(path)?;
        Self::existing(path)
    }

    /// Opens a directory that is there; writes nothing.
    ///
    /// # Errors
    ///
    /// `NotFound` where it is not, `NotADirectory` where it is something else.
    pub(crate) fn existing(path: &Path) -> io::Result<Self> {
        let directory = open_directory(path).map_err(At::wrap("open the directory", path))?;
        let metadata = directory.metadata().map_err(At::wrap("look at", path))?;
        if !metadata.is_dir() {
            return Err(At::wrap("open the directory", path)(ErrorKind::NotADirectory.into()));
        }
        Ok(Self { path: path.to_owned(), directory })
    }

    /// Where a file lies.
    fn locate(&self, name: &str) -> io::Result<PathBuf> {
        name::check(name)?;
        Ok(self.path.join(name))
    }
}

impl Files for RealFiles {
    fn list(&self) -> io::Result<Vec<String>> {
        let wrap = || At::wrap("list", &self.path);
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path).map_err(wrap())? {
            let entry = entry.map_err(wrap())?;
            // A mount point holds `lost+found`: directories are nobody's business here.
            if entry.file_type().map_err(wrap())?.is_dir() {
                continue;
            }
            // A name that is no UTF-8 is none of ours: how it is spelled does not matter.
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
        names.sort_unstable();
        Ok(names)
    }

    fn create(&self, name: &str, room: u64) -> io::Result<Arc<dyn File>> {
        let path = self.locate(name)?;
        let options = OpenOptions::new().read(true).write(true).create_new(true).open(&path);
        let file = options.map_err(At::wrap("create", &path))?;
        if let Err(error) = make_room(&file, room) {
            // Half of a file helps nobody, least of all a disk that is full. If this fails too, the first
            // error is the one to tell.
            let _ = fs::remove_file(&path);
            return Err(At::wrap("make room in", &path)(error));
        }
        Ok(Arc::new(RealFile { path, file }))
    }

    fn open(&self, name: &str, writable: bool) -> io::Result<Arc<dyn File>> {
        let path = self.locate(name)?;
        let file = OpenOptions::new().read(true).write(writable).open(&path).map_err(At::wrap("open", &path))?;
        Ok(Arc::new(RealFile { path, file }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let (from, to) = (self.locate(from)?, self.locate(to)?);
        fs::rename(&from, to).map_err(At::wrap("rename", &from))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let path = self.locate(name)?;
        fs::remove_file(&path).map_err(At::wrap("remove", &path))
    }

    fn sync_names(&self) -> io::Result<()> {
        self.directory.sync_all().map_err(At::wrap("sync the names of", &self.path))
    }
}

impl File for RealFile {
    fn write_at(&self, position: u64, parts: &mut [IoSlice<'_>]) -> io::Result<()> {
        write_all(&self.file, position, parts).map_err(At::wrap("write to", &self.path))
    }

    fn read_at(&self, position: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.file.read_at(rest, position.saturating_add(filled as u64)) {
                Ok(0) => break,
                Ok(bytes) => filled += bytes,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(At::wrap("read", &self.path)(error)),
            }
        }
        Ok(filled)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync_data().map_err(At::wrap("sync", &self.path))
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.file.metadata().map_err(At::wrap("look at", &self.path))?.len())
    }
}

/// Vectored writes until all is written: the system takes only so many parts and bytes at once, and may take
/// fewer than it could.
fn write_all(file: &fs::File, mut position: u64, mut parts: &mut [IoSlice<'_>]) -> io::Result<()> {
    // Parts without bytes at the front would make a write of nothing look like a disk that takes nothing.
    IoSlice::advance_slices(&mut parts, 0);
    while !parts.is_empty() {
        match rustix::io::pwritev(file, parts.get(..MOST_PARTS).unwrap_or(parts), position) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(bytes) => {
                position = position.saturating_add(bytes as u64);
                IoSlice::advance_slices(&mut parts, bytes);
            }
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Allocates the first `room` bytes. A file system that cannot promise room gets at least the size.
fn make_room(file: &fs::File, room: u64) -> io::Result<()> {
    if room == 0 {
        return Ok(());
    }
    loop {
        match rustix::fs::fallocate(file, FallocateFlags::empty(), 0, room) {
            // Some systems allocate without growing the file.
            Ok(()) if file.metadata()?.len() >= room => return Ok(()),
            Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS) => return file.set_len(room),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Creates what is missing of a path, from the top, and makes each new entry durable in its parent.
fn create_directories(path: &Path) -> io::Result<()> {
    if path.as_os_str().is_empty() || path.is_dir() {
        return Ok(());
    }
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    create_directories(parent)?;
    match fs::create_dir(path) {
        Ok(()) => {}
        // Somebody else was faster; it is a file, then opening it says so.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => return Err(At::wrap("create the directory", path)(error)),
    }
    open_directory(parent).and_then(|directory| directory.sync_all()).map_err(At::wrap("sync the names of", parent))
}

#[expect(clippy::disallowed_methods, reason = "this is the one place that opens the backend's directory")]
fn open_directory(path: &Path) -> io::Result<fs::File> {
    fs::File::open(path)
}

#[cfg(test)]
mod tests;
