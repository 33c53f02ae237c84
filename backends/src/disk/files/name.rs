//! What a file may be called.

use std::io::{self, ErrorKind};

/// Refuses what would not name a file of the directory itself.
pub(super) fn check(name: &str) -> io::Result<()> {
    if matches!(name, "" | "." | "..") || name.contains(['/', '\\', '\0']) {
        return Err(io::Error::new(ErrorKind::InvalidInput, format!("{name:?} is not a name for a file")));
    }
    Ok(())
}
