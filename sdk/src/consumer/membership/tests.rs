//! A member by itself, then many of them against a virtual coordinator.

mod alone;
mod coordinator;
mod crowd;
