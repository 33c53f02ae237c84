//! What answers of Produce and Fetch say of a partition that has moved (KIP-951).

use std::sync::Arc;

use ottla_broker_core::{BrokerId, LeaderEpoch};

use crate::codec::message;

message! {
    /// Who leads a partition now.
    pub struct CurrentLeader {
        /// The leader.
        leader: Option<BrokerId>, 0..;
        /// Its epoch.
        epoch: LeaderEpoch, 0.., default LeaderEpoch::NONE;
    }

    /// Where a broker is, for clients that were told of a new leader.
    pub struct NodeEndpoint {
        /// Its id.
        id: BrokerId, 0..;
        /// Its advertised host.
        host: Arc<str>, 0..;
        /// Its advertised port.
        port: i32, 0..;
        /// Its rack.
        rack: Option<Arc<str>>, 0..;
    }
}
