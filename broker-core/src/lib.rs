//! The domain of Ottla.

mod ids;
pub mod record;

pub use ids::{
    BrokerId, InvalidTopicName, LeaderEpoch, Offset, PartitionId, ProducerEpoch, ProducerId, TopicId, TopicName,
    TopicPartition,
};
