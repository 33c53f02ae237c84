//! What becomes of a leader's answers.

use ottla_broker_core::Offset;
use ottla_broker_core::api::{self, ErrorCode, FetchResponse, Fetched, IsolationLevel};

use super::at::{At, OutOfRange};
use super::engine::Engine;
use super::error::Error;
use super::work::{Asked, Which};
use crate::offsets::miscounted;

impl Engine {
    pub(super) fn take_fetched(&mut self, asked: &[Asked], answer: Result<FetchResponse, api::Error>) {
        let answers = match answer {
            Ok(answers) if answers.len() == asked.len() => answers,
            Ok(_) => vec![Err(miscounted()); asked.len()],
            Err(error) => vec![Err(error); asked.len()],
        };
        for (asked, answer) in asked.iter().zip(answers) {
            let Some(slot) = self.slots.get_mut(asked.slot) else { continue };
            slot.asked = false;
            if slot.generation != asked.generation || slot.gone {
                continue;
            }
            match answer {
                Ok(fetched) => self.take_records(asked.slot, fetched),
                Err(error) => self.take_refusal(asked.slot, error),
            }
        }
    }

    fn take_records(&mut self, index: usize, fetched: Fetched) {
        let committed_only = self.settings.isolation == IsolationLevel::ReadCommitted;
        let limit = if committed_only { fetched.last_stable_offset } else { fetched.high_watermark };
        let Some(slot) = self.slots.get_mut(index) else { return };
        let any = !fetched.batches.is_empty();
        self.buffered += slot.take_in(fetched, limit, committed_only);
        self.keep_share(index);
        if any {
            self.had_something(index);
        }
        self.enqueue(index);
    }

    fn take_refusal(&mut self, index: usize, source: api::Error) {
        let now = self.context.env.now();
        let Some(slot) = self.slots.get_mut(index) else { return };
        let (partition, offset) = ((*slot.source).clone(), slot.fetch_from());
        match source.code {
            ErrorCode::OffsetOutOfRange => {
                let to = match self.settings.if_out_of_range {
                    OutOfRange::Fail => {
                        slot.fail(Error::OutOfRange { partition, offset, source });
                        self.enqueue(index);
                        return;
                    }
                    OutOfRange::Earliest => At::Earliest,
                    OutOfRange::Latest => At::Latest,
                };
                tracing::warn!(%partition, %offset, ?to, "the offset is not in the log; going elsewhere");
                // What is buffered lies before the gap and is handed over first.
                if slot.has_something() {
                    slot.failing = None;
                    self.retry(index, now, source);
                } else {
                    slot.seek(to);
                }
            }
            // Asking again brings the same bytes.
            ErrorCode::CorruptMessage => {
                slot.fail(Error::Cluster { partition, offset, source });
                self.enqueue(index);
            }
            code if code.is_retriable() => self.retry(index, now, source),
            _ => {
                slot.fail(Error::Cluster { partition, offset, source });
                self.enqueue(index);
            }
        }
    }

    pub(super) fn take_resolved(&mut self, answers: Vec<(Asked, Which, Result<Offset, api::Error>)>) {
        let now = self.context.env.now();
        let mut anew = false;
        for (asked, which, answer) in answers {
            let Some(slot) = self.slots.get_mut(asked.slot) else { continue };
            slot.asked = false;
            if slot.generation != asked.generation || slot.gone {
                continue;
            }
            match (answer, which) {
                (Ok(offset), which) => {
                    slot.resolved(which, offset);
                    // A fetch that waits for other partitions must not keep this one waiting.
                    anew |= !slot.is_unresolved();
                }
                (Err(source), _) if source.is_retriable() => self.retry(asked.slot, now, source),
                (Err(source), _) => {
                    let (partition, offset) = ((*slot.source).clone(), slot.position);
                    slot.fail(Error::Cluster { partition, offset, source });
                    self.enqueue(asked.slot);
                }
            }
        }
        if anew {
            self.ask_anew();
        }
    }
}
