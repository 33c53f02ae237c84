//! New epochs of the producer, for partitions whose sequences have to begin anew.

use ottla_broker_core::api::ProducerIdentity;

use super::{Parts, State};

impl State {
    /// The identity whose next epoch is wanted, if partitions wait for one. Those whose sequences are of an
    /// older epoch than the current take the current.
    pub(in super::super) fn wants_renewal(&mut self, parts: &Parts) -> Option<ProducerIdentity> {
        let current = self.identity?;
        let mut wanted = false;
        for index in std::mem::take(&mut self.renewing) {
            let Some(partition) = self.partitions.get_mut(index) else { continue };
            if !partition.can_renew() {
                continue;
            }
            if partition.identity.is_some_and(|identity| identity != current) {
                partition.renew(current);
                self.look_at(index, parts);
            } else {
                self.renewing.push(index);
                wanted = true;
            }
        }
        wanted.then_some(current)
    }

    /// There is a new epoch.
    pub(in super::super) fn renewed(&mut self, identity: ProducerIdentity, parts: &Parts) {
        self.identity = Some(identity);
        for index in std::mem::take(&mut self.renewing) {
            if let Some(partition) = self.partitions.get_mut(index).filter(|partition| partition.can_renew()) {
                partition.renew(identity);
            }
            self.look_at(index, parts);
        }
    }
}
