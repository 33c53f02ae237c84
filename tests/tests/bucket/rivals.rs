//! What all rests on, asked of the endpoint itself, this process's or another: of many creates one wins, and who was
//! robbed acknowledges nothing more.

use futures::future::join_all;
use object_store::path::Path;
use object_store::{Error, ObjectStoreExt, PutMode, PutOptions};
use ottla_broker_core::log::LogStorage as _;

use super::endpoint::Endpoint;
use super::zombies::{Truth, Writer, assert_has};

const ROUNDS: usize = 4;
const WRITERS: usize = 32;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_creates_exactly_one_wins() {
    let place = Endpoint::any();
    let store = place.own_store();
    for round in 0..ROUNDS {
        let path = Path::from(format!("{}/race/{round}", place.prefix()));
        let tries = join_all((0..WRITERS).map(|writer| {
            let (store, path) = (store.clone(), path.clone());
            // Tasks of their own, so that they really run at once.
            #[expect(clippy::disallowed_methods, reason = "tasks of the test itself")]
            tokio::spawn(async move {
                let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
                let body = format!("writer {writer}");
                (store.put_opts(&path, body.clone().into(), options).await, body)
            })
        }));
        let mut winners = Vec::new();
        for outcome in tries.await {
            match outcome.unwrap() {
                (Ok(_), body) => winners.push(body),
                (Err(Error::AlreadyExists { .. }), _) => {}
                (Err(error), _) => panic!("{error}"),
            }
        }
        assert_eq!(winners.len(), 1, "{winners:?}");
        let there = store.get(&path).await.unwrap().bytes().await.unwrap();
        assert_eq!(there, winners[0]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_robbed_acknowledges_nothing_more() {
    let place = Endpoint::any();
    let mut truth = Truth::default();
    let a = Writer::over(place.own_store(), &place, place.log_options(), "a", 1).await;
    a.write(&mut truth).await;
    let b = Writer::over(place.own_store(), &place, place.log_options(), "b", 2).await;
    let before = b.read().await;
    assert_has(&before, &truth);
    // It does not know yet.
    let (load, refused) = a.append(&mut truth);
    for (value, _, ticket) in load {
        a.is_told(&ticket.await.expect_err(&format!("{value} was acknowledged to who was robbed")));
    }
    refused.iter().for_each(|error| a.is_told(error));
    assert_eq!(b.read().await, before, "written behind the new owner");
    b.write(&mut truth).await;
    b.backend.logs().close().await.unwrap();
    let c = Writer::over(place.own_store(), &place, place.log_options(), "c", 3).await;
    assert_has(&c.read().await, &truth);
    c.backend.logs().close().await.unwrap();
}
