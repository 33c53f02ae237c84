//! What readers hold, and what they take of the budget that they share.

use super::super::reader::{Frame, Read, Reader, SMALL};
use super::*;
use crate::budget::{Budget, Share};

/// Of what the budget has, a quarter is for short frames.
const LONG: usize = 3 << 20;
const SHORT: usize = 1 << 20;

/// A reader of its own pipe.
struct Side {
    reader: Reader,
    client: DuplexStream,
    server: DuplexStream,
}

impl Side {
    fn new(budget: &Arc<Budget>) -> Self {
        let (client, server) = tokio::io::duplex(1 << 20);
        Self { reader: Reader::new(100 << 20, Arc::clone(budget)), client, server }
    }

    async fn announce(&mut self, len: usize) {
        self.client.write_all(&i32::try_from(len).unwrap().to_be_bytes()).await.unwrap();
    }

    /// Sends bytes and lets them be read as far as that goes.
    async fn send(&mut self, bytes: usize) {
        self.client.write_all(&vec![7; bytes]).await.unwrap();
        read_all(&mut self.reader, &mut self.server).await;
    }

    async fn frame(&mut self) -> Frame {
        next(&mut self.reader, &mut self.server).await
    }
}

/// Reads all that has arrived.
async fn read_all(reader: &mut Reader, from: &mut DuplexStream) {
    loop {
        let read = Box::pin(reader.read(from, true));
        match futures::future::select(read, Box::pin(tokio::task::yield_now())).await {
            futures::future::Either::Left((Ok(Read::Ahead), _)) => {}
            futures::future::Either::Left(_) => panic!("no frame is whole"),
            futures::future::Either::Right(_) => return,
        }
    }
}

/// The next frame, once it is there.
async fn next(reader: &mut Reader, from: &mut DuplexStream) -> Frame {
    loop {
        match reader.read(from, true).await.unwrap() {
            Read::Frame(frame) => return frame,
            Read::Ahead => {}
            Read::End => panic!("no frame"),
        }
    }
}

#[tokio::test]
async fn who_announces_much_and_sends_little_holds_little() {
    let budget = Arc::new(Budget::new(SHORT + LONG));
    let mut side = Side::new(&budget);
    side.announce(100 << 20).await;
    side.send(1_000).await;
    assert_eq!(side.reader.held(), 1_004);
    assert_eq!(budget.left(), (SHORT, LONG), "what was announced is not taken for it");

    // Only what comes makes room for more, and is paid for.
    let mut arrived = 1_004;
    for _ in 0..40 {
        side.send(10_000).await;
        arrived += 10_000;
        let held = side.reader.held();
        assert!(held <= arrived * 4, "{arrived} bytes came and {held} are held");
        assert!(LONG - budget.left().1 + 2 * SMALL >= held, "{held} bytes are held and {:?} are left", budget.left());
    }
}

#[tokio::test]
async fn a_short_frame_waits_until_the_budget_has_room() {
    let budget = Arc::new(Budget::new(SHORT + LONG));
    let taken = budget.short(SHORT - 1_000).ok().unwrap();
    let mut side = Side::new(&budget);
    side.announce(2_000).await;
    side.send(2_000).await;
    assert!(side.reader.is_waiting());
    assert_eq!(side.reader.under_way(), None, "the client is not late");
    drop(taken);
    let frame = side.frame().await;
    assert_eq!((frame.bytes.len(), budget.left()), (2_000, (SHORT - 2_000, LONG)));
    drop(frame);
    assert_eq!(budget.left(), (SHORT, LONG));
}

#[tokio::test]
async fn a_long_frame_waits_until_the_budget_has_room() {
    let budget = Arc::new(Budget::new(SHORT + LONG));
    let taken = budget.long(&Share::default(), LONG).ok().unwrap();
    let (mut first, mut side) = (Side::new(&budget), Side::new(&budget));
    first.announce(20_000).await;
    first.send(20_000 - 1).await;
    side.announce(20_000).await;
    side.send(20_000).await;
    assert!(!first.reader.is_waiting(), "one may go on beyond the budget");
    assert!(side.reader.is_waiting());
    assert!(side.reader.held() <= 2 * SMALL, "nothing is read beyond the part that needs no budget");
    drop(taken);
    let frame = side.frame().await;
    assert_eq!((frame.bytes.len(), budget.left()), (20_000, (SHORT, LONG - 20_000)));
    drop(frame);
    assert_eq!(budget.left(), (SHORT, LONG));
}

#[tokio::test]
async fn who_only_announces_is_in_nobodys_way() {
    let budget = Arc::new(Budget::new(SHORT + LONG));
    let mut stalled: Vec<_> = (0..20).map(|_| Side::new(&budget)).collect();
    for side in &mut stalled {
        side.announce(LONG).await;
        side.send(SMALL).await;
    }
    let mut honest = Side::new(&budget);
    for len in [100, 1 << 19] {
        honest.announce(len).await;
        honest.client.write_all(&vec![7; len]).await.unwrap();
        let comes = async { honest.frame().await.bytes.len() == len };
        assert!(at_once(comes).await, "a frame waits for those that only announce");
    }
}

/// What comes of work that needs nobody else; `false` if it has no end.
async fn at_once(work: impl Future<Output = bool>) -> bool {
    let long_enough = async {
        for _ in 0..1_000 {
            tokio::task::yield_now().await;
        }
        false
    };
    futures::future::select(Box::pin(work), Box::pin(long_enough)).await.factor_first().0
}

#[tokio::test]
async fn half_read_frames_do_not_wait_for_one_another() {
    let budget = Arc::new(Budget::new(SHORT + LONG));
    let mut sides: Vec<_> = (0..8).map(|_| Side::new(&budget)).collect();
    // All together they have more than there is, and each a part of it.
    for side in &mut sides {
        side.announce(1 << 20).await;
        side.send(400_000).await;
    }
    assert!(sides.iter().filter(|side| side.reader.is_waiting()).count() > 1);
    let mut small = Side::new(&budget);
    small.announce(100).await;
    small.client.write_all(&[7; 100]).await.unwrap();
    assert_eq!(small.frame().await.bytes.len(), 100, "short ones do not wait for long ones");
    for side in &mut sides {
        side.client.write_all(&vec![7; (1 << 20) - 400_000]).await.unwrap();
    }
    let frames = futures::future::join_all(sides.iter_mut().map(async |side| drop(side.frame().await)));
    let come = async { frames.await.len() == 8 };
    assert!(at_once(come).await, "they wait for one another");
    drop(sides);
    assert_eq!(budget.left(), (SHORT, LONG));
}

#[tokio::test(start_paused = true)]
async fn who_announces_much_and_stalls_is_closed_as_soon_as_others() {
    let limits = Limits::default();
    let shared = shared(limits.clone()).await;
    let (mut client, ended) = connect(&shared, 64 << 10);
    let since = shared.env.now();
    client.write_all(&(100_i32 << 20).to_be_bytes()).await.unwrap();
    client.write_all(&[0; 20_000]).await.unwrap();
    assert_eq!(ended.await.unwrap().name(), "slow_sender");
    assert_eq!(shared.env.now().since(since), limits.receive);
}

#[tokio::test(start_paused = true)]
async fn who_sends_a_long_request_at_a_fair_pace_is_served_and_then_may_not_stall() {
    let limits = Limits::default();
    let shared = shared(limits.clone()).await;
    let (mut client, ended) = connect(&shared, 1 << 20);
    client.write_all(&(100_i32 << 20).to_be_bytes()).await.unwrap();
    for _ in 0..100 {
        client.write_all(&vec![0; Limits::SLOWEST + 10_000]).await.unwrap();
        shared.env.sleep(Duration::from_secs(1)).await;
    }
    assert!(!ended.is_finished(), "it is no slower than it may be");
    let since = shared.env.now();
    assert_eq!(ended.await.unwrap().name(), "slow_sender");
    assert!(shared.env.now().since(since) <= limits.receive, "what came before gives no time to stall");
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_the_budget_is_not_late_with_anything() {
    for mechanisms in [&[][..], &[crate::Mechanism::Plain]] {
        let broker = Broker::start(BrokerConfig::default(), ottla_backends::memory::backend(), Env::seeded(1));
        let shared = Shared::asking(broker.await.unwrap(), Limits::default(), mechanisms);
        let taken = shared.budget.short(Limits::default().request_bytes / 4).ok().unwrap();
        let (mut client, ended) = connect(&shared, 64 << 10);
        client.write_all(&api_versions()).await.unwrap();
        shared.env.sleep(Limits::default().idle * 2).await;
        assert!(!ended.is_finished());
        drop(taken);
        let mut answer = [0; 4];
        client.read_exact(&mut answer).await.unwrap();
    }
}

#[tokio::test]
async fn frames_of_all_sizes_come_out_as_they_went_in() {
    let Side { mut reader, mut client, mut server } = Side::new(&Arc::new(Budget::new(10 << 20)));
    let sizes = [0, 1, 3, 1_000, SMALL - 5, SMALL - 4, SMALL - 3, SMALL, SMALL + 1, 100_000, 2, 300_000, 5];
    let mut bytes = Vec::new();
    for size in sizes {
        bytes.extend_from_slice(&i32::try_from(size).unwrap().to_be_bytes());
        bytes.extend((0..size).map(|at| u8::try_from((at + size) % 251).unwrap()));
    }
    for chunk in [1, 7, 4_096, SMALL, bytes.len()] {
        let write = async {
            for part in bytes.chunks(chunk) {
                client.write_all(part).await.unwrap();
            }
        };
        let read = async {
            for size in sizes {
                let frame = next(&mut reader, &mut server).await;
                assert_eq!(frame.bytes.len(), size);
                assert!(frame.bytes.iter().enumerate().all(|(at, byte)| usize::from(*byte) == (at + size) % 251));
            }
        };
        futures::future::join(write, read).await;
    }
    assert_eq!(reader.held(), 0, "an idle connection holds no buffer");
}
