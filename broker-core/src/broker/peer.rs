//! What other brokers ask.

use async_trait::async_trait;

use super::Broker;
use crate::ids::BrokerId;
use crate::replica::{PeerHandler, PeerRequest, PeerResponse};

#[async_trait]
impl PeerHandler for Broker {
    async fn handle(&self, from: BrokerId, request: PeerRequest) -> PeerResponse {
        match request {
            PeerRequest::Fetch(mut request) => {
                // Who asks is known from the transport, and a peer is no consumer.
                request.replica = Some(from);
                let partitions = request.partitions.len();
                let fetched = self.fetch(request).await;
                PeerResponse::Fetch(fetched.unwrap_or_else(|error| vec![Err(error); partitions]))
            }
            PeerRequest::EpochEnds(wanted) => {
                let partitions = wanted.len();
                let wanted = wanted.into_iter().map(|(name, current, epoch)| (name, Some(current), epoch)).collect();
                let ends = self.offset_for_leader_epoch(wanted).await;
                PeerResponse::EpochEnds(ends.unwrap_or_else(|error| vec![Err(error); partitions]))
            }
        }
    }
}
