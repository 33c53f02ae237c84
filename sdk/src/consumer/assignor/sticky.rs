//! Kafka's `CooperativeStickyAssignor` (KIP-54, KIP-429): balanced first, and what can stay stays.

mod balance;
mod board;

use bytes::{BufMut, Bytes, BytesMut};
use ottla_broker_core::api::group::{Generation, Subscription};

use self::board::Board;
use super::{Assignments, Assignor, MemberSubscription, RebalanceProtocol, TopicCounts};

/// Balanced, and every partition stays where it is unless balance needs it elsewhere.
///
/// Where all members want the same, shares differ by one at most, and as few partitions move as that
/// allows. Where they do not, the shares' sum of squares is the least that the subscriptions allow; this
/// implies KIP-54's rule (whoever has two less than another can take nothing from it), and it makes the
/// second round of a cooperative rebalance move nothing: what the first withheld fits into the gaps.
///
/// The cost grows with the partitions and with the number of (member, topic) subscriptions.
#[derive(Clone, Copy, Debug, Default)]
pub struct CooperativeSticky;

impl Assignor for CooperativeSticky {
    fn name(&self) -> &'static str {
        "cooperative-sticky"
    }

    fn protocol(&self) -> RebalanceProtocol {
        RebalanceProtocol::Cooperative
    }

    /// Kafka's `COOPERATIVE_STICKY_ASSIGNOR_USER_DATA_V0`: the generation, four bytes big-endian. Leaders that
    /// read version 2 of the subscription find it there too; older ones only here.
    fn user_data(&self, subscription: &Subscription) -> Option<Bytes> {
        let mut data = BytesMut::with_capacity(4);
        data.put_i32(subscription.generation.0);
        Some(data.freeze())
    }

    fn claimed_in(&self, member: &MemberSubscription) -> Generation {
        let said = || member.user_data.as_deref()?.first_chunk::<4>();
        match member.generation {
            generation if generation.is_some() => generation,
            _ => said().map_or(Generation::NONE, |bytes| Generation(i32::from_be_bytes(*bytes))),
        }
    }

    fn assign(&self, members: &[MemberSubscription], topics: &TopicCounts) -> Assignments {
        let mut board = Board::set_up(members, topics, |member| self.claimed_in(member));
        balance::fill(&mut board);
        balance::level(&mut board);
        board.shares()
    }
}
