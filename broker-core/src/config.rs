//! Topic and broker configs: Kafka's names, units and meaning.
//!
//! Every config is one row of a table ([`definitions`]): its name, its range, its default and what it does.
//! A name that is not in the table is refused with the nearest one that is; a config of Kafka's that would
//! have no effect here is refused with the reason, instead of being taken and ignored.

mod broker;
mod definition;
mod error;
mod groups;
mod table;
mod topic;

pub use broker::BrokerConfig;
pub use definition::{Definition, Kind, Scope};
pub use error::Error;
pub use groups::GroupConfig;
pub use table::{definitions, find};
pub use topic::TopicConfig;

pub use crate::record::TimestampType;

#[cfg(test)]
mod tests;
