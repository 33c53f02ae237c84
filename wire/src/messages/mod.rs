//! One file per API: its messages, the versions served, where we deviate from Kafka, and the way to and
//! from `broker_core::api`.

mod api_versions;
mod metadata;

pub use api_versions::{
    ApiVersion, ApiVersions, ApiVersionsRequest, ApiVersionsResponse, FinalizedFeature, SupportedFeature,
};
pub use metadata::{
    Metadata, MetadataBroker, MetadataPartition, MetadataRequest, MetadataRequestTopic, MetadataResponse, MetadataTopic,
};
