//! Partitions that are held back for a while.
//!
//! A consumer whose application is slow with one partition holds it and lets it go again at every batch. That must not
//! fetch the same bytes each time, nor disturb the others: so it keeps what was fetched ahead, within its share, and no
//! fetch in flight is dropped before that is used up.

use ottla_broker_core::planted::is_planted;

use super::engine::Engine;

impl Engine {
    /// Neither fetches nor hands over a partition for a while. Its position stays.
    pub(crate) fn hold(&mut self, index: usize) {
        if let Some(slot) = self.slots.get_mut(index) {
            slot.paused = true;
            self.keep_share(index);
        }
    }

    /// Goes on with a partition.
    pub(crate) fn let_go(&mut self, index: usize) {
        let Some(slot) = self.slots.get_mut(index) else { return };
        slot.paused = false;
        // While it was held nobody tried again.
        slot.failing = None;
        if !slot.is_ready() {
            self.ask_anew();
            return;
        }
        slot.late |= !slot.asked;
        self.enqueue(index);
        self.look_again();
        self.shared.waker.wake();
    }

    /// A partition that is held keeps a share of what was fetched of it: all together at most a quarter of the buffer, so
    /// that there is always room to fetch the others.
    pub(super) fn keep_share(&mut self, index: usize) {
        let share = (self.settings.max_buffered_bytes / 4).checked_div(self.slots.len()).unwrap_or(0);
        let share = if is_planted("held-partitions-keep-nothing") { 0 } else { share };
        if let Some(slot) = self.slots.get_mut(index).filter(|slot| slot.paused) {
            self.buffered = self.buffered.saturating_sub(slot.keep(share));
        }
    }
}
