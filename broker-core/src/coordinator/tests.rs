//! Groups under a virtual clock: each answer of Kafka's, a simulation by seed, and the runtime over a log
//! whose commits, failures and failovers the test decides.

mod answers;
mod membership;
mod offsets;
mod runtime;
mod simulation;
mod statics;
mod support;
