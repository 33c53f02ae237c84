//! A network that misbehaves.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures::future::join_all;
use ottla_backends::memory::network::{MemoryNetwork, NetworkCounts, NetworkFaults};
use ottla_broker_core::BrokerId;
use ottla_broker_core::env::Env;
use ottla_broker_core::replica::{PeerHandler, PeerRequest, PeerResponse, ReplicaTransport, TransportError};

const ONE: BrokerId = BrokerId(1);
const TWO: BrokerId = BrokerId(2);

#[derive(Debug, Default)]
struct Counter(AtomicU64);

#[async_trait]
impl PeerHandler for Counter {
    async fn handle(&self, _from: BrokerId, _request: PeerRequest) -> PeerResponse {
        self.0.fetch_add(1, Ordering::Relaxed);
        PeerResponse::EpochEnds(Vec::new())
    }
}

fn request() -> PeerRequest {
    PeerRequest::EpochEnds(Vec::new())
}

async fn run(seed: u64, faults: NetworkFaults, requests: u64) -> (NetworkCounts, u64, u64) {
    let env = Env::seeded(seed);
    let network = MemoryNetwork::new(env.clone());
    let handler = Arc::new(Counter::default());
    let one = network.join(ONE, Arc::new(Counter::default()));
    network.join(TWO, Arc::clone(&handler) as _);
    network.set_faults(faults);
    let mut failed = 0;
    for _ in 0..requests {
        match one.send(TWO, request()).await {
            Ok(_) => {}
            Err(TransportError::Lost(TWO, _)) => failed += 1,
            Err(error) => panic!("{error}"),
        }
    }
    // Duplicates arrive later.
    env.sleep(Duration::from_secs(60)).await;
    (network.counts(), handler.0.load(Ordering::Relaxed), failed)
}

#[tokio::test(start_paused = true)]
async fn every_fault_happens_and_is_counted() {
    let faults = NetworkFaults {
        drop_request: 100,
        drop_answer: 100,
        duplicate: 100,
        reorder: 100,
        reorder_by: Duration::from_secs(1),
        min_delay: Duration::from_millis(1),
        max_delay: Duration::from_millis(5),
        lost_after: Duration::from_millis(100),
    };
    let (counts, handled, failed) = run(5, faults, 1000).await;
    assert_eq!(counts.sent, 1000);
    assert_eq!(counts.handled, handled);
    assert_eq!(counts.handled, 1000 - counts.requests_dropped + counts.duplicated);
    assert_eq!(failed, counts.requests_dropped + counts.answers_dropped);
    assert_eq!(counts.answered, 1000 - failed);
    for count in [counts.requests_dropped, counts.answers_dropped, counts.duplicated] {
        assert!((50..200).contains(&count), "about one in ten: {counts:?}");
    }
    assert!(counts.reordered > 0 && counts.delayed > 1000, "{counts:?}");
    assert_eq!(run(5, faults, 1000).await, (counts, handled, failed), "the same seed, the same run");
    assert_ne!(run(6, faults, 1000).await.0, counts, "another seed, another run");
}

#[tokio::test(start_paused = true)]
async fn later_requests_overtake_those_held_back() {
    let env = Env::seeded(2);
    let network = MemoryNetwork::new(env.clone());
    let one = network.join(ONE, Arc::new(Counter::default()));
    network.join(TWO, Arc::new(Counter::default()));
    network.set_faults(NetworkFaults { reorder: 300, reorder_by: Duration::from_secs(1), ..NetworkFaults::default() });
    let done = std::sync::Mutex::new(Vec::new());
    join_all((0..50).map(|n| {
        let (one, done) = (&one, &done);
        async move {
            one.send(TWO, request()).await.unwrap();
            done.lock().unwrap().push(n);
        }
    }))
    .await;
    let done = done.into_inner().unwrap();
    assert!(!done.is_sorted(), "nothing was overtaken: {done:?}");
}

#[tokio::test(start_paused = true)]
async fn a_link_is_cut_one_way() {
    let network = MemoryNetwork::new(Env::seeded(1));
    let (in_one, in_two) = (Arc::new(Counter::default()), Arc::new(Counter::default()));
    let one = network.join(ONE, Arc::clone(&in_one) as _);
    let two = network.join(TWO, Arc::clone(&in_two) as _);
    network.cut(ONE, TWO);
    assert!(one.send(TWO, request()).await.is_err());
    assert_eq!(in_two.0.load(Ordering::Relaxed), 0, "the request did not arrive");
    assert!(two.send(ONE, request()).await.is_err());
    assert_eq!(in_one.0.load(Ordering::Relaxed), 1, "the request arrived, its answer did not");
    assert_eq!(network.counts().cut, 2);
    network.mend(ONE, TWO);
    one.send(TWO, request()).await.unwrap();
    network.isolate(ONE);
    assert!(one.send(TWO, request()).await.is_err() && two.send(ONE, request()).await.is_err());
    network.heal();
    two.send(ONE, request()).await.unwrap();
}

#[tokio::test]
async fn a_broker_that_left_hears_and_says_nothing() {
    let network = MemoryNetwork::new(Env::seeded(1));
    let one = network.join(ONE, Arc::new(Counter::default()));
    let two = network.join(TWO, Arc::new(Counter::default()));
    network.leave(TWO);
    assert!(matches!(one.send(TWO, request()).await, Err(TransportError::Unreachable(TWO, _))));
    assert_eq!(two.send(ONE, request()).await.unwrap_err(), TransportError::Closed);
    let again = network.join(TWO, Arc::new(Counter::default()));
    assert_eq!(two.send(ONE, request()).await.unwrap_err(), TransportError::Closed, "the old incarnation");
    again.send(ONE, request()).await.unwrap();
    one.send(TWO, request()).await.unwrap();
}
