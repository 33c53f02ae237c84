//! Requests and their answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use async_trait::async_trait;
use futures::future::join_all;

use crate::api::EpochEnd;
use crate::conformance::TransportSubject;
use crate::conformance::support::soon;
use crate::ids::{BrokerId, LeaderEpoch, Offset, TopicName, TopicPartition};
use crate::replica::{PeerHandler, PeerRequest, PeerResponse, ReplicaTransport, TransportError};

/// Answers where epoch `e` ends with `1000 · asker + 100 · self + e`.
#[derive(Debug)]
struct Echo {
    own: BrokerId,
    handled: AtomicUsize,
}

impl Echo {
    fn new(own: i32) -> Arc<Self> {
        Arc::new(Self { own: BrokerId(own), handled: AtomicUsize::new(0) })
    }
}

fn expected(from: i32, node: i32, epoch: i32) -> Offset {
    Offset(i64::from(1000 * from + 100 * node + epoch))
}

#[async_trait]
impl PeerHandler for Echo {
    async fn handle(&self, from: BrokerId, request: PeerRequest) -> PeerResponse {
        self.handled.fetch_add(1, Ordering::Relaxed);
        // Let others overtake.
        tokio::task::yield_now().await;
        match request {
            PeerRequest::Fetch(_) => PeerResponse::Fetch(Vec::new()),
            PeerRequest::EpochEnds(asked) => PeerResponse::EpochEnds(
                asked
                    .into_iter()
                    .map(|(_, _, epoch)| {
                        Ok(EpochEnd { epoch: Some(epoch), end: expected(from.0, self.own.0, epoch.0) })
                    })
                    .collect(),
            ),
        }
    }
}

fn ask(epochs: &[i32]) -> PeerRequest {
    let partition = TopicPartition { topic: TopicName::new("topic").unwrap(), partition: 0 };
    PeerRequest::EpochEnds(
        epochs.iter().map(|epoch| (partition.clone(), LeaderEpoch(9), LeaderEpoch(*epoch))).collect(),
    )
}

async fn check(transport: &dyn ReplicaTransport, from: i32, node: i32, epochs: &[i32]) {
    let answer = soon("send", transport.send(BrokerId(node), ask(epochs))).await.unwrap();
    let PeerResponse::EpochEnds(ends) = answer else { panic!("another kind of answer: {answer:?}") };
    let ends: Vec<_> = ends.into_iter().map(|end| end.unwrap().end).collect();
    let wanted: Vec<_> = epochs.iter().map(|epoch| expected(from, node, *epoch)).collect();
    assert_eq!(ends, wanted, "asked by {from} of {node}");
}

/// The handler learns who asks, and the asker gets all of the answer in order; once for each request.
pub async fn an_answer_is_that_of_its_request(subject: Arc<dyn TransportSubject>) {
    let handler = Echo::new(2);
    let one = subject.join(BrokerId(1), Echo::new(1)).await;
    subject.join(BrokerId(2), Arc::clone(&handler) as _).await;
    check(&*one, 1, 2, &[7, 3, 5]).await;
    check(&*one, 1, 2, &[]).await;
    check(&*one, 1, 1, &[4]).await;
    assert_eq!(handler.handled.load(Ordering::Relaxed), 2);
}

/// Many requests under way, between many nodes.
pub async fn answers_are_not_mixed_up(subject: Arc<dyn TransportSubject>) {
    let mut transports = Vec::new();
    for node in 1..=3 {
        transports.push((node, subject.join(BrokerId(node), Echo::new(node)).await));
    }
    let mut under_way = Vec::new();
    for (from, transport) in &transports {
        for node in 1..=3 {
            for epoch in 0..20 {
                under_way.push(async move { check(&**transport, *from, node, &[epoch, epoch + 1]).await });
            }
        }
    }
    join_all(under_way).await;
}

/// A node that never joined cannot be reached, and the error names it.
pub async fn nobody_answers_for_an_absent_node(subject: Arc<dyn TransportSubject>) {
    let one = subject.join(BrokerId(1), Echo::new(1)).await;
    let error = soon("send", one.send(BrokerId(42), ask(&[1]))).await.unwrap_err();
    assert!(matches!(error, TransportError::Unreachable(BrokerId(42), _)), "{error:?}");
    assert!(error.to_string().contains("42"), "{error}");
}

/// Nor can one that left, until it is there again.
pub async fn a_node_that_leaves_is_unreachable(subject: Arc<dyn TransportSubject>) {
    let one = subject.join(BrokerId(1), Echo::new(1)).await;
    subject.join(BrokerId(2), Echo::new(2)).await;
    check(&*one, 1, 2, &[1]).await;
    subject.leave(BrokerId(2)).await;
    let error = soon("send", one.send(BrokerId(2), ask(&[1]))).await.unwrap_err();
    assert!(
        matches!(error, TransportError::Unreachable(BrokerId(2), _) | TransportError::Lost(BrokerId(2), _)),
        "{error:?}"
    );
    subject.join(BrokerId(2), Echo::new(2)).await;
    check(&*one, 1, 2, &[2]).await;
}

/// Dropping a request that is under way disturbs no other.
pub async fn a_dropped_send_leaves_the_pipe_whole(subject: Arc<dyn TransportSubject>) {
    let one = subject.join(BrokerId(1), Echo::new(1)).await;
    subject.join(BrokerId(2), Echo::new(2)).await;
    for epoch in 0..20 {
        let mut dropped = one.send(BrokerId(2), ask(&[epoch]));
        std::future::poll_fn(|cx| {
            drop(dropped.as_mut().poll(cx));
            Poll::Ready(())
        })
        .await;
        drop(dropped);
        check(&*one, 1, 2, &[epoch + 100]).await;
    }
}
