//! From bytes to frames, within bounds.
//!
//! A connection that sends nothing holds no buffer. What arrives goes through a buffer on the stack and is kept
//! as it is, up to [`SMALL`] bytes; a longer frame gets a buffer of its own, which grows with what
//! has arrived and never with what was announced. Before it grows, and before a short frame is handed out, the bytes are
//! taken from the budget of all connections. So a client that announces much and sends little holds little, and
//! a client that sends much waits for others to be answered.

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::ready;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use ottla_broker_core::planted::is_planted;
use ottla_wire::{FrameError, LENGTH_PREFIX, Progress, next_frame};
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};

use super::ended::Ended;
use crate::budget::{Asking, Budget, Share};

/// What a connection may hold without having asked the budget, and the longest frame that shares a buffer.
pub(super) const SMALL: usize = 16 << 10;
/// How far a large frame's buffer is ahead of what has arrived.
const GROWTH: usize = 4;

/// A frame, and its share of the budget: given back when dropped.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) bytes: Bytes,
    pub(super) share: Share,
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
    /// Bytes that the share is for: the buffer never has room for more.
    room: usize,
    share: Share,
}

pub(super) struct Reader {
    arrived: BytesMut,
    large: Option<Large>,
    limit: usize,
    budget: Arc<Budget>,
    /// The budget was asked, and has not given yet.
    asking: Option<Asking>,
    ended: bool,
}

impl Reader {
    pub(super) fn new(limit: usize, budget: Arc<Budget>) -> Self {
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

    /// How much is here of a frame that is not whole, if the other side is to send the rest: `None`
    /// while it is the budget that is waited for.
    pub(super) fn under_way(&self) -> Option<usize> {
        if self.is_waiting() {
            return None;
        }
        match &self.large {
            Some(large) => Some(large.buffer.len()),
            None => Some(self.arrived.len()).filter(|arrived| *arrived > 0),
        }
    }

    /// Whether the budget is waited for.
    pub(super) const fn is_waiting(&self) -> bool {
        self.asking.is_some()
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

    /// The next frame, if it is whole; else a large one has room for more afterwards. Waits for the budget
    /// only. Cancel-safe.
    async fn take(&mut self) -> Result<Option<Frame>, Ended> {
        if self.large.is_none()
            && let Some(len) = self.announced()?
        {
            if self.arrived.len() >= LENGTH_PREFIX + len {
                let share = self.share(|budget, _| budget.short(len)).await?;
                return self.take_small(share);
            }
            if self.arrived.len() >= SMALL {
                self.arrived.advance(LENGTH_PREFIX);
                let buffer = std::mem::take(&mut self.arrived);
                self.large = Some(Large { buffer, len, room: 0, share: Share::default() });
            }
        }
        if let Some(large) = self.large.take_if(|large| large.buffer.len() == large.len) {
            return Ok(Some(Frame { bytes: large.buffer.freeze(), share: large.share }));
        }
        self.make_room().await?;
        Ok(None)
    }

    /// Lets a large frame's buffer grow once it is full.
    async fn make_room(&mut self) -> Result<(), Ended> {
        let Some(Large { buffer, len, room, .. }) = &self.large else { return Ok(()) };
        if buffer.len() < *room {
            return Ok(());
        }
        let from = *room;
        let to = if is_planted("room-for-what-is-announced") { *len } else { (buffer.len() * GROWTH).min(*len) };
        let share = self.share(|budget, held| budget.long(held, to - from)).await?;
        if let Some(large) = &mut self.large {
            large.share.add(share);
            large.room = to;
            // `reserve` would take more than was asked for.
            let mut buffer = BytesMut::with_capacity(to);
            buffer.extend_from_slice(&large.buffer);
            large.buffer = buffer;
        }
        Ok(())
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

    /// What the budget gives. Cancel-safe: the place in the queue is kept.
    async fn share(&mut self, ask: impl FnOnce(&Budget, &Share) -> Result<Share, Asking>) -> Result<Share, Ended> {
        let asking = match &mut self.asking {
            Some(asking) => asking,
            None => match ask(&self.budget, self.large.as_ref().map_or(&Share::default(), |large| &large.share)) {
                Ok(share) => return Ok(share),
                Err(asking) => {
                    metrics::counter!("ottla_server_budget_waits_total").increment(1);
                    self.asking.insert(asking)
                }
            },
        };
        let share = asking.await;
        self.asking = None;
        share.ok_or(Ended::Cut)
    }

    /// Takes a frame that is whole out of what has arrived.
    fn take_small(&mut self, share: Share) -> Result<Option<Frame>, Ended> {
        let storage = self.arrived.len();
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

/// Reads into a frame's own buffer, and not beyond its room.
async fn read_large(from: &mut (impl AsyncRead + Unpin), large: &mut Large) -> io::Result<usize> {
    let missing = large.room - large.buffer.len();
    let mut room = (&mut large.buffer).limit(missing);
    from.read_buf(&mut room).await
}
