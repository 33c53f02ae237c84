//! At the level `os`: has the journal written to the medium while it goes on, ahead of the turn to the next file.
//!
//! What a file holds is durable before the next one is written, at any level. Were all of it left to that moment, the
//! writer would stand still for as long as the medium takes for a whole file.

use std::sync::{Arc, PoisonError};

use ottla_broker_core::planted::is_planted;

use super::{Engine, State};
use crate::disk::files::File;
use crate::disk::options::Level;

/// The system is asked to write whenever so much has come: of smaller files, whenever a quarter of one has.
const STEP: u64 = 8 << 20;

/// How far the writing ahead is.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    /// The file that is to be written to the medium.
    wanted: Option<Arc<dyn File>>,
    /// The number of the file that was last asked for, and its end then.
    asked: (u64, u64),
}

impl Engine {
    /// Asks for what was written, if it is much. After each group.
    pub(super) fn ask_ahead(&self, state: &mut State) {
        let Some(current) = &state.journal.current else { return };
        let (number, asked) = state.ahead.asked;
        let from = if number == current.number { asked } else { 0 };
        if self.options.level == Level::Os && current.position >= from + STEP.min(self.options.file_bytes / 4) {
            state.ahead.asked = (current.number, current.position);
            state.ahead.wanted = Some(Arc::clone(&current.file));
            self.ahead.notify_one();
        }
    }

    /// Writes ahead until [`end`](Self::end).
    pub(in crate::disk) fn write_all_ahead(&self) {
        let mut state = self.lock();
        while !state.ended {
            match state.ahead.wanted.take() {
                Some(file) => {
                    drop(state);
                    self.sync_ahead(&*file);
                    state = self.lock();
                }
                None => state = self.ahead.wait(state).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    /// Writes ahead what was asked for, on the calling thread; says whether there was anything.
    #[cfg(test)]
    pub(in crate::disk) fn write_ahead(&self) -> bool {
        let wanted = self.lock().ahead.wanted.take();
        wanted.inspect(|file| self.sync_ahead(&**file)).is_some()
    }

    fn sync_ahead(&self, file: &dyn File) {
        let Err(error) = file.sync() else { return };
        // Between two groups: the system tells a failure once, and the writer's own sync would seem to succeed.
        let state = self.lock();
        if self.poisoned().is_none() && !is_planted("failed-write-ahead-ignored") {
            self.poison("the journal could not be written to the medium", error);
        }
        drop(state);
    }
}
