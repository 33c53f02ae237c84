//! Members that come, go, crash, sleep and wake up again, by seed, on a virtual clock.
//!
//! Checked at every step: invariant 7 (one owner of a partition per generation among the shares that were
//! told; an old generation cannot commit), invariant 8 (what was committed is what is fetched), and that the log
//! replays to the state that wrote it, at every prefix and from every snapshot on.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;

use super::support::*;
use crate::api::ErrorCode;
use crate::api::group::*;
use crate::config::GroupConfig;
use crate::coordinator::shard::{Shard, SnapshotStep};
use crate::env::{Rng, SplitMix64};

const PARTITIONS: i32 = 6;
const GROUP: &str = "g";

#[derive(Debug, Default)]
struct Client {
    instance: Option<&'static str>,
    /// It answers nothing until then.
    asleep_until: Duration,
    member: Option<MemberId>,
    joined: Option<JoinedGroup>,
    share: Vec<i32>,
    stable: bool,
    join: Option<u64>,
    sync: Option<u64>,
}

/// What happened, over all seeds: a simulation that never got there proves nothing.
#[derive(Debug, Default)]
struct Seen {
    shares: u32,
    commits: u32,
    old_generations: u32,
    fenced: u32,
    expired: u32,
    crashes: u32,
    second_divisions: u32,
    failovers: u32,
    snapshots: u32,
}

#[derive(Debug)]
struct Simulation {
    seed: u64,
    rng: SplitMix64,
    world: World,
    clients: Vec<Client>,
    /// Who was told that a partition is theirs.
    owners: BTreeMap<(Generation, i32), (MemberId, Option<&'static str>)>,
    committed: BTreeMap<i32, i64>,
    next_offset: i64,
    /// Replays the log as it grows.
    follower: Shard,
    followed: usize,
    /// Where in the log the snapshot that is being written began.
    begun: Option<usize>,
    seen: Seen,
}

impl Simulation {
    fn new(seed: u64) -> Self {
        let mut clients: Vec<Client> = (0..5).map(|_| Client::default()).collect();
        clients[0].instance = Some("node-0");
        clients[1].instance = Some("node-1");
        Self {
            seed,
            rng: SplitMix64::new(seed),
            world: World::new(GroupConfig::default()),
            clients,
            owners: BTreeMap::new(),
            committed: BTreeMap::new(),
            next_offset: 1,
            follower: Shard::default(),
            followed: 0,
            begun: None,
            seen: Seen::default(),
        }
    }

    fn below(&self, bound: u64) -> u64 {
        self.rng.next_u64() % bound
    }

    fn chance(&self, one_in: u64) -> bool {
        self.below(one_in) == 0
    }

    fn run(mut self) -> Seen {
        for _ in 0..400 {
            self.world.pass(Duration::from_millis(self.below(1500)));
            let which = self.below(5) as usize;
            self.step(which, true);
            if self.chance(6) {
                self.snapshot_step();
            }
            if self.chance(60) {
                self.failover();
            }
            self.check();
        }
        self.heal();
        self.seen
    }

    /// One thing that a client does.
    fn step(&mut self, which: usize, faults: bool) {
        if self.clients[which].asleep_until > self.world.now {
            return;
        }
        if faults && self.chance(30) {
            // Longer than a session: a zombie when it wakes.
            self.clients[which].asleep_until = self.world.now + Duration::from_secs(5 + self.below(40));
            return;
        }
        if faults && self.chance(30) {
            self.seen.crashes += 1;
            self.clients[which] = Client { instance: self.clients[which].instance, ..Client::default() };
            return;
        }
        self.take_answers(which);
        let client = &self.clients[which];
        if client.join.is_some() || client.sync.is_some() {
            return;
        }
        if client.joined.is_none() {
            self.join(which);
        } else if !client.stable {
            self.sync(which);
        } else if faults && self.chance(12) {
            self.leave(which);
        } else if self.chance(2) {
            self.heartbeat(which);
        } else {
            self.commit(which);
        }
    }

    fn take_answers(&mut self, which: usize) {
        if let Some(answer) = self.clients[which].join.and_then(|to| self.world.joined(to)) {
            self.clients[which].join = None;
            match answer {
                Ok(joined) => {
                    let client = &mut self.clients[which];
                    client.member = Some(joined.member.clone());
                    client.joined = Some(joined);
                }
                Err(refused) => self.refused(which, refused.error.code, refused.member),
            }
        }
        if let Some(answer) = self.clients[which].sync.and_then(|to| self.world.synced(to)) {
            self.clients[which].sync = None;
            match answer {
                Ok(synced) => self.told(which, &synced.assignment),
                Err(error) => self.refused(which, error.code, None),
            }
        }
    }

    fn refused(&mut self, which: usize, code: ErrorCode, member: Option<MemberId>) {
        let client = &mut self.clients[which];
        client.joined = None;
        client.stable = false;
        match code {
            ErrorCode::MemberIdRequired => client.member = member,
            ErrorCode::UnknownMemberId => {
                client.member = None;
                self.seen.expired += 1;
            }
            ErrorCode::FencedInstanceId => {
                client.member = None;
                self.seen.fenced += 1;
            }
            ErrorCode::IllegalGeneration => self.seen.old_generations += 1,
            ErrorCode::RebalanceInProgress => {}
            other => panic!("seed {}: {other:?}", self.seed),
        }
    }

    /// Invariant 7: whoever is told of a partition in a generation is the only one.
    fn told(&mut self, which: usize, share: &Bytes) {
        let client = &mut self.clients[which];
        let joined = client.joined.as_ref().unwrap();
        let share = Assignment::decode(share).unwrap();
        client.share = share.partitions.iter().flat_map(|topic| topic.partitions.clone()).collect();
        client.stable = true;
        self.seen.shares += 1;
        for partition in &client.share {
            let me = (joined.member.clone(), client.instance);
            let owner = self.owners.entry((joined.generation, *partition)).or_insert_with(|| me.clone());
            // A static member that starts anew takes over its own share under another name.
            let same = *owner == me || (me.1.is_some() && owner.1 == me.1);
            assert!(
                same,
                "seed {}: partition {partition} of generation {} has owners {owner:?} and {me:?}",
                self.seed, joined.generation
            );
        }
    }

    fn join(&mut self, which: usize) {
        let client = &self.clients[which];
        let instance = client.instance.map(InstanceId::from);
        let requires_known_member = self.below(2) == 0;
        // Some rebalances end before the sessions of those who do not come: a static member is then still one, of
        // an old generation.
        let rebalance_timeout = if self.chance(2) { REBALANCE } else { SESSION / 4 };
        let request =
            JoinGroup { instance, requires_known_member, rebalance_timeout, ..join(GROUP, client.member.as_ref()) };
        let to = self.world.ask_join(&request);
        self.clients[which].join = Some(to);
        self.take_answers(which);
    }

    /// A leader gives each partition to a random member: hardly two divisions are alike. Others divide nothing.
    fn divide(&self, joined: &JoinedGroup) -> Vec<(MemberId, Bytes)> {
        let count = joined.members.len() as u64;
        if count == 0 {
            return Vec::new();
        }
        let mut shares = vec![Vec::new(); joined.members.len()];
        for partition in 0..PARTITIONS {
            shares[self.below(count) as usize].push(partition);
        }
        let encode = |partitions| {
            let partitions = vec![TopicPartitions { topic: topic("emails"), partitions }];
            Assignment { partitions, user_data: None }.encode().unwrap()
        };
        joined.members.iter().map(|m| m.member.clone()).zip(shares.into_iter().map(encode)).collect()
    }

    fn sync(&mut self, which: usize) {
        let joined = self.clients[which].joined.clone().unwrap();
        let mut request = sync(GROUP, &joined, &[]);
        request.instance = self.clients[which].instance.map(InstanceId::from);
        request.assignments = self.divide(&joined);
        let to = self.world.ask_sync(&request);
        self.clients[which].sync = Some(to);
        self.take_answers(which);
    }

    fn heartbeat(&mut self, which: usize) {
        let client = &self.clients[which];
        let joined = client.joined.clone().unwrap();
        if !joined.members.is_empty() && self.chance(3) {
            // A leader that lost the answer to its sync divides once more.
            self.seen.second_divisions += 1;
            self.sync(which);
            return;
        }
        let request = Heartbeat { instance: client.instance.map(InstanceId::from), ..heartbeat(GROUP, &joined) };
        if let Err(error) = self.world.heartbeat(&request) {
            self.refused(which, error.code, None);
        }
    }

    fn commit(&mut self, which: usize) {
        let client = &self.clients[which];
        let joined = client.joined.clone().unwrap();
        let Some(partition) = client.share.get(self.below(PARTITIONS as u64) as usize).copied() else { return };
        let offset = self.next_offset;
        self.next_offset += 1;
        let request = OffsetCommit {
            instance: client.instance.map(InstanceId::from),
            ..commit(GROUP, Some(&joined), partition, offset)
        };
        match self.world.commit(&request) {
            Ok(_) => {
                let now = self.world.shard.describe(&GROUP.into()).generation;
                assert_eq!(joined.generation, now, "seed {}: an old generation has committed", self.seed);
                self.committed.insert(partition, offset);
                self.seen.commits += 1;
            }
            Err(error) => self.refused(which, error.code, None),
        }
    }

    fn leave(&mut self, which: usize) {
        let client = &self.clients[which];
        let member = client.member.clone();
        // A zombie that leaves is told that it is none; either way it is out.
        let _ = self.world.leave(&leaving(GROUP, member.as_ref(), client.instance));
        self.clients[which] = Client { instance: self.clients[which].instance, ..Client::default() };
    }

    fn snapshot_step(&mut self) {
        let before = self.world.log.len();
        match self.world.act(|shard, _, effects| shard.snapshot_step(7, effects)) {
            SnapshotStep::Begin => self.begun = Some(before),
            SnapshotStep::Groups => {}
            SnapshotStep::End => {
                let begun = self.begun.take().unwrap();
                let from_snapshot = self.world.replayed(&self.world.log[begun..]);
                assert_eq!(from_snapshot.shard.durable(), self.world.shard.durable(), "seed {}", self.seed);
                self.seen.snapshots += 1;
            }
        }
    }

    /// Another coordinator takes over; who waited asks again.
    fn failover(&mut self) {
        self.seen.failovers += 1;
        let next = self.world.replayed(&self.world.log);
        assert_eq!(next.shard.durable(), self.world.shard.durable(), "seed {}", self.seed);
        self.world.shard = next.shard;
        self.world.replies.clear();
        self.begun = None;
        for client in &mut self.clients {
            if client.join.take().is_some() || client.sync.take().is_some() {
                client.joined = None;
                client.stable = false;
            }
        }
    }

    fn check(&mut self) {
        let fetched = self.world.shard.fetch(&fetch_all(GROUP));
        let fetched: BTreeMap<i32, i64> = fetched
            .into_iter()
            .map(|one| (one.partition.partition, one.committed.unwrap().unwrap().offset.0))
            .collect();
        assert_eq!(fetched, self.committed, "seed {}: what is fetched is not what was committed", self.seed);
        let Self { world, follower, followed, .. } = self;
        let writes = world.log[*followed..].to_vec();
        *followed = world.log.len();
        world.act(|_, cx, _| {
            for write in &writes {
                follower.replay(cx, &write.key.encode().unwrap(), write.value.as_ref()).unwrap();
            }
        });
        assert_eq!(follower.durable(), world.shard.durable(), "seed {}: replay tells another story", self.seed);
    }

    /// Without faults the group becomes stable, and every partition has an owner.
    fn heal(&mut self) {
        for client in &mut self.clients {
            client.asleep_until = Duration::ZERO;
        }
        for _ in 0..120 {
            self.world.pass(Duration::from_millis(500));
            for which in 0..self.clients.len() {
                self.step(which, false);
            }
            self.check();
        }
        let mut owned: Vec<i32> = self.clients.iter().flat_map(|client| client.share.clone()).collect();
        owned.sort_unstable();
        let stable = self.clients.iter().all(|client| client.stable);
        assert!(stable, "seed {}: not stable a minute after the last fault", self.seed);
        assert_eq!(owned, (0..PARTITIONS).collect::<Vec<_>>(), "seed {}", self.seed);
    }
}

#[test]
fn members_come_and_go_by_seed() {
    let mut all = Seen::default();
    for seed in 0..150 {
        let seen = Simulation::new(seed).run();
        all.shares += seen.shares;
        all.commits += seen.commits;
        all.old_generations += seen.old_generations;
        all.fenced += seen.fenced;
        all.expired += seen.expired;
        all.crashes += seen.crashes;
        all.second_divisions += seen.second_divisions;
        all.failovers += seen.failovers;
        all.snapshots += seen.snapshots;
    }
    let counts = [
        all.shares,
        all.commits,
        all.old_generations,
        all.fenced,
        all.expired,
        all.crashes,
        all.second_divisions,
        all.failovers,
        all.snapshots,
    ];
    assert!(counts.iter().all(|count| *count >= 20), "the simulation has not been everywhere: {all:?}");
}
