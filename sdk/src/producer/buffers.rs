//! The memory that batches are encoded in.
//!
//! What many partitions share is many small batches. A buffer for each, which grows with it and is freed when the storage
//! has no more use for it, costs more than all else that a batch costs: the allocator's locks, for it is freed by another
//! thread; copies while it grows; and pages that the system has to clear. So they are used again.

/// Buffers that wait for a batch. The last that came is the first to go: it is still in the processor's caches.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    free: Vec<Vec<u8>>,
    /// Their capacities.
    bytes: usize,
}

impl Buffers {
    /// A larger one belongs to few partitions, if not one, and would be missing elsewhere.
    const LARGEST: usize = 64 << 10;
    /// What may wait here at most.
    const MOST: usize = 16 << 20;

    /// A buffer for a batch of about this size: empty, and perhaps without any memory. None that is far too large: the batch
    /// may stay open for long.
    pub(super) fn take(&mut self, size: usize) -> Vec<u8> {
        let fits = |buffer: &mut Vec<u8>| buffer.capacity() <= (4 * size).max(4 << 10);
        if size > Self::LARGEST {
            return Vec::new();
        }
        let buffer = self.free.pop_if(fits).unwrap_or_default();
        self.bytes -= buffer.capacity();
        buffer
    }

    /// Takes back what batches were encoded in.
    pub(super) fn give_back(&mut self, buffers: impl IntoIterator<Item = Vec<u8>>) {
        for buffer in buffers {
            let capacity = buffer.capacity();
            if (1..=Self::LARGEST).contains(&capacity) && self.bytes + capacity <= Self::MOST {
                self.bytes += capacity;
                self.free.push(buffer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_buffer_is_the_next() {
        let mut buffers = Buffers::default();
        assert_eq!(buffers.take(100).capacity(), 0, "there is none yet");
        buffers.give_back([Vec::with_capacity(10), Vec::with_capacity(20)]);
        assert_eq!(buffers.take(100_000).capacity(), 0, "a large batch has memory of its own");
        assert_eq!(buffers.take(5).capacity(), 20);
        assert_eq!(buffers.take(5).capacity(), 10);
        assert_eq!((buffers.take(5).capacity(), buffers.bytes), (0, 0));
    }

    #[test]
    fn what_waits_is_bounded_and_fits() {
        let mut buffers = Buffers::default();
        buffers.give_back([Vec::new(), Vec::with_capacity(Buffers::LARGEST + 1)]);
        assert_eq!((buffers.free.len(), buffers.bytes), (0, 0));
        buffers.give_back((0..1_000).map(|_| Vec::with_capacity(Buffers::LARGEST)));
        assert_eq!(buffers.bytes, Buffers::MOST);
        assert_eq!(buffers.free.len(), Buffers::MOST / Buffers::LARGEST);
        assert_eq!(buffers.take(100).capacity(), 0, "too large for a small batch, which may stay open");
        assert_eq!(buffers.take(20 << 10).capacity(), Buffers::LARGEST);
    }
}
