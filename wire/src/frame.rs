//! Frames: four bytes of length, and what they announce.

use bytes::{Bytes, BytesMut};
use ottla_broker_core::planted::is_planted;

/// Bytes of a frame's length.
pub const LENGTH_PREFIX: usize = 4;

/// Why a stream is no stream of frames. It cannot be read any further.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The length is negative: the other side does not speak this protocol.
    #[error("a frame's length is {0}: this is not the Kafka protocol")]
    Negative(i32),
    /// The length is beyond the limit.
    #[error("a frame of {len} bytes is beyond the limit of {limit}")]
    TooLarge {
        /// What was announced.
        len: usize,
        /// The limit.
        limit: usize,
    },
}

/// What a buffer holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// A whole frame, without its length.
    Frame(Bytes),
    /// Not yet: so many bytes are missing to the next frame, or to its length if that is not there either.
    ///
    /// The number is within the limit, but the other side chose it: read into a buffer that grows with what
    /// arrives, or take the room from a budget first.
    Missing(usize),
}

/// Takes the next frame off the front of `buffer`. Nothing is copied and nothing is allocated: the frame
/// shares the buffer's storage, and the length is checked before anyone makes room for it.
///
/// Whoever keeps a part of a frame keeps the whole storage of the buffer. Readers therefore give large
/// frames a buffer of their own.
///
/// # Errors
/// [`FrameError`] for a length that is negative or beyond `limit`.
pub fn next_frame(buffer: &mut BytesMut, limit: usize) -> Result<Progress, FrameError> {
    let Some(prefix) = buffer.first_chunk::<LENGTH_PREFIX>() else {
        return Ok(Progress::Missing(LENGTH_PREFIX - buffer.len()));
    };
    let len = i32::from_be_bytes(*prefix);
    let len = usize::try_from(len).map_err(|_| FrameError::Negative(len))?;
    if len > limit && !is_planted("frame-without-limit") {
        return Err(FrameError::TooLarge { len, limit });
    }
    let whole = LENGTH_PREFIX + len;
    if buffer.len() < whole {
        return Ok(Progress::Missing(whole - buffer.len()));
    }
    let mut frame = buffer.split_to(whole).freeze();
    let frame = match ottla_broker_core::record::take_front(&mut frame, LENGTH_PREFIX) {
        Ok(_) => frame,
        Err(_) => Bytes::new(),
    };
    Ok(Progress::Frame(frame))
}
