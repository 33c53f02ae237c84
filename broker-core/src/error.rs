//! Kafka's error codes.

use std::fmt;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal $kafka:literal $retriable:literal $text:literal,)*) => {
        /// What went wrong, in Kafka's terms: one to one with the protocol's codes (Kafka's
        /// `Errors`), so that every answer of a broker can go over the wire as it is.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum ErrorCode {
            $(#[doc = concat!("`", $kafka, "` (", stringify!($code), "): ", $text, ".")] $name,)*
            /// A code that this version has no name for.
            Other(i16),
        }

        impl ErrorCode {
            /// Every code that has a name.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The number on the wire.
            #[must_use]
            pub const fn code(self) -> i16 {
                match self { $(Self::$name => $code,)* Self::Other(code) => code }
            }

            /// The code of a number on the wire; `None` for 0, which is no error.
            #[must_use]
            pub const fn from_code(code: i16) -> Option<Self> {
                match code { 0 => None, $($code => Some(Self::$name),)* other => Some(Self::Other(other)) }
            }

            /// Kafka's name of the code.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $kafka,)* Self::Other(_) => "UNKNOWN_CODE" }
            }

            /// Whether the same request may succeed if it is sent again, perhaps to another broker.
            #[must_use]
            pub const fn is_retriable(self) -> bool {
                match self { $(Self::$name => $retriable,)* Self::Other(_) => false }
            }

            /// What it means.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self { $(Self::$name => $text,)* Self::Other(_) => "a code without a name here" }
            }
        }
    };
}

codes! {
    UnknownServerError = -1 "UNKNOWN_SERVER_ERROR" false "the broker failed in an unexpected way",
    OffsetOutOfRange = 1 "OFFSET_OUT_OF_RANGE" false "the offset is before the log's start or after its end",
    CorruptMessage = 2 "CORRUPT_MESSAGE" true "a batch's checksum or structure is wrong",
    UnknownTopicOrPartition = 3 "UNKNOWN_TOPIC_OR_PARTITION" true "the broker does not know the topic or partition",
    InvalidFetchSize = 4 "INVALID_FETCH_SIZE" false "the fetch size is not valid",
    LeaderNotAvailable = 5 "LEADER_NOT_AVAILABLE" true "the partition has no leader at the moment",
    NotLeaderOrFollower = 6 "NOT_LEADER_OR_FOLLOWER" true "the broker is not the leader (or a replica) of the partition",
    RequestTimedOut = 7 "REQUEST_TIMED_OUT" true "the request's time limit passed",
    BrokerNotAvailable = 8 "BROKER_NOT_AVAILABLE" false "the broker is not available",
    ReplicaNotAvailable = 9 "REPLICA_NOT_AVAILABLE" true "a replica is not available",
    MessageTooLarge = 10 "MESSAGE_TOO_LARGE" false "the batch is larger than `max.message.bytes` of its topic",
    StaleControllerEpoch = 11 "STALE_CONTROLLER_EPOCH" false "the controller has been replaced",
    OffsetMetadataTooLarge = 12 "OFFSET_METADATA_TOO_LARGE" false "the metadata of a committed offset is too large",
    NetworkException = 13 "NETWORK_EXCEPTION" true "the connection was lost before an answer came",
    CoordinatorLoadInProgress = 14 "COORDINATOR_LOAD_IN_PROGRESS" true "the coordinator is still loading",
    CoordinatorNotAvailable = 15 "COORDINATOR_NOT_AVAILABLE" true "the coordinator is not available",
    NotCoordinator = 16 "NOT_COORDINATOR" true "the broker is not the coordinator",
    InvalidTopic = 17 "INVALID_TOPIC_EXCEPTION" false "the topic's name is not valid or not allowed",
    RecordListTooLarge = 18 "RECORD_LIST_TOO_LARGE" false "the batch is larger than a segment",
    NotEnoughReplicas = 19 "NOT_ENOUGH_REPLICAS" true "fewer replicas are in sync than `min.insync.replicas`; nothing was written",
    NotEnoughReplicasAfterAppend = 20 "NOT_ENOUGH_REPLICAS_AFTER_APPEND" true "fewer replicas are in sync than `min.insync.replicas`; the batch was written",
    InvalidRequiredAcks = 21 "INVALID_REQUIRED_ACKS" false "`acks` is neither 0, 1 nor all",
    IllegalGeneration = 22 "ILLEGAL_GENERATION" false "the member speaks of another generation of its group",
    InconsistentGroupProtocol = 23 "INCONSISTENT_GROUP_PROTOCOL" false "the member has no assignor in common with its group",
    InvalidGroupId = 24 "INVALID_GROUP_ID" false "the group id is not valid",
    UnknownMemberId = 25 "UNKNOWN_MEMBER_ID" false "the coordinator does not know the member",
    InvalidSessionTimeout = 26 "INVALID_SESSION_TIMEOUT" false "the session time-out is out of the broker's range",
    RebalanceInProgress = 27 "REBALANCE_IN_PROGRESS" false "the group is rebalancing: rejoin",
    InvalidCommitOffsetSize = 28 "INVALID_COMMIT_OFFSET_SIZE" false "the committed offset's record is too large",
    TopicAuthorizationFailed = 29 "TOPIC_AUTHORIZATION_FAILED" false "no right to the topic",
    GroupAuthorizationFailed = 30 "GROUP_AUTHORIZATION_FAILED" false "no right to the group",
    ClusterAuthorizationFailed = 31 "CLUSTER_AUTHORIZATION_FAILED" false "no right to the cluster",
    InvalidTimestamp = 32 "INVALID_TIMESTAMP" false "a record's timestamp is out of range",
    UnsupportedSaslMechanism = 33 "UNSUPPORTED_SASL_MECHANISM" false "the broker does not speak this SASL mechanism",
    IllegalSaslState = 34 "ILLEGAL_SASL_STATE" false "the request is not valid in this state of authentication",
    UnsupportedVersion = 35 "UNSUPPORTED_VERSION" false "the broker does not serve this version of the request",
    TopicAlreadyExists = 36 "TOPIC_ALREADY_EXISTS" false "a topic of this name exists",
    InvalidPartitions = 37 "INVALID_PARTITIONS" false "the number of partitions is not valid",
    InvalidReplicationFactor = 38 "INVALID_REPLICATION_FACTOR" false "the replication factor is not valid",
    InvalidReplicaAssignment = 39 "INVALID_REPLICA_ASSIGNMENT" false "the replica assignment is not valid",
    InvalidConfig = 40 "INVALID_CONFIG" false "a config's name or value is not valid",
    NotController = 41 "NOT_CONTROLLER" true "the broker is not the controller",
    InvalidRequest = 42 "INVALID_REQUEST" false "the request contradicts itself",
    UnsupportedForMessageFormat = 43 "UNSUPPORTED_FOR_MESSAGE_FORMAT" false "the message format does not support this",
    PolicyViolation = 44 "POLICY_VIOLATION" false "a policy of the cluster refuses this",
    OutOfOrderSequenceNumber = 45 "OUT_OF_ORDER_SEQUENCE_NUMBER" false "the producer's sequence number does not follow the last one; nothing was written",
    DuplicateSequenceNumber = 46 "DUPLICATE_SEQUENCE_NUMBER" false "the batch was written before",
    InvalidProducerEpoch = 47 "INVALID_PRODUCER_EPOCH" false "a newer incarnation of the producer has written",
    InvalidTxnState = 48 "INVALID_TXN_STATE" false "the transaction is not in a state for this",
    InvalidProducerIdMapping = 49 "INVALID_PRODUCER_ID_MAPPING" false "the producer id does not belong to the transactional id",
    InvalidTransactionTimeout = 50 "INVALID_TRANSACTION_TIMEOUT" false "the transaction's time limit is too long",
    ConcurrentTransactions = 51 "CONCURRENT_TRANSACTIONS" true "another operation of the transaction is under way",
    TransactionCoordinatorFenced = 52 "TRANSACTION_COORDINATOR_FENCED" false "the transaction's coordinator has been replaced",
    TransactionalIdAuthorizationFailed = 53 "TRANSACTIONAL_ID_AUTHORIZATION_FAILED" false "no right to the transactional id",
    SecurityDisabled = 54 "SECURITY_DISABLED" false "security is off",
    OperationNotAttempted = 55 "OPERATION_NOT_ATTEMPTED" false "not tried, because something before it failed",
    KafkaStorageError = 56 "KAFKA_STORAGE_ERROR" true "the broker's storage failed",
    LogDirNotFound = 57 "LOG_DIR_NOT_FOUND" false "no such log directory",
    SaslAuthenticationFailed = 58 "SASL_AUTHENTICATION_FAILED" false "wrong credentials",
    UnknownProducerId = 59 "UNKNOWN_PRODUCER_ID" false "the broker has no state of the producer",
    ReassignmentInProgress = 60 "REASSIGNMENT_IN_PROGRESS" false "the partition is being reassigned",
    InvalidPrincipalType = 67 "INVALID_PRINCIPAL_TYPE" false "the principal's type is not supported",
    NonEmptyGroup = 68 "NON_EMPTY_GROUP" false "the group has members",
    GroupIdNotFound = 69 "GROUP_ID_NOT_FOUND" false "no such group",
    FetchSessionIdNotFound = 70 "FETCH_SESSION_ID_NOT_FOUND" true "no such fetch session",
    InvalidFetchSessionEpoch = 71 "INVALID_FETCH_SESSION_EPOCH" true "the fetch session is in another epoch",
    ListenerNotFound = 72 "LISTENER_NOT_FOUND" true "the leader has no such listener",
    TopicDeletionDisabled = 73 "TOPIC_DELETION_DISABLED" false "topics may not be deleted",
    FencedLeaderEpoch = 74 "FENCED_LEADER_EPOCH" true "the leader epoch of the request is older than the broker's",
    UnknownLeaderEpoch = 75 "UNKNOWN_LEADER_EPOCH" true "the leader epoch of the request is newer than the broker's",
    UnsupportedCompressionType = 76 "UNSUPPORTED_COMPRESSION_TYPE" false "the compression is not supported here",
    StaleBrokerEpoch = 77 "STALE_BROKER_EPOCH" false "the broker has registered again",
    OffsetNotAvailable = 78 "OFFSET_NOT_AVAILABLE" true "the leader cannot tell its high watermark yet",
    MemberIdRequired = 79 "MEMBER_ID_REQUIRED" false "join again with the member id of this answer",
    PreferredLeaderNotAvailable = 80 "PREFERRED_LEADER_NOT_AVAILABLE" true "the preferred leader is not available",
    GroupMaxSizeReached = 81 "GROUP_MAX_SIZE_REACHED" false "the group is full",
    FencedInstanceId = 82 "FENCED_INSTANCE_ID" false "another member has the same group instance id",
    EligibleLeadersNotAvailable = 83 "ELIGIBLE_LEADERS_NOT_AVAILABLE" true "no eligible leader is available",
    ElectionNotNeeded = 84 "ELECTION_NOT_NEEDED" true "the partition has its leader",
    NoReassignmentInProgress = 85 "NO_REASSIGNMENT_IN_PROGRESS" false "no reassignment is in progress",
    GroupSubscribedToTopic = 86 "GROUP_SUBSCRIBED_TO_TOPIC" false "the group is subscribed to the topic",
    InvalidRecord = 87 "INVALID_RECORD" false "a record of the batch is not valid",
    UnstableOffsetCommit = 88 "UNSTABLE_OFFSET_COMMIT" true "an offset commit is still part of an open transaction",
    ThrottlingQuotaExceeded = 89 "THROTTLING_QUOTA_EXCEEDED" true "a quota is used up",
    ProducerFenced = 90 "PRODUCER_FENCED" false "a newer producer has the same transactional id",
    ResourceNotFound = 91 "RESOURCE_NOT_FOUND" false "no such resource",
    DuplicateResource = 92 "DUPLICATE_RESOURCE" false "the resource is named twice",
    UnacceptableCredential = 93 "UNACCEPTABLE_CREDENTIAL" false "the credential is not acceptable",
    UnknownTopicId = 100 "UNKNOWN_TOPIC_ID" true "the broker does not know the topic id",
    DuplicateBrokerRegistration = 101 "DUPLICATE_BROKER_REGISTRATION" false "a live broker has this id",
    BrokerIdNotRegistered = 102 "BROKER_ID_NOT_REGISTERED" false "the broker is not registered",
    InconsistentTopicId = 103 "INCONSISTENT_TOPIC_ID" true "the topic id is not that of the log",
    InconsistentClusterId = 104 "INCONSISTENT_CLUSTER_ID" false "the cluster id is not that of this cluster",
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Other(code) => write!(f, "error code {code}"),
            named => write!(f, "{} ({})", named.text(), named.name()),
        }
    }
}

/// An answer that says no: a code for programs and a sentence for people, which names the topic,
/// partition, offset or config that it is about and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message} [{}]", code.name())]
pub struct Error {
    /// Kafka's code.
    pub code: ErrorCode,
    /// The sentence.
    pub message: String,
}

impl Error {
    /// An error of `code` that says `message`.
    #[must_use]
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// Whether the same request may succeed if it is sent again.
    #[must_use]
    pub const fn is_retriable(&self) -> bool {
        self.code.is_retriable()
    }
}

impl From<ErrorCode> for Error {
    fn from(code: ErrorCode) -> Self {
        Self::new(code, code.text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_survive_the_wire() {
        for &code in ErrorCode::ALL {
            assert_eq!(ErrorCode::from_code(code.code()), Some(code));
        }
        assert_eq!(ErrorCode::from_code(0), None);
        assert_eq!(ErrorCode::from_code(4242), Some(ErrorCode::Other(4242)));
    }
}
