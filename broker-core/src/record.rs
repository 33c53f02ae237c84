//! Kafka's record batch, version 2.
/// A batch.
#[derive(Clone, Debug)]
pub struct Batch;
