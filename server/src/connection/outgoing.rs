//! Answers on their way out.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::ready;

use bytes::{Buf, Bytes};
use ottla_wire::Encoded;
use tokio::io::AsyncWrite;

/// Buffers that one call of the system takes.
const AT_ONCE: usize = 64;

/// Buffers that wait to be written, in order. Record batches are among them as they lie in the log.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    chunks: VecDeque<Bytes>,
    bytes: usize,
    unflushed: bool,
}

impl Outgoing {
    pub(super) fn push(&mut self, frame: Encoded) {
        for chunk in frame.into_chunks().filter(|chunk| !chunk.is_empty()) {
            self.bytes += chunk.len();
            self.chunks.push_back(chunk);
        }
    }

    pub(super) const fn len(&self) -> usize {
        self.bytes
    }

    /// Whether nothing is left to be done.
    pub(super) const fn is_empty(&self) -> bool {
        self.bytes == 0 && !self.unflushed
    }

    /// Writes what the other side takes, and waits until it takes any. Cancel-safe.
    ///
    /// # Errors
    /// What the connection failed with.
    pub(super) async fn write(&mut self, to: &mut (impl AsyncWrite + Unpin)) -> io::Result<usize> {
        poll_fn(|cx| {
            let mut to = Pin::new(&mut *to);
            if self.bytes == 0 {
                ready!(to.poll_flush(cx))?;
                self.unflushed = false;
                return Ok(0).into();
            }
            let mut slices = [IoSlice::new(&[]); AT_ONCE];
            let mut count = 0;
            for (slice, chunk) in slices.iter_mut().zip(&self.chunks) {
                *slice = IoSlice::new(chunk);
                count += 1;
            }
            let slices = slices.get(..count).unwrap_or_default();
            let written = ready!(to.as_mut().poll_write_vectored(cx, slices))?;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into()).into();
            }
            self.advance(written);
            self.unflushed = true;
            Ok(written).into()
        })
        .await
    }

    fn advance(&mut self, mut written: usize) {
        self.bytes = self.bytes.saturating_sub(written);
        while let Some(first) = self.chunks.front_mut() {
            if first.len() > written {
                first.advance(written);
                return;
            }
            written -= first.len();
            self.chunks.pop_front();
        }
        // An idle connection keeps no memory of its busier days.
        self.chunks = VecDeque::new();
    }
}
