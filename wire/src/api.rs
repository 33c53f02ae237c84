//! The table of APIs, and what stands for "any request" and "any response".

use std::fmt;

use bytes::Bytes;
use ottla_broker_core::planted::is_planted;

use crate::codec::{DecodeError, Decoder, EncodeError, Encoded, Encoder, Field};
use crate::messages::{
    AlterConfigs, AlterConfigsRequest, AlterConfigsResponse, AlterUserScramCredentials,
    AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse, ApiVersions, ApiVersionsRequest,
    ApiVersionsResponse, CreatePartitions, CreatePartitionsRequest, CreatePartitionsResponse, CreateTopics,
    CreateTopicsRequest, CreateTopicsResponse, DeleteGroups, DeleteGroupsRequest, DeleteGroupsResponse, DeleteRecords,
    DeleteRecordsRequest, DeleteRecordsResponse, DeleteTopics, DeleteTopicsRequest, DeleteTopicsResponse,
    DescribeCluster, DescribeClusterRequest, DescribeClusterResponse, DescribeConfigs, DescribeConfigsRequest,
    DescribeConfigsResponse, DescribeGroups, DescribeGroupsRequest, DescribeGroupsResponse, DescribeLogDirs,
    DescribeLogDirsRequest, DescribeLogDirsResponse, DescribeProducers, DescribeProducersRequest,
    DescribeProducersResponse, DescribeTopicPartitions, DescribeTopicPartitionsRequest,
    DescribeTopicPartitionsResponse, DescribeUserScramCredentials, DescribeUserScramCredentialsRequest,
    DescribeUserScramCredentialsResponse, ElectLeaders, ElectLeadersRequest, ElectLeadersResponse, Fetch, FetchRequest,
    FetchResponse, FindCoordinator, FindCoordinatorRequest, FindCoordinatorResponse, Heartbeat, HeartbeatRequest,
    HeartbeatResponse, IncrementalAlterConfigs, IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
    InitProducerId, InitProducerIdRequest, InitProducerIdResponse, JoinGroup, JoinGroupRequest, JoinGroupResponse,
    LeaveGroup, LeaveGroupRequest, LeaveGroupResponse, ListGroups, ListGroupsRequest, ListGroupsResponse, ListOffsets,
    ListOffsetsRequest, ListOffsetsResponse, Metadata, MetadataRequest, MetadataResponse, OffsetCommit,
    OffsetCommitRequest, OffsetCommitResponse, OffsetDelete, OffsetDeleteRequest, OffsetDeleteResponse, OffsetFetch,
    OffsetFetchRequest, OffsetFetchResponse, OffsetForLeaderEpoch, OffsetForLeaderEpochRequest,
    OffsetForLeaderEpochResponse, Produce, ProduceRequest, ProduceResponse, SaslAuthenticate, SaslAuthenticateRequest,
    SaslAuthenticateResponse, SaslHandshake, SaslHandshakeRequest, SaslHandshakeResponse, SyncGroup, SyncGroupRequest,
    SyncGroupResponse,
};
use crate::version::Versions;

/// What this crate knows of one API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spec {
    /// The versions that are decoded and encoded, on both sides.
    pub versions: Versions,
    /// The versions that a server tells. More than [`versions`](Spec::versions) only where clients want to hear more
    /// than they ever use.
    pub advertised: Versions,
    /// The first version with compact lengths and tagged fields (KIP-482).
    pub flexible_from: i16,
}

impl Spec {
    /// An API that tells just what it serves.
    #[must_use]
    pub const fn new(min: i16, max: i16, flexible_from: i16) -> Self {
        let versions = Versions::new(min, max);
        Self { versions, advertised: versions, flexible_from }
    }

    /// Whether `version` has compact lengths and tagged fields.
    #[must_use]
    pub const fn is_flexible(&self, version: i16) -> bool {
        version >= self.flexible_from
    }
}

/// One API of the protocol: its request, the response to it, and our versions of both. A marker, never a value.
pub trait Api: fmt::Debug + Send + Sync + 'static {
    /// Which.
    const KEY: ApiKey;
    /// Our versions of it.
    const SPEC: Spec;
    /// What a client asks.
    type Request: Field + fmt::Debug + Send + Sync;
    /// What a server answers.
    type Response: Field + fmt::Debug + Send + Sync;
}

macro_rules! apis {
    ($($(#[$doc:meta])* $name:ident = $key:literal $request:ident $response:ident;)*) => {
        /// The APIs that this crate speaks, by Kafka's numbers. Whatever is not here is not advertised, and
        /// a request for it ends the connection.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(i16)]
        pub enum ApiKey {
            $($(#[$doc])* $name = $key,)*
        }

        impl ApiKey {
            /// All of them, by number.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The API of a number on the wire.
            #[must_use]
            pub const fn from_code(code: i16) -> Option<Self> {
                match code { $($key => Some(Self::$name),)* _ => None }
            }

            /// Kafka's name of it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }

            /// Our versions of it.
            #[must_use]
            pub const fn spec(self) -> Spec {
                match self { $(Self::$name => <$name as Api>::SPEC,)* }
            }
        }

        /// A request of any API, decoded.
        #[derive(Clone, Debug, PartialEq)]
        #[non_exhaustive]
        pub enum Request {
            $($(#[$doc])* $name(Box<$request>),)*
        }

        impl Request {
            /// Its API.
            #[must_use]
            pub const fn key(&self) -> ApiKey {
                match self { $(Self::$name(_) => ApiKey::$name,)* }
            }

            /// The frame of it.
            ///
            /// # Errors
            /// [`EncodeError`] if the version cannot say it, or something is too long for its field.
            pub fn encode(
                &self,
                correlation_id: i32,
                client_id: Option<&str>,
                version: i16,
            ) -> Result<Encoded, EncodeError> {
                match self {
                    $(Self::$name(request) => {
                        crate::request::encode_request::<$name>(correlation_id, client_id, version, request)
                    })*
                }
            }

            #[cfg(any(test, feature = "testing"))]
            pub(crate) fn sample(key: ApiKey, version: i16, sampler: &mut crate::testing::Sampler) -> Self {
                match key {
                    $(ApiKey::$name => {
                        Self::$name(Box::new(crate::testing::Sample::sample(sampler, version, true)))
                    })*
                }
            }

            pub(crate) fn read(key: ApiKey, decoder: &mut Decoder<'_>) -> Result<Self, DecodeError> {
                match key { $(ApiKey::$name => Field::read(decoder, true).map(Box::new).map(Self::$name),)* }
            }
        }

        /// A response of any API.
        #[derive(Clone, Debug, PartialEq)]
        #[non_exhaustive]
        pub enum Response {
            $($(#[$doc])* $name(Box<$response>),)*
        }

        impl Response {
            /// Its API.
            #[must_use]
            pub const fn key(&self) -> ApiKey {
                match self { $(Self::$name(_) => ApiKey::$name,)* }
            }

            /// The frame that answers the request of `correlation_id` at `version`, which MUST be the request's.
            ///
            /// # Errors
            /// [`EncodeError`] if the version cannot say it, or something is too long for its field.
            pub fn encode(&self, correlation_id: i32, version: i16) -> Result<Encoded, EncodeError> {
                match self { $(Self::$name(response) => encode_response::<$name>(correlation_id, version, response),)* }
            }
        }

        impl Response {
            /// Reads the frame of a response, without its length, to a request of `version`, and gives the correlation
            /// id with it.
            ///
            /// # Errors
            /// [`DecodeError`]: the connection is to be closed.
            pub fn decode(key: ApiKey, version: i16, frame: &Bytes) -> Result<(i32, Self), DecodeError> {
                match key {
                    $(ApiKey::$name => {
                        let (correlation_id, response) = decode_response::<$name>(version, frame)?;
                        Ok((correlation_id, Self::$name(Box::new(response))))
                    })*
                }
            }

            #[cfg(any(test, feature = "testing"))]
            pub(crate) fn sample(key: ApiKey, version: i16, sampler: &mut crate::testing::Sampler) -> Self {
                match key {
                    $(ApiKey::$name => {
                        Self::$name(Box::new(crate::testing::Sample::sample(sampler, version, true)))
                    })*
                }
            }
        }

        /// What another implementation of the protocol makes of a message's bytes, header left out: it reads
        /// them to their end and writes them again.
        #[cfg(test)]
        pub(crate) mod compared {
            use bytes::Bytes;

            use super::ApiKey;
            use crate::tests::differential::again;

            pub(crate) fn request(key: ApiKey, version: i16, body: Bytes) -> Result<Bytes, String> {
                match key { $(ApiKey::$name => again::<kafka_wire::$request>(version, body),)* }
            }

            pub(crate) fn response(key: ApiKey, version: i16, body: Bytes) -> Result<Bytes, String> {
                match key { $(ApiKey::$name => again::<kafka_wire::$response>(version, body),)* }
            }
        }

        $(
            impl From<$request> for Request {
                fn from(request: $request) -> Self {
                    Self::$name(Box::new(request))
                }
            }

            impl From<$response> for Response {
                fn from(response: $response) -> Self {
                    Self::$name(Box::new(response))
                }
            }
        )*
    };
}

apis! {
    /// Record batches for partitions.
    Produce = 0 ProduceRequest ProduceResponse;
    /// Record batches of partitions.
    Fetch = 1 FetchRequest FetchResponse;
    /// Where logs start and end, and offsets by time.
    ListOffsets = 2 ListOffsetsRequest ListOffsetsResponse;
    /// Who leads what, and where.
    Metadata = 3 MetadataRequest MetadataResponse;
    /// Stores how far a group has come.
    OffsetCommit = 8 OffsetCommitRequest OffsetCommitResponse;
    /// How far groups have come.
    OffsetFetch = 9 OffsetFetchRequest OffsetFetchResponse;
    /// Who coordinates a group or a transactional id.
    FindCoordinator = 10 FindCoordinatorRequest FindCoordinatorResponse;
    /// To become, or to stay, a member of a group.
    JoinGroup = 11 JoinGroupRequest JoinGroupResponse;
    /// A member of a group lives.
    Heartbeat = 12 HeartbeatRequest HeartbeatResponse;
    /// Members of a group go.
    LeaveGroup = 13 LeaveGroupRequest LeaveGroupResponse;
    /// Brings and takes what the members of a group share.
    SyncGroup = 14 SyncGroupRequest SyncGroupResponse;
    /// Groups as they stand.
    DescribeGroups = 15 DescribeGroupsRequest DescribeGroupsResponse;
    /// The groups of a coordinator.
    ListGroups = 16 ListGroupsRequest ListGroupsResponse;
    /// The mechanism of authentication.
    SaslHandshake = 17 SaslHandshakeRequest SaslHandshakeResponse;
    /// What a server speaks.
    ApiVersions = 18 ApiVersionsRequest ApiVersionsResponse;
    /// Creates topics.
    CreateTopics = 19 CreateTopicsRequest CreateTopicsResponse;
    /// Deletes topics.
    DeleteTopics = 20 DeleteTopicsRequest DeleteTopicsResponse;
    /// Deletes the records before an offset.
    DeleteRecords = 21 DeleteRecordsRequest DeleteRecordsResponse;
    /// An identity for an idempotent producer.
    InitProducerId = 22 InitProducerIdRequest InitProducerIdResponse;
    /// Where a leader epoch ends.
    OffsetForLeaderEpoch = 23 OffsetForLeaderEpochRequest OffsetForLeaderEpochResponse;
    /// Configs as they are in force.
    DescribeConfigs = 32 DescribeConfigsRequest DescribeConfigsResponse;
    /// Sets all configs of a resource.
    AlterConfigs = 33 AlterConfigsRequest AlterConfigsResponse;
    /// Where a broker keeps logs.
    DescribeLogDirs = 35 DescribeLogDirsRequest DescribeLogDirsResponse;
    /// Authentication.
    SaslAuthenticate = 36 SaslAuthenticateRequest SaslAuthenticateResponse;
    /// Gives topics more partitions.
    CreatePartitions = 37 CreatePartitionsRequest CreatePartitionsResponse;
    /// Deletes groups.
    DeleteGroups = 42 DeleteGroupsRequest DeleteGroupsResponse;
    /// Has leaders chosen anew.
    ElectLeaders = 43 ElectLeadersRequest ElectLeadersResponse;
    /// Changes configs one by one.
    IncrementalAlterConfigs = 44 IncrementalAlterConfigsRequest IncrementalAlterConfigsResponse;
    /// Forgets how far a group has come.
    OffsetDelete = 47 OffsetDeleteRequest OffsetDeleteResponse;
    /// Who has SCRAM credentials.
    DescribeUserScramCredentials = 50 DescribeUserScramCredentialsRequest DescribeUserScramCredentialsResponse;
    /// Sets and deletes SCRAM credentials.
    AlterUserScramCredentials = 51 AlterUserScramCredentialsRequest AlterUserScramCredentialsResponse;
    /// The brokers.
    DescribeCluster = 60 DescribeClusterRequest DescribeClusterResponse;
    /// The idempotent producers that partitions remember.
    DescribeProducers = 61 DescribeProducersRequest DescribeProducersResponse;
    /// Topics, a page at a time.
    DescribeTopicPartitions = 75 DescribeTopicPartitionsRequest DescribeTopicPartitionsResponse;
}

impl ApiKey {
    /// Its number on the wire.
    #[must_use]
    pub const fn code(self) -> i16 {
        self as i16
    }
}

impl fmt::Display for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Whether a response of this API and version has tagged fields in its header (header v1, not v0).
///
/// ApiVersions never has: a client reads its answer before it knows what the server speaks (KIP-511).
fn flexible_header(key: ApiKey, version: i16) -> bool {
    key.spec().is_flexible(version) && (!matches!(key, ApiKey::ApiVersions) || is_planted("tags-before-api-versions"))
}

/// The frame of a response. `version` MUST be that of the request.
///
/// # Errors
/// [`EncodeError`] if the version cannot say it, or something is too long for its field.
pub fn encode_response<A: Api>(
    correlation_id: i32,
    version: i16,
    response: &A::Response,
) -> Result<Encoded, EncodeError> {
    let mut encoder = Encoder::new(version, flexible_header(A::KEY, version));
    correlation_id.write(&mut encoder, true);
    encoder.tags(crate::codec::Tags::default());
    encoder.set_flexible(A::SPEC.is_flexible(version));
    response.write(&mut encoder, true);
    encoder.finish()
}

/// Reads the frame of a response, without its length, to a request of `version`. What follows its last field is left
/// unread, as Kafka's own clients do: some brokers write a byte too many (librdkafka's mock cluster, to Metadata).
///
/// # Errors
/// [`DecodeError`]: the connection is to be closed.
pub fn decode_response<A: Api>(version: i16, frame: &Bytes) -> Result<(i32, A::Response), DecodeError> {
    let mut decoder = Decoder::new(frame, version, flexible_header(A::KEY, version));
    let correlation_id = i32::read(&mut decoder, true)?;
    decoder.tags(|_, _| Ok(false))?;
    decoder.set_flexible(A::SPEC.is_flexible(version));
    let response = A::Response::read(&mut decoder, true)?;
    if is_planted("longer-answer-refused") {
        decoder.finish()?;
    }
    Ok((correlation_id, response))
}

/// The correlation id of a response, whatever it answers: a client looks up by it what it asked.
///
/// # Errors
/// [`DecodeError`] if there are not even four bytes.
pub fn correlation_id(frame: &Bytes) -> Result<i32, DecodeError> {
    i32::read(&mut Decoder::new(frame, 0, false), true)
}
