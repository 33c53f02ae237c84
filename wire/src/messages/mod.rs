//! One file per API: its messages, the versions served, where we deviate from Kafka, and the way to and
//! from `broker_core::api`.
//!
//! A file begins with the versions served and every deviation from Kafka; then come the marker with its
//! [`Spec`](crate::Spec), the messages in one `message!` block, and the conversions. The fields, their
//! order and their versions are those of Kafka's JSON files; names are ours.
//!
//! - A topic that is named up to some version and identified by id from then on is one field, a
//!   [`TopicRef`](crate::TopicRef) with `form N..`.
//! - An error code is an `Option<ErrorCode>`; a number of which −1 means "none" an `Option` of its newtype;
//!   a time limit in ms a `Duration`.
//! - What a version must not lose silently is `strict`.
//! - Responses are built from a request and the answers of `broker_core::api` in the request's order, and
//!   taken apart into that order again.

mod api_versions;
mod metadata;

pub use api_versions::{
    ApiVersion, ApiVersions, ApiVersionsRequest, ApiVersionsResponse, FinalizedFeature, SupportedFeature,
};
pub use metadata::{
    Metadata, MetadataBroker, MetadataPartition, MetadataRequest, MetadataRequestTopic, MetadataResponse, MetadataTopic,
};
