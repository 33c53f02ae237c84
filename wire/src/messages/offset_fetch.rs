//! OffsetFetch (9), versions 1 to 10: how far groups have come.
//!
//! Source: `OffsetFetchRequest.json`, `OffsetFetchResponse.json`; KIP-88 (all topics, v2), KIP-320 (leader
//! epochs, v5), KIP-447 (stable offsets, v7), KIP-709 (several groups, v8), KIP-848 (members, v9), KIP-516
//! (topic ids, v10).
//!
//! A null list of topics means all, an empty one none. Version 1 has no error of a group: each partition has it.
//!
//! Deviations: the member and its epoch (version 9) are read and not checked: no group here is of the kind that has
//! them. Before version 7 a client cannot ask for stable offsets, and gets what is committed (KIP-447).

use std::collections::BTreeSet;
use std::sync::Arc;

use ottla_broker_core::api::group::{self, CommittedOffset, FetchedOffset, GroupId, OffsetsWanted};
use ottla_broker_core::error::{Error, ErrorCode};
use ottla_broker_core::planted::is_planted;
use ottla_broker_core::{LeaderEpoch, Offset, TopicName, TopicPartition};

use crate::answers::{Keyed, outcome};
use crate::api::{Api, ApiKey, Spec};
use crate::codec::{TopicRef, message};
use crate::shape::{Answers, by_topic, refused};

/// The API.
#[derive(Debug)]
pub enum OffsetFetch {}

impl OffsetFetch {
    /// The first version that says topics by their ids (KIP-516).
    pub const IDS_FROM: i16 = 10;
}

impl Api for OffsetFetch {
    const KEY: ApiKey = ApiKey::OffsetFetch;
    const SPEC: Spec = Spec::new(1, 10, 6);
    type Request = OffsetFetchRequest;
    type Response = OffsetFetchResponse;
}

/// The first version with a list of groups.
const BATCHED_FROM: i16 = 8;

message! {
    /// Asks how far groups have come.
    pub struct OffsetFetchRequest {
        /// The group, up to version 7.
        group: GroupId, ..=7;
        /// Where, up to version 7; `None` for all topics.
        topics: Option<Vec<OffsetFetchTopic>>, ..=7, default Some(Vec::new()), form 2..;
        /// The groups, from version 8 on.
        groups: Vec<OffsetFetchGroup>, 8.., strict "several groups are asked for";
        /// Whether an offset that an open transaction would change is an error.
        require_stable: bool, 7..;
    }

    /// One group.
    pub struct OffsetFetchGroup {
        /// Which.
        group: GroupId, 8..;
        /// The member that asks.
        member: Option<Arc<str>>, 9..;
        /// Its epoch; −1 for none.
        member_epoch: i32, 9.., default -1;
        /// Where; `None` for all topics.
        topics: Option<Vec<OffsetFetchTopic>>, 8.., default Some(Vec::new());
    }

    /// A topic's part.
    pub struct OffsetFetchTopic {
        /// Which.
        topic: TopicRef, 0.., form OffsetFetch::IDS_FROM..;
        /// Its partitions.
        partitions: Vec<i32>, 0..;
    }

    /// How far groups have come.
    pub struct OffsetFetchResponse {
        /// How long the client was throttled, in ms.
        throttle_time_ms: i32, 3..;
        /// What there is of the one group, up to version 7.
        topics: Vec<OffsetFetchedTopic>, ..=7;
        /// What is wrong with the one group, in versions 2 to 7.
        error: Option<ErrorCode>, 2..=7;
        /// What there is of each group, from version 8 on.
        groups: Vec<OffsetFetchedGroup>, 8..;
    }

    /// What there is of one group.
    pub struct OffsetFetchedGroup {
        /// Which.
        group: GroupId, 8..;
        /// By topic.
        topics: Vec<OffsetFetchedTopic>, 8..;
        /// What is wrong with the group.
        error: Option<ErrorCode>, 8..;
    }

    /// A topic's part.
    pub struct OffsetFetchedTopic {
        /// Which.
        topic: TopicRef, 0.., form OffsetFetch::IDS_FROM..;
        /// Its partitions.
        partitions: Vec<OffsetFetchedPartition>, 0..;
    }

    /// What is committed for one partition.
    pub struct OffsetFetchedPartition {
        /// Which.
        partition: i32, 0..;
        /// The next offset to read; `None` if nothing is committed.
        offset: Option<Offset>, 0..;
        /// The epoch of the last record that was handled.
        leader_epoch: Option<LeaderEpoch>, 5..;
        /// The application's note.
        metadata: Option<Arc<str>>, 0..;
        /// Why it is not told.
        error: Option<ErrorCode>, 0..;
    }
}

/// What is asked of one group, in whichever form the version has it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GroupOffsetsWanted<'a> {
    /// The group.
    pub group: &'a GroupId,
    /// Where; `None` for all topics.
    pub topics: Option<&'a [OffsetFetchTopic]>,
}

impl<'a> GroupOffsetsWanted<'a> {
    /// The partitions, in order; `None` for all that the group has.
    pub fn partitions(self) -> Option<impl Iterator<Item = (&'a TopicRef, i32)>> {
        let topics = if is_planted("empty-offset-fetch-is-all") {
            self.topics.filter(|topics| !topics.is_empty())
        } else {
            self.topics
        };
        Some(topics?.iter().flat_map(|topic| topic.partitions.iter().map(|part| (&topic.topic, *part))))
    }
}

impl OffsetFetchRequest {
    /// The request of `version` for `requests`, one a group. Several groups need version 8, "all" needs version 2.
    /// `topic` says how a topic is referred to: by id from version 10 on.
    #[must_use]
    pub fn from_api(version: i16, requests: &[group::OffsetFetch], topic: impl Fn(&TopicName) -> TopicRef) -> Self {
        let require_stable = requests.iter().any(|request| request.require_stable);
        let topics = |wanted: &OffsetsWanted| match wanted {
            OffsetsWanted::All => None,
            OffsetsWanted::Partitions(partitions) => {
                let partitions = partitions.iter().map(|one| (topic(&one.topic), one.partition));
                let topics = by_topic(partitions).into_iter();
                Some(topics.map(|(topic, partitions)| OffsetFetchTopic { topic, partitions }).collect())
            }
        };
        if version < BATCHED_FROM
            && let [only] = requests
        {
            let (group, topics) = (only.group.clone(), topics(&only.wanted));
            return Self { group, topics, require_stable, ..Self::default() };
        }
        let groups = requests.iter().map(|request| OffsetFetchGroup {
            group: request.group.clone(),
            topics: topics(&request.wanted),
            ..OffsetFetchGroup::default()
        });
        Self { groups: groups.collect(), require_stable, ..Self::default() }
    }

    /// Leaves out what is asked for again: all of a group, or one of its partitions.
    pub fn leave_repetitions_out(&mut self) {
        let mut all = BTreeSet::new();
        self.groups.retain(|one| one.topics.is_some() || all.insert(one.group.clone()));
        let mut seen = BTreeSet::new();
        let of_groups = self.groups.iter_mut().map(|one| (&one.group, &mut one.topics));
        for (group, topics) in of_groups.chain([(&self.group, &mut self.topics)]) {
            for topic in topics.iter_mut().flatten() {
                topic.partitions.retain(|part| seen.insert((group.clone(), topic.topic.clone(), *part)));
            }
        }
    }

    /// The groups that are asked for, in order.
    #[must_use]
    pub fn wanted(&self, version: i16) -> Vec<GroupOffsetsWanted<'_>> {
        if version < BATCHED_FROM {
            return vec![GroupOffsetsWanted { group: &self.group, topics: self.topics.as_deref() }];
        }
        let groups = self.groups.iter();
        groups.map(|one| GroupOffsetsWanted { group: &one.group, topics: one.topics.as_deref() }).collect()
    }
}

impl OffsetFetchedGroup {
    /// What is committed in a group, each topic as it was referred to.
    #[must_use]
    pub fn from_api(
        group: GroupId,
        partitions: impl IntoIterator<Item = (TopicRef, i32, Result<Option<CommittedOffset>, Error>)>,
    ) -> Self {
        let partitions = partitions
            .into_iter()
            .map(|(topic, partition, result)| (topic, OffsetFetchedPartition::from_api(partition, result)));
        let topics = by_topic(partitions).into_iter();
        let topics = topics.map(|(topic, partitions)| OffsetFetchedTopic { topic, partitions });
        Self { group, topics: topics.collect(), error: None }
    }

    /// A group of which nothing is told.
    #[must_use]
    pub fn refused(group: GroupId, code: ErrorCode) -> Self {
        Self { group, topics: Vec::new(), error: Some(code) }
    }

    /// In version 1 only partitions can have errors.
    fn spread(&mut self, request: &OffsetFetchRequest) {
        let Some(code) = self.error else { return };
        let topics = request.topics.iter().flatten().map(|topic| OffsetFetchedTopic {
            topic: topic.topic.clone(),
            partitions: topic
                .partitions
                .iter()
                .map(|part| OffsetFetchedPartition::from_api(*part, Err(code.into())))
                .collect(),
        });
        self.topics = topics.collect();
    }
}

impl OffsetFetchResponse {
    /// The answer of `version` to `request`; `groups` are in the order of [`wanted`](OffsetFetchRequest::wanted).
    #[must_use]
    pub fn from_api(version: i16, request: &OffsetFetchRequest, mut groups: Vec<OffsetFetchedGroup>) -> Self {
        if version >= BATCHED_FROM {
            return Self { groups, ..Self::default() };
        }
        let mut only = groups
            .pop()
            .unwrap_or_else(|| OffsetFetchedGroup::refused(request.group.clone(), ErrorCode::UnknownServerError));
        if version < 2 {
            only.spread(request);
        }
        Self { topics: only.topics, error: only.error, ..Self::default() }
    }

    /// The answers about the groups of `request`, in its order; within a group in the order of its partitions, or
    /// as they come if all were asked for. `name` says which topic is referred to.
    pub fn into_api(
        self,
        version: i16,
        request: &OffsetFetchRequest,
        name: impl Fn(&TopicRef) -> Option<TopicName>,
    ) -> Vec<Result<Vec<FetchedOffset>, Error>> {
        if version < BATCHED_FROM {
            let only = OffsetFetchedGroup { group: request.group.clone(), topics: self.topics, error: self.error };
            let wanted = request.wanted(version);
            return wanted.into_iter().map(|wanted| only.clone().into_api(wanted, &name)).collect();
        }
        let mut answers = Keyed::new(self.groups.into_iter().map(|one| (one.group.clone(), one)));
        let wanted = request.wanted(version).into_iter();
        wanted.map(|wanted| answers.take(wanted.group)?.into_api(wanted, &name)).collect()
    }
}

impl OffsetFetchedGroup {
    fn into_api(
        self,
        wanted: GroupOffsetsWanted<'_>,
        name: &impl Fn(&TopicRef) -> Option<TopicName>,
    ) -> Result<Vec<FetchedOffset>, Error> {
        outcome(self.error, format_args!("group {}", wanted.group), None)?;
        // An id that is nobody's here is a topic that the metadata do not know yet, or no more.
        let named = |topic: &TopicRef, partition| match name(topic) {
            Some(name) => Ok(TopicPartition::new(name, partition)),
            None => Err(refused(ErrorCode::UnknownTopicId, topic, partition, None)),
        };
        let answers = self.topics.into_iter().flat_map(|topic| {
            let name = topic.topic;
            topic.partitions.into_iter().map(move |part| (name.clone(), part.partition, part))
        });
        let Some(partitions) = wanted.partitions() else {
            let told = answers.map(|(topic, partition, part)| {
                Ok(FetchedOffset { partition: named(&topic, partition)?, committed: part.into_api(&topic) })
            });
            return told.collect();
        };
        let mut answers = Answers::new(answers);
        let told = partitions.map(|(topic, partition)| {
            let answer = answers.take(topic, partition).and_then(|part| part.into_api(topic));
            Ok(FetchedOffset { partition: named(topic, partition)?, committed: answer })
        });
        told.collect()
    }
}

impl OffsetFetchedPartition {
    fn from_api(partition: i32, result: Result<Option<CommittedOffset>, Error>) -> Self {
        // Null is no note that old clients take.
        let none = Self { partition, metadata: Some(Arc::default()), ..Self::default() };
        match result {
            Ok(None) => none,
            Ok(Some(committed)) => Self {
                offset: Some(committed.offset),
                leader_epoch: committed.leader_epoch,
                metadata: Some(committed.metadata),
                ..none
            },
            Err(error) => Self { error: Some(error.code), ..none },
        }
    }

    fn into_api(self, topic: &TopicRef) -> Result<Option<CommittedOffset>, Error> {
        match self.error {
            Some(code) => Err(refused(code, topic, self.partition, None)),
            None => Ok(self.offset.map(|offset| CommittedOffset {
                offset,
                leader_epoch: self.leader_epoch,
                metadata: self.metadata.unwrap_or_default(),
            })),
        }
    }
}
