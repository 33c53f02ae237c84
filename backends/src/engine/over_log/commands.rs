//! The commands of one metadata entry as one value.
//!
//! ```text
//! 0 ┃ count: u32 ┃ length: u32 ┃ bytes ┃ length: u32 ┃ bytes ┃ …
//! ```

use bytes::{BufMut, Bytes};
use ottla_broker_core::record::{Reader, Truncated};

use super::cell::check_size;
use ottla_broker_core::log::Error;

const LENGTH_BYTES: usize = 4;

pub(super) fn encode(commands: &[Bytes]) -> Result<Vec<u8>, Error> {
    let bytes = commands
        .iter()
        .map(|command| command.len().saturating_add(LENGTH_BYTES))
        .fold(LENGTH_BYTES, usize::saturating_add);
    // Beneath this limit every count and length fits its 32 bits.
    check_size("a metadata entry", bytes)?;
    let mut value = Vec::with_capacity(bytes);
    value.put_u32(commands.len() as u32);
    for command in commands {
        value.put_u32(command.len() as u32);
        value.put_slice(command);
    }
    Ok(value)
}

/// Why a value is not a list of commands.
#[derive(Debug, thiserror::Error)]
pub(super) enum Malformed {
    #[error("its commands are cut off: {0}")]
    Truncated(#[from] Truncated),
    #[error("it says {count} commands in {remaining} bytes")]
    Count { count: usize, remaining: usize },
    #[error("{0} bytes follow its last command")]
    Trailing(usize),
}

/// The commands, sharing the value's bytes.
pub(super) fn decode(value: &Bytes) -> Result<Vec<Bytes>, Malformed> {
    let mut reader = Reader::shared(value);
    let count = reader.try_u32()? as usize;
    // Before anything is set aside: each command takes its length's bytes at least.
    if count > reader.remaining() / LENGTH_BYTES {
        return Err(Malformed::Count { count, remaining: reader.remaining() });
    }
    let mut commands = Vec::with_capacity(count);
    for _ in 0..count {
        let length = reader.try_u32()? as usize;
        commands.push(reader.try_take_bytes(length)?);
    }
    if reader.is_empty() { Ok(commands) } else { Err(Malformed::Trailing(reader.remaining())) }
}
