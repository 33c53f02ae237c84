//! What the metadata log says.
//!
//! Each command is one JSON object, `{"v":1,"c":{…}}`. A reader refuses a version that it does not know
//! and a field or command that it does not know: half-understood metadata is worse than a broker that
//! does not start.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::scram::ScramKeys;
use crate::api::ScramMechanism;
use crate::ids::{BrokerId, LeaderEpoch, TopicId, TopicName};

/// The version that this code writes, and the newest that it reads.
pub(super) const VERSION: u32 = 1;

/// One change of the cluster's metadata. Those of one append take effect together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Command {
    /// Opens every append and changes nothing: by its id a writer knows its own append again after
    /// the answer was lost.
    Entry {
        /// Unique to the append.
        id: Uuid,
        /// Who wrote it.
        writer: BrokerId,
    },
    /// The first command of a cluster: its id.
    CreateCluster {
        /// The id.
        id: String,
    },
    /// The cluster is being copied here from somewhere else: until [`Command::EndCopy`] no broker starts on it.
    BeginCopy,
    /// All of it is here.
    EndCopy,
    /// A broker has started. A later registration of the same id takes its place.
    RegisterBroker(Registration),
    /// A new topic.
    CreateTopic {
        /// Its name.
        name: TopicName,
        /// Its identity.
        id: TopicId,
        /// How many replicas were asked for.
        replication_factor: i16,
        /// Its own configs.
        configs: BTreeMap<String, String>,
        /// The replicas of each partition, the leader first; all are in sync. Leaders start at epoch 0.
        replicas: Vec<Vec<BrokerId>>,
    },
    /// The topic and its records are gone.
    DeleteTopic {
        /// Its identity.
        id: TopicId,
    },
    /// More partitions, after those that are there.
    AddPartitions {
        /// Whose.
        topic: TopicId,
        /// How many there were when this was decided.
        from: i32,
        /// The replicas of each new one, as in [`Command::CreateTopic`].
        replicas: Vec<Vec<BrokerId>>,
    },
    /// Changes a topic's own configs: a text sets, null goes back to the default.
    AlterTopicConfigs {
        /// Whose.
        topic: TopicId,
        /// What.
        changes: BTreeMap<String, Option<String>>,
    },
    /// Changes a broker's configs, over those it was started with.
    AlterBrokerConfigs {
        /// Whose.
        broker: BrokerId,
        /// What.
        changes: BTreeMap<String, Option<String>>,
    },
    /// Partitions have new leaders, or the same at new epochs.
    ElectLeaders {
        /// By topic.
        topics: Vec<TopicElections>,
    },
    /// Sets or deletes a user's SCRAM credential.
    AlterScram {
        /// Whose.
        user: String,
        /// For which mechanism.
        mechanism: ScramMechanism,
        /// The new one; null deletes the one that is there.
        keys: Option<ScramKeys>,
    },
    /// A block of producer ids belongs to a broker from now on.
    AllocateProducerIds {
        /// Whose.
        broker: BrokerId,
        /// The first id.
        first: i64,
        /// How many.
        len: i64,
    },
}

/// A broker as it registered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registration {
    /// Its id.
    pub id: BrokerId,
    /// Unique to this start of it.
    pub incarnation: Uuid,
    /// Its advertised host; empty for a broker in a process of its clients.
    pub host: String,
    /// Its advertised port; 0 for a broker in a process of its clients.
    pub port: u16,
    /// Its rack.
    pub rack: Option<String>,
}

/// Elections in one topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TopicElections {
    /// Which topic.
    pub topic: TopicId,
    /// Which partitions.
    pub elections: Vec<Election>,
}

/// One partition's new leader. Written as an array: a start may elect ten thousand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "ElectionRow", into = "ElectionRow")]
pub struct Election {
    /// The partition's number.
    pub partition: i32,
    /// The leader; `None` for none.
    pub leader: Option<BrokerId>,
    /// Its epoch: above the one before.
    pub epoch: LeaderEpoch,
    /// The in-sync replicas, the leader among them.
    pub isr: Vec<BrokerId>,
}

type ElectionRow = (i32, Option<BrokerId>, LeaderEpoch, Vec<BrokerId>);

impl From<ElectionRow> for Election {
    fn from((partition, leader, epoch, isr): ElectionRow) -> Self {
        Self { partition, leader, epoch, isr }
    }
}

impl From<Election> for ElectionRow {
    fn from(election: Election) -> Self {
        (election.partition, election.leader, election.epoch, election.isr)
    }
}

/// Why bytes of the metadata log are not understood.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// Written by a newer version of this software.
    #[error("the metadata was written in version {found}, and this software reads up to {known}: use a newer one")]
    Newer {
        /// The version found.
        found: u32,
        /// The newest known.
        known: u32,
    },
    /// Not what a known version writes.
    #[error("the metadata is not understood: {0}")]
    Malformed(#[from] serde_json::Error),
}

#[derive(Deserialize)]
struct Tag {
    v: u32,
}

#[derive(Serialize, Deserialize)]
struct Tagged<T> {
    v: u32,
    c: T,
}

/// `value` with the version before it.
pub(super) fn encode<T: Serialize>(value: &T) -> Result<Bytes, DecodeError> {
    Ok(serde_json::to_vec(&Tagged { v: VERSION, c: value })?.into())
}

/// What [`encode`] wrote. The version is looked at before the rest is.
pub(super) fn decode<T: for<'a> Deserialize<'a>>(bytes: &[u8]) -> Result<T, DecodeError> {
    let Tag { v } = serde_json::from_slice(bytes)?;
    if v > VERSION {
        return Err(DecodeError::Newer { found: v, known: VERSION });
    }
    Ok(serde_json::from_slice::<Tagged<T>>(bytes)?.c)
}

impl Command {
    /// The command as the log keeps it.
    ///
    /// # Errors
    /// [`DecodeError::Malformed`] if it has no JSON, which no command of this version has.
    pub fn encode(&self) -> Result<Bytes, DecodeError> {
        encode(self)
    }

    /// The command that `bytes` say.
    ///
    /// # Errors
    /// [`DecodeError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        decode(bytes)
    }
}
