//! From bytes to frames, within bounds.
//!
//! A connection that sends nothing holds no buffer. What arrives goes through a buffer on the stack and is kept
//! as it is, up to [`SMALL`] bytes; a longer frame gets a buffer of its own, which grows with what
//! has arrived and never with what was announced. Before that, and before any frame is handed out, its whole length is
//! taken from the budget of all connections. So a client that announces much and sends little holds little, and
//! a client that sends much waits for others to be answered.

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::ready;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use ottla_broker_core::env::BoxFuture;
use ottla_broker_core::planted::is_planted;
use ottla_wire::{FrameError, LENGTH_PREFIX, Progress, next_frame};
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::ended::Ended;

/// What a connection may hold without having asked the budget, and the longest frame that shares a buffer.
pub(super) const SMALL: usize = 16 << 10;
/// How far a large frame's buffer is ahead of what has arrived.
const GROWTH: usize = 4;

/// A frame, and its share of the budget: given back when dropped.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) bytes: Bytes,
    pub(super) share: OwnedSemaphorePermit,
}

/// What came of reading.
pub(super) enum Read {
    Frame(Frame),
    /// Some bytes.
    Ahead,
    /// The other side is done.
    End,
}

/// A frame that is being received into a buffer of its own, without its length.
struct Large {
    buffer: BytesMut,
    len: usize,
    share: OwnedSemaphorePermit,
}

pub(super) struct Reader {
    arrived: BytesMut,
    large: Option<Large>,
    limit: usize,
    budget: Arc<Semaphore>,
    /// The budget was asked for the frame that comes next, and has not given yet.
    asking: Option<BoxFuture<'static, Option<OwnedSemaphorePermit>>>,
    ended: bool,
}

impl Reader {
    pub(super) fn new(limit: usize, budget: Arc<Semaphore>) -> Self {
        Self { arrived: BytesMut::new(), large: None, limit, budget, asking: None, ended: false }
    }

    /// From now on frames may be so long.
    pub(super) const fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// Whether the other side has said that it sends no more.
    pub(super) const fn has_ended(&self) -> bool {
        self.ended
    }

    /// The length of the frame of which a part is here, if the other side is to send the rest: `None`
    /// while it is the budget that is waited for.
    pub(super) fn under_way(&self) -> Option<usize> {
        if self.asking.is_some() {
            return None;
        }
        match &self.large {
            Some(large) => Some(large.len),
            None if self.arrived.is_empty() => None,
            None => Some(self.announced().ok().flatten().unwrap_or(0)),
        }
    }

    /// Whether more may be read while the next frame has to wait.
    pub(super) fn has_room(&self) -> bool {
        !self.ended && self.large.is_none() && self.arrived.len() < SMALL
    }

    /// Bytes of memory that it holds.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.arrived.capacity() + self.large.as_ref().map_or(0, |large| large.buffer.capacity())
    }

    /// The next frame, if one is wanted and whole; else what has arrived is read, once. Whoever calls sees each step, to
    /// know since when a frame is under way. Cancel-safe.
    ///
    /// # Errors
    /// A length that is none or beyond the limit; an end within a frame; what the connection failed with.
    pub(super) async fn read(&mut self, from: &mut (impl AsyncRead + Unpin), is_wanted: bool) -> Result<Read, Ended> {
        if is_wanted && let Some(frame) = self.take().await? {
            return Ok(Read::Frame(frame));
        }
        if let Some(large) = &mut self.large {
            let read = read_large(from, large).await;
            let cut = matches!(&read, Err(error) if error.kind() == io::ErrorKind::UnexpectedEof);
            if cut || read? == 0 {
                self.ended = true;
                return Err(Ended::Truncated(large.buffer.len()));
            }
            return Ok(Read::Ahead);
        }
        if self.ended {
            return if self.arrived.is_empty() { Ok(Read::End) } else { Err(Ended::Truncated(self.arrived.len())) };
        }
        self.read_ahead(from).await?;
        Ok(Read::Ahead)
    }

    /// The next frame, if it is whole. Waits for the budget only, and makes room for a large one. Cancel-safe.
    async fn take(&mut self) -> Result<Option<Frame>, Ended> {
        if self.large.is_none()
            && let Some(len) = self.announced()?
        {
            let whole = LENGTH_PREFIX + len;
            if self.arrived.len() >= whole || (whole > SMALL && self.arrived.len() >= SMALL) {
                let share = self.share_of(len).await?;
                return self.begin(len, share);
            }
        }
        match self.large.take_if(|large| large.buffer.len() == large.len) {
            Some(large) => Ok(Some(Frame { bytes: large.buffer.freeze(), share: large.share })),
            None => Ok(None),
        }
    }

    /// Reads what there is.
    async fn read_ahead(&mut self, from: &mut (impl AsyncRead + Unpin)) -> io::Result<()> {
        let arrived = &mut self.arrived;
        let ended = &mut self.ended;
        poll_fn(|cx| {
            let mut space = [const { MaybeUninit::<u8>::uninit() }; SMALL];
            let mut buffer = ReadBuf::uninit(&mut space);
            match ready!(Pin::new(&mut *from).poll_read(cx, &mut buffer)) {
                // TLS whose client has gone without a farewell. What it cut off shows in its frames.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {}
                read => read?,
            }
            *ended = buffer.filled().is_empty();
            arrived.extend_from_slice(buffer.filled());
            Ok(()).into()
        })
        .await
    }

    /// The length of the next frame, once it is known and checked.
    fn announced(&self) -> Result<Option<usize>, FrameError> {
        let Some(prefix) = self.arrived.first_chunk::<LENGTH_PREFIX>() else { return Ok(None) };
        let len = i32::from_be_bytes(*prefix);
        let len = usize::try_from(len).map_err(|_| FrameError::Negative(len))?;
        if len > self.limit {
            return Err(FrameError::TooLarge { len, limit: self.limit });
        }
        Ok(Some(len))
    }

    /// The budget's share of a frame. Cancel-safe: the place in the queue is kept.
    async fn share_of(&mut self, len: usize) -> Result<OwnedSemaphorePermit, Ended> {
        let asked = if is_planted("budget-unasked") { 0 } else { u32::try_from(len).unwrap_or(u32::MAX) };
        let asking = match &mut self.asking {
            Some(asking) => asking,
            None => {
                let budget = Arc::clone(&self.budget);
                // The server never closes the budget, so that nothing but a share comes of it.
                if let Ok(share) = Arc::clone(&budget).try_acquire_many_owned(asked) {
                    return Ok(share);
                }
                metrics::counter!("ottla_server_budget_waits_total").increment(1);
                self.asking.insert(Box::pin(async move { budget.acquire_many_owned(asked).await.ok() }))
            }
        };
        let share = asking.await;
        self.asking = None;
        share.ok_or(Ended::Cut)
    }

    /// Takes the frame out, or gives it a buffer of its own.
    fn begin(&mut self, len: usize, share: OwnedSemaphorePermit) -> Result<Option<Frame>, Ended> {
        let storage = self.arrived.len();
        if storage < LENGTH_PREFIX + len {
            self.arrived.advance(LENGTH_PREFIX);
            let mut buffer = if is_planted("room-for-what-is-announced") {
                BytesMut::with_capacity(len)
            } else {
                BytesMut::with_capacity((storage * GROWTH).min(len))
            };
            buffer.extend_from_slice(&self.arrived);
            self.arrived = BytesMut::new();
            self.large = Some(Large { buffer, len, share });
            return Ok(None);
        }
        let Progress::Frame(mut bytes) = next_frame(&mut self.arrived, self.limit)? else { return Ok(None) };
        if bytes.len() * 2 < storage {
            // A batch that is kept would keep its neighbours too.
            bytes = Bytes::copy_from_slice(&bytes);
        }
        if self.arrived.is_empty() {
            self.arrived = BytesMut::new();
        }
        Ok(Some(Frame { bytes, share }))
    }
}

/// Reads into a frame's own buffer, and not beyond the frame.
async fn read_large(from: &mut (impl AsyncRead + Unpin), large: &mut Large) -> io::Result<usize> {
    let Large { buffer, len, .. } = large;
    if buffer.len() == buffer.capacity() {
        let capacity = buffer.len().saturating_mul(GROWTH).min(*len);
        buffer.reserve(capacity - buffer.len());
    }
    let missing = *len - buffer.len();
    let mut room = buffer.limit(missing);
    from.read_buf(&mut room).await
}
