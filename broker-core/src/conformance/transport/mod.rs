//! The suite of [`ReplicaTransport`](crate::replica::ReplicaTransport): [`transport_suite!`](crate::transport_suite).

pub mod sending;

use super::{Case, TransportSubject};

/// Every case of the suite.
pub const CASES: &[Case<dyn TransportSubject>] = crate::__transport_cases!(__conformance_list, ());

/// Makes a tokio test of each case of the suite of `ReplicaTransport`. The expression gives the
/// `Arc<dyn TransportSubject>` of one case.
#[macro_export]
macro_rules! transport_suite {
    ($subject:expr) => {
        $crate::__transport_cases!(__conformance_tests, $subject);
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __transport_cases {
    ($then:ident, $subject:expr) => {
        $crate::$then! {
            $subject; transport
            sending {
                an_answer_is_that_of_its_request,
                answers_are_not_mixed_up,
                nobody_answers_for_an_absent_node,
                a_node_that_leaves_is_unreachable,
                a_dropped_send_leaves_the_pipe_whole,
            }
        }
    };
}
