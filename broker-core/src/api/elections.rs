//! ElectLeaders (Kafka's API 43).

/// How a partition's leader is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Election {
    /// The first of its replicas leads again, if it is in sync.
    #[default]
    Preferred,
    /// Any live replica leads if none is in sync, even at the loss of what only the others have.
    Unclean,
}
