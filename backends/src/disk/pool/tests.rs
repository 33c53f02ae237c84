//! Jobs run on a bounded number of threads, and an end leaves nobody waiting.

use std::collections::BTreeSet;
use std::sync::{Arc, Barrier, mpsc};

use super::Pool;

#[test]
fn jobs_run_beside_each_other_on_a_bounded_number_of_threads() {
    let pool = Pool::new(2);
    // Neither of them goes on before the other has begun.
    let meeting = Arc::new(Barrier::new(2));
    let answers: Vec<_> = (0..2)
        .map(|_| {
            let meeting = Arc::clone(&meeting);
            pool.run(move || {
                meeting.wait();
            })
        })
        .collect();
    for answer in answers {
        answer.blocking_recv().unwrap();
    }
    let answers: Vec<_> = (0..100).map(|_| pool.run(|| format!("{:?}", std::thread::current().id()))).collect();
    let threads: BTreeSet<_> = answers.into_iter().map(|answer| answer.blocking_recv().unwrap()).collect();
    assert!(threads.len() <= 2, "{threads:?}");
    assert!(pool.lock().threads.len() <= 2);
    pool.end();
}

#[test]
fn nobody_waits_for_a_pool_that_ended() {
    let pool = Pool::new(1);
    let (go, wait) = mpsc::channel::<()>();
    let (begun, begins) = mpsc::channel();
    let runs = pool.run(move || {
        begun.send(()).unwrap();
        wait.recv().unwrap();
        7
    });
    let waits = pool.run(|| 8);
    begins.recv().unwrap();
    let ending = Arc::clone(&pool);
    let end = std::thread::spawn(move || ending.end());
    assert!(waits.blocking_recv().is_err(), "what was not begun is not done");
    go.send(()).unwrap();
    assert_eq!(runs.blocking_recv().unwrap(), 7, "what was begun is");
    end.join().unwrap();
    assert!(pool.run(|| 9).blocking_recv().is_err());
}

#[test]
fn a_job_that_panics_takes_no_thread_with_it() {
    let pool = Pool::new(1);
    for _ in 0..3 {
        assert!(pool.run(|| panic!("on purpose")).blocking_recv().is_err());
    }
    assert_eq!(pool.run(|| 5).blocking_recv().unwrap(), 5);
    pool.end();
}

#[test]
fn without_threads_jobs_run_where_they_are_given() {
    let pool = Pool::new(0);
    let here = std::thread::current().id();
    assert!(pool.run(move || std::thread::current().id() == here).blocking_recv().unwrap());
}
