//! How many bytes lie where in a log: what retention by size needs, without reading the log.

use crate::ids::Offset;
use crate::producer::Damaged;
use crate::record::{Header, NO_TIMESTAMP, Reader};

/// Bytes that one entry covers before the next begins.
pub(super) const SPAN_BYTES: u64 = 1 << 20;

/// A run of batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    /// The first batch's base offset.
    pub(super) base: Offset,
    /// The sum of the batches' sizes.
    pub(super) bytes: u64,
    /// The greatest timestamp; [`NO_TIMESTAMP`] if no batch has one.
    pub(super) max_timestamp: i64,
    /// When the last batch without any timestamp was appended, or replayed: what stands in for its age.
    pub(super) untimed_ms: i64,
}

/// A coarse index of a log: one [`Span`] a mebibyte, or a batch where that is larger. An empty log has none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sizes(Vec<Span>);

impl Sizes {
    /// Adds a batch that follows all others, met at `now_ms`.
    pub(super) fn add(&mut self, header: &Header, now_ms: i64) {
        let bytes = u64::try_from(header.size_in_bytes()).unwrap_or_default();
        let untimed_ms = if header.max_timestamp == NO_TIMESTAMP { now_ms } else { i64::MIN };
        match self.0.last_mut() {
            Some(span) if span.bytes < SPAN_BYTES => {
                span.bytes += bytes;
                span.max_timestamp = span.max_timestamp.max(header.max_timestamp);
                span.untimed_ms = span.untimed_ms.max(untimed_ms);
            }
            _ => {
                if self.0.is_empty() {
                    // A partition that holds little should cost little.
                    self.0.reserve_exact(1);
                }
                self.0.push(Span { base: header.base_offset, bytes, max_timestamp: header.max_timestamp, untimed_ms });
            }
        }
    }

    /// All bytes.
    pub(super) fn total(&self) -> u64 {
        self.0.iter().map(|span| span.bytes).sum()
    }

    pub(super) fn spans(&self) -> &[Span] {
        &self.0
    }

    /// The span that `offset` lies in.
    pub(super) fn span_of(&self, offset: Offset) -> Option<Span> {
        let after = self.0.partition_point(|span| span.base <= offset);
        after.checked_sub(1).and_then(|at| self.0.get(at)).copied()
    }

    /// Forgets the batches before `before`, `cut` bytes of which lie in the same span as `before`.
    pub(super) fn trim(&mut self, before: Offset, cut: u64, end: Offset) {
        if before >= end {
            self.0 = Vec::new();
            return;
        }
        let after = self.0.partition_point(|span| span.base <= before);
        self.0.drain(..after.saturating_sub(1));
        if let Some(span) = self.0.first_mut()
            && span.base < before
        {
            span.base = before;
            span.bytes = span.bytes.saturating_sub(cut);
        }
    }

    /// The span that begins before `start` and reaches beyond it, and where it ends, in a log that ends at
    /// `end`: how many of its bytes are left is not known.
    pub(super) fn cut_by(&self, start: Offset, end: Offset) -> Option<(Span, Offset)> {
        let after = self.0.partition_point(|span| span.base <= start);
        let span = after.checked_sub(1).and_then(|at| self.0.get(at)).filter(|span| span.base < start)?;
        Some((*span, self.0.get(after).map_or(end, |next| next.base)))
    }

    /// Begins at `start`, where `cut` (of [`cut_by`](Self::cut_by)) has `left` bytes left of those that it had.
    pub(super) fn begin_at(&mut self, start: Offset, cut: Span, left: u64) {
        let after = self.0.partition_point(|span| span.base <= start);
        self.0.drain(..after.saturating_sub(1));
        let Some(span) = self.0.first_mut().filter(|span| span.base == cut.base) else { return };
        // What was added since then is left too.
        span.bytes = span.bytes.saturating_sub(cut.bytes).saturating_add(left);
        span.base = start;
        if span.bytes == 0 {
            self.0.remove(0);
        }
    }

    /// Appends `count u32`, then each `base i64 │ bytes u64 │ max timestamp i64 │ untimed i64`, big-endian.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&u32::try_from(self.0.len()).unwrap_or(u32::MAX).to_be_bytes());
        for span in &self.0 {
            out.extend_from_slice(&span.base.0.to_be_bytes());
            out.extend_from_slice(&span.bytes.to_be_bytes());
            out.extend_from_slice(&span.max_timestamp.to_be_bytes());
            out.extend_from_slice(&span.untimed_ms.to_be_bytes());
        }
    }

    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, Damaged> {
        let count = usize::try_from(reader.try_u32()?).unwrap_or(usize::MAX);
        if count > reader.remaining() / 32 {
            return Err(Damaged("it counts more spans than its bytes can hold"));
        }
        let mut spans: Vec<Span> = Vec::with_capacity(count);
        for _ in 0..count {
            let span = Span {
                base: Offset(reader.try_i64()?),
                bytes: reader.try_u64()?,
                max_timestamp: reader.try_i64()?,
                untimed_ms: reader.try_i64()?,
            };
            // The sum of all must not overflow: 2^48 bytes in one span is none of ours.
            if span.bytes > 1 << 48 || spans.last().is_some_and(|last| last.base >= span.base) {
                return Err(Damaged("its spans are not in order"));
            }
            spans.push(span);
        }
        Ok(Self(spans))
    }
}
