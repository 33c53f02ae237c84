//! A hundred members.

use std::collections::BTreeSet;

use super::*;

/// Members before the last one comes.
const MEMBERS: usize = 100;
const PARTITIONS: i32 = 300;

pub(crate) async fn a_newcomer_to_a_hundred_members_stops_nothing_that_stays(place: &impl Place) {
    let client = client_with(place, "t", PARTITIONS).await;
    let seen = Seen::new();
    let (mut handles, mut heard, mut running) = (Vec::new(), Vec::new(), Vec::new());
    for who in 0..MEMBERS {
        let (notes, hears) = notes();
        let consumer = quick(&client, "g").on_rebalance(notes).build().await.unwrap();
        handles.push(consumer.handle());
        heard.push(hears);
        running.push(run(who, consumer, &seen));
    }
    balanced(&handles.iter().collect::<Vec<_>>(), PARTITIONS as usize).await;
    let before: Vec<_> = handles.iter().map(Handle::assignment).collect();
    for (hears, owned) in heard.iter_mut().zip(&before) {
        until_heard(hears, owned).await;
    }

    // Records keep coming to every partition while the newcomer joins.
    let producer = client.producer().build().await.unwrap();
    let (notes_of_last, _hears) = notes();
    let newcomer = quick(&client, "g").on_rebalance(notes_of_last).build().await.unwrap();
    handles.push(newcomer.handle());
    running.push(run(MEMBERS, newcomer, &seen));
    let mut sent = 0;
    while sent == 0 || handles[MEMBERS].assignment().len() < PARTITIONS as usize / (MEMBERS + 1) {
        let deliveries: Vec<_> = (0..PARTITIONS)
            .map(|partition| {
                producer.try_enqueue(Record::to("t").partition(partition).value(sent.to_string())).unwrap()
            })
            .collect();
        for delivery in deliveries {
            delivery.await.unwrap();
        }
        sent += 1;
        // What stays goes on: its owner handles it, whatever the rebalance does.
        seen.until(|all| {
            let moving: BTreeSet<_> = handles[MEMBERS].assignment().into_iter().collect();
            let handled = all.iter().filter(|(_, _, value)| *value == sent - 1).count();
            handled + moving.len() + 3 >= PARTITIONS as usize
        })
        .await;
    }
    balanced(&handles.iter().collect::<Vec<_>>(), PARTITIONS as usize).await;

    // Only what the newcomer has was taken from anyone, and nobody lost or got anything else.
    let moved: BTreeSet<_> = handles[MEMBERS].assignment().into_iter().collect();
    let mut revoked = BTreeSet::new();
    for (hears, owned) in heard.iter_mut().zip(&before) {
        while let Ok(note) = hears.try_recv() {
            match note {
                Heard::Revoked(partitions) => revoked.extend(partitions),
                Heard::Assigned(partitions) => assert!(partitions.is_empty(), "{partitions:?} came to {owned:?}"),
                Heard::Lost(partitions) => panic!("{partitions:?} were lost"),
            }
        }
    }
    assert_eq!(revoked, moved, "what was revoked is what moved");
    for (handle, owned) in handles.iter().zip(&before) {
        let kept: Vec<_> = owned.iter().filter(|partition| !moved.contains(partition)).cloned().collect();
        assert_eq!(handle.assignment(), kept);
    }

    // Every record was handled, and nothing that stayed was read again.
    let places = |all: &[(usize, i32, i64)]| all.iter().map(|(_, at, value)| (*at, *value)).collect::<BTreeSet<_>>();
    seen.until(|all| places(all).len() == (i64::from(PARTITIONS) * sent) as usize).await;
    let mut handled = BTreeSet::new();
    for (who, partition, value) in seen.all() {
        // Of what moved, a record that was out at that moment may come to the new owner as well.
        let once = handled.insert((partition, value)) || moved.contains(&tp("t", partition));
        assert!(once, "t-{partition} value {value} was handled again by {who}");
    }
    let ends = handles.iter().map(|handle| handle.shutdown(PATIENCE));
    for end in futures::future::join_all(ends).await {
        end.unwrap();
    }
    for task in running {
        task.await.unwrap();
    }
    client.close(PATIENCE).await.unwrap();
}
