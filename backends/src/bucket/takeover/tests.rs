use std::sync::Arc;
use std::time::Duration;

use object_store::memory::InMemory;
use object_store::throttle::{ThrottleConfig, ThrottledStore};
use object_store::{ObjectStore, PutMode};

use super::*;

/// An owner who creates five numbers while a newcomer creates one is ended nevertheless.
#[tokio::test(start_paused = true)]
async fn an_owner_that_is_faster_is_overtaken() {
    let objects = Arc::new(InMemory::new());
    let env = Env::system();
    let keys = Keys::new("log");
    let number = |n| keys.file(file_number(FileKind::Journal, 1, n));
    let owner = async {
        for n in 1.. {
            env.sleep(Duration::from_millis(2)).await;
            let chunk = vec![0; MARK_BYTES as usize + 1].into();
            if objects.put_opts(&number(n), chunk, PutMode::Create.into()).await.is_err() {
                return n;
            }
        }
        unreachable!("there is no end of numbers")
    };
    let wait = Duration::from_millis(10);
    let config = ThrottleConfig {
        wait_put_per_call: wait,
        wait_get_per_call: wait,
        wait_list_per_call: wait,
        ..ThrottleConfig::default()
    };
    let slow = Arc::new(ThrottledStore::new(Arc::clone(&objects) as Arc<dyn ObjectStore>, config));
    let store = Store::new(slow, env.clone(), &BucketOptions::default());
    let tombstone = Tombstone { id: env.uuid(), by: 2 };
    let newcomer = end_journal(&store, &keys, 1, 1, &tombstone);
    let both = env.timeout(Duration::from_secs(60), async { tokio::join!(owner, newcomer) });
    let (fenced_at, found) = both.await.expect("the owner goes on for ever");
    let found = found.unwrap();
    // All that the owner created is in the journal, and nothing else.
    let wanted: Vec<u64> = (1..fenced_at).map(|n| file_number(FileKind::Journal, 1, n)).collect();
    assert_eq!(found, wanted);
    let (again, ended) = walk_journal(&store, &keys, 1, 1).await.unwrap();
    assert_eq!((again, ended), (found, true));
}
