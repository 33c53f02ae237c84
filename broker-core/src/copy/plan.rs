//! What there is to copy, and the destination's metadata.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::error::{Error, Side};
use super::partition::Opened;
use crate::env::Env;
use crate::ids::{BrokerId, PartitionId, TopicPartition};
use crate::log::{Backend, OpenPartition};
use crate::metadata::{Command, Decision, Image, Writer};

/// Who writes the destination's metadata: no broker.
const NOBODY: BrokerId = BrokerId(-1);

/// A copy that has begun: the destination's metadata says what the source's does, and that it is unfinished.
pub(super) struct Plan {
    writer: Writer,
    image: Arc<Image>,
    pub(super) resumed: bool,
}

/// What the destination was found to be.
enum Found {
    Empty,
    Unfinished,
}

impl Plan {
    /// Begins the copy, or goes on with it.
    pub(super) async fn make(from: &Backend, to: &Backend, env: &Env) -> Result<Self, Error> {
        let load = |backend: &Backend| Writer::load(Arc::clone(&backend.metadata), env.clone(), NOBODY);
        let source = load(from).await.map_err(|error| Error::metadata(Side::Source, error))?.image();
        if source.cluster_id().is_empty() {
            return Err(Error::Nothing);
        }
        if source.is_unfinished_copy() {
            return Err(Error::SourceUnfinished { cluster: source.cluster_id().to_string() });
        }
        let writer = load(to).await.map_err(|error| Error::metadata(Side::Destination, error))?;
        let listed = to.logs.list().await.map_err(|error| Error::storage(Side::Destination, "list its logs", error))?;
        if writer.image().cluster_id().is_empty() && !listed.is_empty() {
            return Err(Error::Occupied { what: format!("{} logs that no metadata tells of", listed.len()) });
        }

        let mut refused = None;
        let committed = writer
            .commit(|image| {
                refused = None;
                let found = found(image, &source).map_err(|error| {
                    let told = error.to_string();
                    refused = Some(error);
                    crate::error::Error::new(crate::error::ErrorCode::InvalidRequest, told)
                })?;
                let mut commands = image.towards(&source);
                if matches!(found, Found::Empty) {
                    // After the cluster's id, before its topics.
                    commands.insert(1, Command::BeginCopy);
                }
                Ok(Decision { commands, answer: matches!(found, Found::Unfinished) })
            })
            .await;
        let (resumed, image) = match (committed, refused) {
            (_, Some(refused)) => return Err(refused),
            (Err(error), None) => return Err(Error::metadata(Side::Destination, error)),
            (Ok(committed), None) => committed,
        };
        if let Some(difference) = image.difference(&source) {
            return Err(Error::Differs { what: "the metadata".to_owned(), difference });
        }
        // Of topics that the source has deleted since the copy began.
        let orphans: Vec<_> = listed.into_iter().filter(|id| !has(&image, *id)).collect();
        if !orphans.is_empty() {
            let removed = to.logs.remove(&orphans).await;
            removed.map_err(|error| Error::storage(Side::Destination, "remove logs", error))?;
        }
        Ok(Self { writer, image, resumed })
    }

    /// Opens every partition on both sides, with one call for the destination's.
    pub(super) async fn open(&self, from: &Backend, to: &Backend) -> Result<Vec<Opened>, Error> {
        let there = from.logs.list().await.map_err(|error| Error::storage(Side::Source, "list its logs", error))?;
        let there: BTreeSet<PartitionId> = there.into_iter().collect();
        let mut wanted = Vec::new();
        for topic in self.image.topics() {
            for partition in topic.metadata.partitions.iter() {
                let id = PartitionId { topic: topic.metadata.id, partition: partition.partition };
                let name = TopicPartition::new(topic.metadata.name.clone(), partition.partition);
                wanted.push((name, OpenPartition { id, epoch: partition.leader_epoch }));
            }
        }
        let opening: Vec<_> = wanted.iter().map(|(_, open)| *open).collect();
        let logs = if opening.is_empty() { Vec::new() } else { to.logs.open_many(&opening).await };
        let mut opened = Vec::with_capacity(wanted.len());
        for ((name, open), log) in wanted.into_iter().zip(logs) {
            let failed = |side| {
                let partition = name.clone();
                move |source| Error::Partition { partition, side, source }
            };
            let to_log = log.map_err(failed(Side::Destination))?;
            // A topic whose creation was cut short is in the metadata and has no log yet.
            let reader = match there.contains(&open.id) {
                true => Some(from.logs.open_reader(open.id).await.map_err(failed(Side::Source))?),
                false => None,
            };
            let snapshots = (Arc::clone(&from.snapshots), Arc::clone(&to.snapshots));
            opened.push(Opened { name, from: reader, to: to_log, snapshots });
        }
        Ok(opened)
    }

    /// Says that all is there.
    pub(super) async fn finish(&self) -> Result<(), Error> {
        let position = self.image.position();
        let mut overtaken = false;
        let committed = self
            .writer
            .commit(|image| {
                // Somebody else went on with it, and has the partitions open now.
                overtaken = image.position() != position;
                if overtaken {
                    let message = "another copy has begun";
                    return Err(crate::error::Error::new(crate::error::ErrorCode::InvalidRequest, message));
                }
                Ok(Decision { commands: vec![Command::EndCopy], answer: () })
            })
            .await;
        match committed {
            Ok(_) => Ok(()),
            Err(_) if overtaken => Err(Error::Overtaken),
            Err(error) => Err(Error::metadata(Side::Destination, error)),
        }
    }

    pub(super) fn cluster_id(&self) -> String {
        self.image.cluster_id().to_string()
    }

    pub(super) fn topics(&self) -> usize {
        self.image.topics().len()
    }
}

/// What the destination is, if it can be written to.
fn found(destination: &Image, source: &Image) -> Result<Found, Error> {
    let (here, there) = (destination.cluster_id(), source.cluster_id());
    if here.is_empty() {
        return Ok(Found::Empty);
    }
    let cluster = here.to_string();
    match (here == there, destination.is_unfinished_copy()) {
        (true, true) => Ok(Found::Unfinished),
        (true, false) => Err(Error::AlreadyThere { cluster }),
        (false, true) => Err(Error::Occupied { what: format!("an unfinished copy of another cluster, {cluster}") }),
        (false, false) => {
            let topics = destination.topics().len();
            Err(Error::Occupied { what: format!("cluster {cluster} with {topics} topics") })
        }
    }
}

fn has(image: &Image, id: PartitionId) -> bool {
    let partitions = image.topic_by_id(id.topic).map_or(0, |topic| topic.metadata.partitions.len());
    usize::try_from(id.partition).is_ok_and(|partition| partition < partitions)
}
