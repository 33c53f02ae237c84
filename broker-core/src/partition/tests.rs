//! What a partition promises, on a log whose durability, failures and crashes the tests decide.

mod append;
mod crash;
mod dedup;
mod failure;
mod fetch;
mod offsets;
mod read;
mod recovery;
mod retention;
