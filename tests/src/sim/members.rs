//! Members of a group, on the seam itself: they join, share, consume, commit, stall, crash and leave.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ottla::Cluster;
use ottla_broker_core::api::group::{
    Generation, GroupId, GroupProtocol, Heartbeat, JoinGroup, JoinedGroup, LeaveGroup, LeavingMember, MemberId,
    OffsetCommit, OffsetCommitPartition, OffsetFetch, OffsetsWanted, SyncGroup,
};
use ottla_broker_core::api::{Error, ErrorCode, FetchPartition, FetchRequest, IsolationLevel};
use ottla_broker_core::{BrokerId, Offset, TopicName, TopicPartition};

use super::chance::Chance;
use super::groups::is_certain;
use super::run::Shared;

const GROUP: &str = "g";
const SESSION: Duration = Duration::from_secs(6);
const REBALANCE: Duration = Duration::from_secs(8);

/// Why a member's life in a generation ended.
enum End {
    /// It joins again, under its name.
    Rejoin,
    /// It joins again under a new name.
    Unknown,
    /// It is gone.
    Gone,
}

struct Member {
    shared: Shared,
    chance: Chance,
    cluster: Arc<dyn Cluster>,
    id: Option<MemberId>,
    coordinator: BrokerId,
    /// The generation before.
    before: Option<JoinedGroup>,
}

/// Runs member after member until the run ends.
pub(super) async fn run(shared: Shared, chance: Chance) {
    let cluster = shared.cluster.cluster();
    let mut member = Member {
        shared: shared.clone(),
        chance: chance.clone(),
        cluster,
        id: None,
        coordinator: BrokerId(0),
        before: None,
    };
    while !shared.is_over() {
        match member.join().await {
            Some(joined) => match member.live(&joined).await {
                End::Rejoin => {}
                End::Unknown | End::Gone => member.id = None,
            },
            None => chance.0.sleep(chance.ms(20, 500)).await,
        }
    }
}

impl Member {
    fn event(&self, what: std::fmt::Arguments<'_>) {
        self.shared.history.event(format_args!("member {}: {what}", self.id.as_ref().map_or("?", MemberId::as_str)));
    }

    /// The partitions of the group's topic, by number; each with its place in the history.
    fn partitions(&self) -> impl Iterator<Item = (i32, usize)> {
        let topic = self.shared.partitions[0].0;
        let all = self.shared.partitions.iter().enumerate();
        all.filter(move |(_, (name, _))| *name == topic).map(|(at, (_, partition))| (*partition, at))
    }

    fn name(&self, partition: i32) -> TopicPartition {
        TopicPartition::new(TopicName::new(self.shared.partitions[0].0).unwrap(), partition)
    }

    async fn join(&mut self) -> Option<JoinedGroup> {
        match self.cluster.find_coordinator(&GroupId::from(GROUP)).await {
            Ok(coordinator) => self.coordinator = coordinator,
            Err(error) => {
                self.event(format_args!("no coordinator: {error}"));
                return None;
            }
        }
        let request = JoinGroup {
            group: GROUP.into(),
            member: self.id.clone(),
            instance: None,
            client_id: "sim".into(),
            client_host: "sim".into(),
            session_timeout: SESSION,
            rebalance_timeout: REBALANCE,
            protocol_type: "sim".into(),
            protocols: vec![GroupProtocol { name: "turns".into(), metadata: Bytes::new() }],
            requires_known_member: true,
            can_skip_assignment: false,
        };
        match self.cluster.join_group(self.coordinator, request).await {
            Ok(joined) => {
                self.id = Some(joined.member.clone());
                self.event(format_args!("joined generation {} of {}", joined.generation, joined.members.len()));
                self.shared.history.count("member joined");
                let is_new = self.shared.history.groups(|groups| Ok(groups.generation(joined.generation.0)));
                if is_new == Some(true) {
                    self.shared.history.count("rebalance");
                }
                Some(joined)
            }
            Err(refused) => {
                self.event(format_args!("not joined: {refused}"));
                match refused.error.code {
                    ErrorCode::MemberIdRequired => {
                        self.id = refused.member;
                        // It has a name now.
                        Box::pin(self.join()).await
                    }
                    ErrorCode::UnknownMemberId | ErrorCode::FencedInstanceId => {
                        self.id = None;
                        None
                    }
                    ErrorCode::NotCoordinator => {
                        self.shared.history.count("coordinator moved");
                        None
                    }
                    _ => None,
                }
            }
        }
    }

    /// Shares that the leader gives: every member in turn.
    fn shares(&self, joined: &JoinedGroup) -> Vec<(MemberId, Bytes)> {
        if joined.leader != joined.member {
            return Vec::new();
        }
        let count = joined.members.len();
        let share = |nth: usize| -> String {
            let own = self
                .partitions()
                .map(|(partition, _)| partition)
                .filter(|p| usize::try_from(*p).unwrap() % count == nth);
            own.map(|partition| partition.to_string()).collect::<Vec<_>>().join(",")
        };
        joined.members.iter().enumerate().map(|(nth, member)| (member.member.clone(), share(nth).into())).collect()
    }

    async fn live(&mut self, joined: &JoinedGroup) -> End {
        let generation = joined.generation;
        let sync = SyncGroup {
            group: GROUP.into(),
            generation,
            member: joined.member.clone(),
            instance: None,
            protocol_type: Some("sim".into()),
            protocol: Some("turns".into()),
            assignments: self.shares(joined),
        };
        let synced = match self.cluster.sync_group(self.coordinator, sync).await {
            Ok(synced) => synced,
            Err(error) => return self.refused("sync", &error).await,
        };
        let own: Vec<i32> =
            std::str::from_utf8(&synced.assignment).unwrap_or_default().split(',').flat_map(str::parse).collect();
        self.event(format_args!("owns {own:?} in generation {generation}"));
        self.shared.history.groups(|groups| groups.owns(generation.0, joined.member.as_str(), &own));
        let mut positions = match self.positions(&own).await {
            Ok(positions) => positions,
            Err(error) => return self.refused("offset fetch", &error).await,
        };
        // A commit that was long on its way: its generation is over, and it must not count.
        if let Some(before) = self.before.replace(joined.clone())
            && before.member == joined.member
            && self.chance.one_in(3)
        {
            let stale: Vec<_> = positions.iter().map(|(partition, _)| (*partition, 0)).collect();
            let _ = self.commit(&before, &stale).await;
        }
        loop {
            self.chance.0.sleep(self.chance.ms(50, 1_500)).await;
            if self.shared.is_over() {
                return End::Gone;
            }
            if !self.shared.is_healed()
                && let Some(end) = self.trouble(joined).await
            {
                return end;
            }
            for (partition, position) in &mut positions {
                *position = self.consume(*partition, *position).await;
            }
            if let Err(error) = self.commit(joined, &positions).await {
                return self.refused("commit", &error).await;
            }
            let heartbeat =
                Heartbeat { group: GROUP.into(), generation, member: joined.member.clone(), instance: None };
            if let Err(error) = self.cluster.heartbeat(self.coordinator, heartbeat).await {
                return self.refused("heartbeat", &error).await;
            }
        }
    }

    /// What happens to members.
    async fn trouble(&mut self, joined: &JoinedGroup) -> Option<End> {
        match self.chance.between(0, 60) {
            0 => {
                self.event(format_args!("crashes"));
                self.shared.history.count("member crashed");
                self.chance.0.sleep(self.chance.ms(100, 8_000)).await;
                Some(End::Gone)
            }
            1 => {
                self.event(format_args!("leaves"));
                self.shared.history.count("member left");
                let leaving = LeavingMember { member: Some(joined.member.clone()), instance: None };
                let leave = LeaveGroup { group: GROUP.into(), members: vec![leaving] };
                // Whoever does not hear it finds the session out of time.
                let _ = self.cluster.leave_group(self.coordinator, leave).await;
                self.chance.0.sleep(self.chance.ms(100, 5_000)).await;
                Some(End::Gone)
            }
            2 | 3 => {
                self.event(format_args!("stalls"));
                self.shared.history.count("member stalled");
                // Beyond its session, often: it wakes up as a member of a generation that is over.
                self.chance.0.sleep(self.chance.ms(3_000, 15_000)).await;
                None
            }
            _ => None,
        }
    }

    async fn refused(&self, what: &str, error: &Error) -> End {
        self.event(format_args!("{what} refused: {error}"));
        match error.code {
            ErrorCode::UnknownMemberId | ErrorCode::FencedInstanceId => End::Unknown,
            ErrorCode::NotCoordinator => {
                self.shared.history.count("coordinator moved");
                self.chance.0.sleep(self.chance.ms(20, 300)).await;
                End::Rejoin
            }
            _ => {
                self.chance.0.sleep(self.chance.ms(1, 200)).await;
                End::Rejoin
            }
        }
    }

    /// Where the owner before left off (invariant 8).
    async fn positions(&self, own: &[i32]) -> Result<Vec<(i32, i64)>, Error> {
        let asked = self.shared.history.groups(|groups| Ok(groups.ask())).unwrap_or_default();
        let wanted = own.iter().map(|partition| self.name(*partition)).collect();
        let request =
            OffsetFetch { group: GROUP.into(), wanted: OffsetsWanted::Partitions(wanted), require_stable: true };
        let answers = self.cluster.offset_fetch(self.coordinator, request).await?;
        let mut positions = Vec::new();
        for (partition, answer) in own.iter().zip(answers) {
            let committed = answer.committed?;
            let found = committed.as_ref().map(|found| (found.metadata.parse().unwrap_or(u64::MAX), found.offset.0));
            self.event(format_args!("found {found:?} for {partition}"));
            self.shared.history.groups(|groups| groups.found(asked, *partition, found));
            if found.is_some() {
                self.shared.history.count("offset taken over");
            }
            positions.push((*partition, committed.map_or(0, |found| found.offset.0)));
        }
        Ok(positions)
    }

    /// Reads on from `position`, and says where to.
    async fn consume(&self, partition: i32, position: i64) -> i64 {
        let request = FetchRequest {
            replica: None,
            max_wait: Duration::ZERO,
            min_bytes: 1,
            max_bytes: 1 << 20,
            isolation: IsolationLevel::ReadUncommitted,
            partitions: vec![FetchPartition {
                partition: self.name(partition),
                offset: Offset(position),
                max_bytes: 1 << 20,
                current_leader_epoch: None,
            }],
        };
        // Of a leader with two names one answers.
        for broker in [BrokerId(0), BrokerId(1)] {
            match self.cluster.fetch(broker, request.clone()).await.map(|mut answers| answers.pop()) {
                Ok(Some(Ok(fetched))) => {
                    let end = fetched.batches.last().map_or(position, |batch| batch.next_offset().0);
                    return end.max(position);
                }
                Ok(Some(Err(error))) if error.code == ErrorCode::OffsetOutOfRange => {
                    return self
                        .shared
                        .history
                        .trimmed(self.partitions().find(|(p, _)| *p == partition).unwrap().1)
                        .max(position);
                }
                _ => {}
            }
        }
        position
    }

    async fn commit(&self, joined: &JoinedGroup, positions: &[(i32, i64)]) -> Result<(), Error> {
        let generation: Generation = joined.generation;
        let history = &self.shared.history;
        if positions.is_empty() {
            return Ok(());
        }
        let newest = history.groups(|groups| Ok(groups.newest())).unwrap_or_default();
        let mut numbers = Vec::new();
        let mut partitions = Vec::new();
        for (partition, position) in positions {
            let number = history.groups(|groups| Ok(groups.commit(*partition, *position))).unwrap_or_default();
            numbers.push(number);
            partitions.push(OffsetCommitPartition {
                partition: self.name(*partition),
                offset: Offset(*position),
                leader_epoch: None,
                metadata: number.to_string().into(),
            });
        }
        let request = OffsetCommit {
            group: GROUP.into(),
            generation,
            member: Some(joined.member.clone()),
            instance: None,
            partitions,
        };
        let answers = self.cluster.offset_commit(self.coordinator, request).await;
        self.event(format_args!("commits {numbers:?} at {positions:?}: {answers:?}"));
        let answers = match answers {
            Ok(answers) => answers,
            Err(error) => {
                self.judge(&numbers, &error);
                return Err(error);
            }
        };
        for (number, answer) in numbers.iter().zip(&answers) {
            match answer {
                Ok(()) => {
                    history.count("commit");
                    history.groups(|groups| groups.committed(*number, generation.0, newest));
                }
                Err(error) => self.judge(&[*number], error),
            }
        }
        for ((partition, position), _) in positions.iter().zip(&answers).filter(|(_, answer)| answer.is_ok()) {
            self.shared.group_at(*partition, *position);
        }
        answers.into_iter().collect()
    }

    /// What a refusal of commits means for them.
    fn judge(&self, commits: &[u64], error: &Error) {
        if !is_certain(error.code) {
            return;
        }
        if matches!(error.code, ErrorCode::IllegalGeneration | ErrorCode::UnknownMemberId) {
            self.shared.history.count("commit refused to an old generation");
        }
        for commit in commits {
            self.shared.history.groups(|groups| {
                groups.refused(*commit);
                Ok(())
            });
        }
    }
}
