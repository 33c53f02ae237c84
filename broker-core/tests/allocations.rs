//! Measures what a test's thread allocates, to hold decoders to their promise: memory follows the
//! input, never what the input claims.
#![expect(unsafe_code, reason = "a global allocator is unsafe to implement; this one only counts")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

struct Counting;

thread_local! {
    /// Bytes allocated less bytes freed by this thread, and the most that it ever was.
    static CURRENT: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

fn count(bytes: isize) {
    // Fails only while the thread ends.
    let _ = CURRENT.try_with(|current| {
        current.set(current.get() + bytes);
        PEAK.try_with(|peak| peak.set(peak.get().max(current.get())))
    });
}

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size().cast_signed());
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size().cast_signed());
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-layout.size().cast_signed());
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        count(new_size.cast_signed() - layout.size().cast_signed());
        unsafe { System.realloc(pointer, layout, new_size) }
    }
}

/// Runs `work`, and gives the most bytes that it held at any one time beyond what there was. Memory of C
/// libraries is not seen.
pub(crate) fn peak<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = CURRENT.get();
    PEAK.set(before);
    let result = work();
    (result, (PEAK.get() - before).try_into().unwrap_or(0))
}

#[test]
fn a_large_allocation_is_seen() {
    let (_, seen) = peak(|| std::hint::black_box(vec![1_u8; 1 << 20]).len());
    assert!(seen >= 1 << 20, "{seen}");
    let (_, seen) = peak(|| ());
    assert_eq!(seen, 0);
}
