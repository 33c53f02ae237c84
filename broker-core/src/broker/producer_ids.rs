//! Producer ids and their epochs.
//!
//! Ids come in blocks, each allocated by one command of the metadata log, so that no two brokers and no
//! two lives of a broker give out the same one; what is left of a block at the end is never used.

use std::collections::BTreeMap;

use tokio::sync::Mutex;

use super::Broker;
use crate::api::{Error, ErrorCode, InitProducerId, ProducerIdentity};
use crate::ids::{ProducerEpoch, ProducerId};
use crate::metadata::{Command, Decision};
use crate::planted::is_planted;

/// Ids allocated at once (Kafka's `ProducerIdsBlock.PRODUCER_ID_BLOCK_SIZE`).
const BLOCK: i64 = 1_000;
/// Identities whose bumps are remembered. They only serve to tell a repeated request from a late one, so
/// the oldest may go.
const REMEMBERED: usize = 10_000;

/// What is left of this broker's block, and the epochs that it raised.
#[derive(Debug, Default)]
pub(super) struct ProducerIds(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    next: i64,
    end: i64,
    raised: BTreeMap<ProducerId, ProducerEpoch>,
}

/// What to do with a request for the next epoch.
#[derive(Debug, PartialEq, Eq)]
enum Bump {
    To(ProducerEpoch),
    NewId,
    Fenced(ProducerEpoch),
}

/// Source: KIP-360, and `TransactionMetadata.prepareIncrementProducerEpoch` for the repeated request.
fn bump(current: ProducerIdentity, allocated_end: i64, raised: Option<ProducerEpoch>) -> Bump {
    let known = (0..allocated_end).contains(&current.id.0) && current.epoch.0 >= 0;
    // The last epoch is never given out by a bump: from it there would be no way on.
    if !known || current.epoch.0 >= i16::MAX - 1 {
        return Bump::NewId;
    }
    let next = ProducerEpoch(current.epoch.0 + 1);
    match raised {
        // The answer to the first request was lost: the same again.
        Some(raised) if raised == next => Bump::To(raised),
        Some(raised) if current.epoch < raised => Bump::Fenced(raised),
        _ => Bump::To(next),
    }
}

impl Broker {
    /// A new producer identity, or the next epoch of one (KIP-360). An identity that this cluster never
    /// gave out, or whose epochs are used up, gets a new id.
    ///
    /// # Errors
    /// `INVALID_PRODUCER_EPOCH` for an epoch that was bumped before, other than by the same request;
    /// `UNSUPPORTED_VERSION` with a transactional id; `NOT_CONTROLLER` once superseded; what the metadata log failed
    /// with.
    pub async fn init_producer_id(&self, request: InitProducerId) -> Result<ProducerIdentity, Error> {
        self.check_serving(ErrorCode::NotController)?;
        if let Some(id) = &request.transactional_id {
            let message = format!("transactional id `{id}`: this broker has no transactions yet; leave it out");
            return Err(Error::new(ErrorCode::UnsupportedVersion, message));
        }
        let mut state = self.producer_ids.0.lock().await;
        let Some(current) = request.current else { return self.new_identity(&mut state).await };
        let allocated_end = self.writer.image().next_producer_id();
        match bump(current, allocated_end, state.raised.get(&current.id).copied()) {
            Bump::To(epoch) => {
                state.raised.insert(current.id, epoch);
                if state.raised.len() > REMEMBERED {
                    state.raised.pop_first();
                }
                Ok(ProducerIdentity { id: current.id, epoch })
            }
            Bump::NewId => {
                state.raised.remove(&current.id);
                self.new_identity(&mut state).await
            }
            Bump::Fenced(raised) => Err(Error::new(
                ErrorCode::InvalidProducerEpoch,
                format!("producer {} is at epoch {raised}: its epoch {} is fenced", current.id, current.epoch),
            )),
        }
    }

    async fn new_identity(&self, state: &mut State) -> Result<ProducerIdentity, Error> {
        if state.next >= state.end {
            let first = if is_planted("producer-ids-reused-after-restart") {
                state.end
            } else {
                let broker = self.id();
                self.change(|image| {
                    let first = image.next_producer_id();
                    let command = Command::AllocateProducerIds { broker, first, len: BLOCK };
                    Ok(Decision { commands: vec![command], answer: first })
                })
                .await?
            };
            (state.next, state.end) = (first, first.saturating_add(BLOCK));
        }
        let id = ProducerId(state.next);
        state.next += 1;
        Ok(ProducerIdentity { id, epoch: ProducerEpoch(0) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(id: i64, epoch: i16) -> ProducerIdentity {
        ProducerIdentity { id: ProducerId(id), epoch: ProducerEpoch(epoch) }
    }

    #[test]
    fn a_bump_repeats_its_answer_and_fences_what_is_older() {
        let bumped = |epoch, raised: Option<i16>| bump(identity(7, epoch), 1_000, raised.map(ProducerEpoch));
        assert_eq!(bumped(0, None), Bump::To(ProducerEpoch(1)));
        assert_eq!(bumped(0, Some(1)), Bump::To(ProducerEpoch(1)));
        assert_eq!(bumped(1, Some(1)), Bump::To(ProducerEpoch(2)));
        assert_eq!(bumped(0, Some(2)), Bump::Fenced(ProducerEpoch(2)));
        // The broker restarted and remembers no bump.
        assert_eq!(bumped(5, None), Bump::To(ProducerEpoch(6)));
    }

    #[test]
    fn unknown_and_exhausted_identities_get_a_new_id() {
        assert_eq!(bump(identity(1_000, 0), 1_000, None), Bump::NewId);
        assert_eq!(bump(identity(-1, 0), 1_000, None), Bump::NewId);
        assert_eq!(bump(identity(3, -1), 1_000, None), Bump::NewId);
        assert_eq!(bump(identity(3, i16::MAX), 1_000, None), Bump::NewId);
        assert_eq!(bump(identity(3, i16::MAX - 1), 1_000, None), Bump::NewId);
        assert_eq!(bump(identity(3, i16::MAX - 2), 1_000, None), Bump::To(ProducerEpoch(i16::MAX - 1)));
    }
}
