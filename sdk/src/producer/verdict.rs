//! What an answer means for the batch. Pure.

use ottla_broker_core::api::{Error, ErrorCode};

/// What to do with a batch after a broker's no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is in the log: a retry met the original.
    Written,
    /// Send it again, with the same sequence.
    Retry {
        /// Whether this attempt may have been written.
        in_doubt: bool,
        /// Whether someone else may lead by now.
        refresh: bool,
    },
    /// Not written: it does not follow the last batch that the broker has.
    OutOfOrder,
    /// Not written: the broker knows nothing of the producer.
    StateLost,
    /// Not written: larger than the topic takes.
    TooLarge,
    /// Not written, and never will be.
    Refused,
    /// The producer cannot go on.
    Fenced,
}

/// Judges a broker's answer.
pub(super) const fn judge(error: &Error) -> Verdict {
    match error.code {
        ErrorCode::DuplicateSequenceNumber => Verdict::Written,
        ErrorCode::OutOfOrderSequenceNumber => Verdict::OutOfOrder,
        ErrorCode::UnknownProducerId => Verdict::StateLost,
        ErrorCode::MessageTooLarge | ErrorCode::RecordListTooLarge => Verdict::TooLarge,
        ErrorCode::InvalidProducerEpoch
        | ErrorCode::ProducerFenced
        | ErrorCode::InvalidProducerIdMapping
        | ErrorCode::ClusterAuthorizationFailed => Verdict::Fenced,
        // The request may have arrived, or the write may have happened and its wait failed.
        ErrorCode::NetworkException
        | ErrorCode::RequestTimedOut
        | ErrorCode::KafkaStorageError
        // Also what a leader answers that appended, and was replaced before it could commit.
        | ErrorCode::NotLeaderOrFollower
        | ErrorCode::UnknownServerError => Verdict::Retry { in_doubt: true, refresh: true },
        ErrorCode::NotEnoughReplicasAfterAppend => Verdict::Retry { in_doubt: true, refresh: false },
        ErrorCode::NotEnoughReplicas
        | ErrorCode::CorruptMessage
        | ErrorCode::ThrottlingQuotaExceeded
        | ErrorCode::CoordinatorLoadInProgress
        | ErrorCode::ConcurrentTransactions => Verdict::Retry { in_doubt: false, refresh: false },
        // Nothing was written where nobody leads.
        ErrorCode::BrokerNotAvailable => Verdict::Retry { in_doubt: false, refresh: true },
        _ if error.is_retriable() => Verdict::Retry { in_doubt: false, refresh: true },
        _ => Verdict::Refused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_of_unknown_outcome_is_retried() {
        for code in [ErrorCode::NetworkException, ErrorCode::RequestTimedOut, ErrorCode::NotEnoughReplicasAfterAppend] {
            assert!(matches!(judge(&code.into()), Verdict::Retry { in_doubt: true, .. }), "{code}");
        }
    }

    #[test]
    fn whatever_the_protocol_calls_retriable_is_retried() {
        for &code in ErrorCode::ALL.iter().filter(|code| code.is_retriable()) {
            assert!(matches!(judge(&code.into()), Verdict::Retry { .. }), "{code}");
        }
        assert_eq!(judge(&ErrorCode::Other(999).into()), Verdict::Refused);
        assert_eq!(judge(&ErrorCode::InvalidTimestamp.into()), Verdict::Refused);
    }
}
