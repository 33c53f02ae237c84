//! Memory for reads, used again.
//!
//! What is read cold is far more than any memory that is at hand, and memory from the system costs more than the read:
//! each page of it is made zero and mapped when it is first touched. So buffers come back when the last batch in
//! them is let go of.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use ottla_broker_core::planted::is_planted;

/// Smaller ones are left to the allocator, which has them at hand; and a small batch that somebody keeps would keep
/// a large buffer.
const LEAST: usize = 64 << 10;
/// Nor is one taken for less than a fourth of it, for the same reason.
const MOST_TIMES: usize = 4;

/// Buffers that nobody uses, up to so many bytes together.
pub(super) struct Buffers {
    most_bytes: usize,
    free: Mutex<Free>,
}

#[derive(Default)]
struct Free {
    /// The last one that came back is the first to go out: it may be in a cache yet.
    buffers: Vec<Vec<u8>>,
    bytes: usize,
}

/// A buffer that is filled, or filled already and shared.
struct Buffer {
    /// Empty once it went back.
    bytes: Vec<u8>,
    filled: usize,
    home: Arc<Buffers>,
}

impl Buffers {
    /// Keeps at most so many bytes that nobody uses.
    pub(super) fn new(most_bytes: usize) -> Arc<Self> {
        Arc::new(Self { most_bytes, free: Mutex::default() })
    }

    fn lock(&self) -> MutexGuard<'_, Free> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes that `fill` writes into a buffer of `bytes`; it says how many, from the begin on.
    pub(super) fn filled<E>(
        self: &Arc<Self>,
        bytes: usize,
        fill: impl FnOnce(&mut [u8]) -> Result<usize, E>,
    ) -> Result<Bytes, E> {
        let mut buffer = Buffer { bytes: self.take(bytes), filled: 0, home: Arc::clone(self) };
        buffer.filled = fill(buffer.bytes.get_mut(..bytes).unwrap_or_default())?.min(bytes);
        Ok(Bytes::from_owner(buffer))
    }

    /// At least so many bytes, whatever they hold.
    fn take(&self, bytes: usize) -> Vec<u8> {
        if bytes < LEAST || self.most_bytes == 0 {
            return vec![0; bytes];
        }
        let mut free = self.lock();
        let fits = |buffer: &Vec<u8>| buffer.len() >= bytes && buffer.len() / MOST_TIMES <= bytes;
        match free.buffers.iter().rposition(fits) {
            Some(at) => {
                let buffer = free.buffers.remove(at);
                free.bytes -= buffer.len();
                buffer
            }
            None => {
                drop(free);
                // Few sizes, so that one that came back fits the next read.
                vec![0; bytes.checked_next_power_of_two().unwrap_or(bytes)]
            }
        }
    }

    fn give_back(&self, buffer: Vec<u8>) {
        if buffer.len() < LEAST {
            return;
        }
        let mut free = self.lock();
        if free.bytes + buffer.len() <= self.most_bytes || is_planted("read-buffers-unbounded") {
            free.bytes += buffer.len();
            free.buffers.push(buffer);
        }
    }

    /// Lets go of all that nobody uses.
    pub(super) fn clear(&self) {
        *self.lock() = Free::default();
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        self.bytes.get(..self.filled).unwrap_or_default()
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.home.give_back(std::mem::take(&mut self.bytes));
    }
}

impl fmt::Debug for Buffers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffers").field("most_bytes", &self.most_bytes).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    fn read(buffers: &Arc<Buffers>, bytes: usize, what: u8) -> Bytes {
        let fill = |buffer: &mut [u8]| {
            assert_eq!(buffer.len(), bytes);
            buffer.fill(what);
            Ok::<_, Infallible>(bytes)
        };
        buffers.filled(bytes, fill).unwrap()
    }

    #[test]
    fn a_buffer_comes_back_with_the_last_who_has_a_slice_of_it() {
        let buffers = Buffers::new(1 << 20);
        let first = read(&buffers, 100 << 10, 1);
        let address = first.as_ptr();
        let slice = ottla_broker_core::record::share(&first, 10..20).unwrap();
        drop(first);
        let second = read(&buffers, 100 << 10, 2);
        assert_ne!(second.as_ptr(), address, "it is read still");
        assert_eq!(slice, [1; 10][..]);
        drop(slice);
        let third = read(&buffers, 110 << 10, 3);
        assert_eq!(third.as_ptr(), address, "and then used again, for another size");
        assert_eq!((third.len(), second.len()), (110 << 10, 100 << 10));
        assert!(third.iter().all(|byte| *byte == 3) && second.iter().all(|byte| *byte == 2));
    }

    #[test]
    fn what_nobody_uses_is_bounded() {
        let buffers = Buffers::new(300 << 10);
        let all: Vec<_> = (0..10).map(|n| read(&buffers, 128 << 10, n)).collect();
        drop(all);
        assert_eq!(buffers.lock().bytes, 256 << 10);
        drop(read(&buffers, 10, 0));
        assert_eq!(buffers.lock().buffers.len(), 2, "small ones do not come back");
        assert_eq!(read(&buffers, 1 << 20, 5).len(), 1 << 20, "what does not fit is not taken");
        buffers.clear();
        assert_eq!(buffers.lock().bytes, 0);
    }

    #[test]
    fn a_read_that_fails_or_ends_early_shows_nothing_of_before() {
        let buffers = Buffers::new(1 << 20);
        drop(read(&buffers, 100 << 10, 1));
        assert_eq!(buffers.filled(100 << 10, |_| Err("broken")).unwrap_err(), "broken");
        assert_eq!(buffers.lock().buffers.len(), 1, "it is not lost");
        assert_eq!(buffers.filled(100 << 10, |_| Ok::<_, Infallible>(7)).unwrap().len(), 7);
    }
}
