//! Frames off a stream, and onto it.

use std::io::{self, IoSlice};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::frame::{Progress, next_frame};

/// Room for the next frame while its length is not known: small answers are many, and each that somebody keeps a
/// part of keeps all of its buffer.
const FIRST_BYTES: usize = 8 << 10;
/// Room that is made at once for a frame that announces more; beyond it the buffer grows with what arrives.
const TRUSTED_BYTES: usize = 1 << 20;
/// Buffers of one vectored write.
const SLICES: usize = 64;

/// Reads frames.
#[derive(Debug)]
pub(super) struct Frames {
    buffer: BytesMut,
    limit: usize,
}

impl Frames {
    pub(super) fn new(limit: usize) -> Self {
        Self { buffer: BytesMut::new(), limit }
    }

    /// Whether what has arrived is an alert of TLS (RFC 8446, 5.1): 21, and a version whose first byte is 3. As the length
    /// of a frame it would be one of 352 MB.
    pub(super) fn is_tls(&self) -> bool {
        self.buffer.starts_with(&[21, 3])
    }

    /// The next frame; `None` if the stream ends before it begins. Cancel-safe.
    pub(super) async fn next(&mut self, stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Bytes>> {
        loop {
            let missing = match next_frame(&mut self.buffer, self.limit) {
                Ok(Progress::Frame(frame)) => return Ok(Some(frame)),
                Ok(Progress::Missing(missing)) => missing,
                Err(error) => return Err(io::Error::new(io::ErrorKind::InvalidData, error)),
            };
            self.buffer.reserve(if missing <= FIRST_BYTES && self.buffer.len() < FIRST_BYTES {
                FIRST_BYTES - self.buffer.len()
            } else {
                missing.min(TRUSTED_BYTES.max(self.buffer.len()))
            });
            if stream.read_buf(&mut self.buffer).await? == 0 {
                return if self.buffer.is_empty() {
                    Ok(None)
                } else {
                    let error = format!("it ended within an answer, of which {missing} bytes are missing");
                    Err(io::Error::new(io::ErrorKind::UnexpectedEof, error))
                };
            }
        }
    }
}

/// Writes all of `chunks`, many at a time and uncopied.
pub(super) async fn write_all(stream: &mut (impl AsyncWrite + Unpin), mut chunks: Vec<Bytes>) -> io::Result<()> {
    let mut rest = chunks.as_mut_slice();
    loop {
        while rest.first().is_some_and(Bytes::is_empty) {
            rest = rest.get_mut(1..).unwrap_or_default();
        }
        if rest.is_empty() {
            return stream.flush().await;
        }
        let slices: Vec<_> = rest.iter().take(SLICES).map(|chunk| IoSlice::new(chunk)).collect();
        let mut written = stream.write_vectored(&slices).await?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        for chunk in rest.iter_mut() {
            let taken = written.min(chunk.len());
            chunk.advance(taken);
            written -= taken;
            if written == 0 {
                break;
            }
        }
    }
}
