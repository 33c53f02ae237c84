//! The S3 endpoint of the tests, seen through object_store's own HTTP client.

mod client;
mod conditions;
mod faults;
mod listing;
mod objects;
