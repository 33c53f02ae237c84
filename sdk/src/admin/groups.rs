//! Consumer groups: who is in them, and how far they have come.

mod coordinated;
mod description;
mod offsets;

use std::collections::BTreeMap;

use ottla_broker_core::api::group::{GroupId, GroupState, ListGroups, ListedGroup};
use ottla_broker_core::api::{ErrorCode, MetadataRequest, TopicsWanted};

pub use description::{GroupDescription, MemberDescription};
pub use offsets::GroupLag;

use super::Admin;
use crate::error::Error;

impl Admin {
    /// Every group, sorted by name. Groups that only have offsets are among them, as
    /// [`Empty`](GroupState::Empty).
    ///
    /// # Errors
    /// When a broker does not answer: the list would lack its groups.
    pub async fn list_groups(&self) -> Result<Vec<ListedGroup>, Error> {
        let doing = "list the groups";
        self.opened.registry.check(doing)?;
        let cluster = &self.opened.context.cluster;
        let request = MetadataRequest { topics: TopicsWanted::Names(Vec::new()), allow_auto_create: false };
        let brokers = cluster.metadata(request).await.map_err(|source| Error::cluster(doing, source))?.brokers;
        let mut groups = BTreeMap::new();
        for broker in brokers.iter().map(|broker| broker.id) {
            let listed = self.patiently(|| cluster.list_groups(broker, ListGroups::default())).await;
            let listed = listed.map_err(|source| Error::cluster(doing, source))?;
            groups.extend(listed.into_iter().map(|group| (group.group.clone(), group)));
        }
        Ok(groups.into_values().collect())
    }

    /// A group as it stands: its state, its members and who reads which partition.
    ///
    /// # Errors
    /// `GROUP_ID_NOT_FOUND` and the like, as [`Error::Cluster`].
    pub async fn describe_group(&self, group: impl AsRef<str>) -> Result<GroupDescription, Error> {
        let group = GroupId::from(group.as_ref());
        let doing = format!("describe group `{group}`");
        let described = self
            .coordinated(&group, &doing, |broker, group| async move {
                let answers = self.opened.context.cluster.describe_groups(broker, vec![group]).await?;
                answers.into_iter().next().unwrap_or_else(|| Err(super::no_answer()))
            })
            .await?;
        if described.state == GroupState::Dead {
            let source = ottla_broker_core::api::Error::new(
                ErrorCode::GroupIdNotFound,
                format!("there is no group `{group}`: it has neither members nor offsets"),
            );
            return Err(Error::cluster(doing, source));
        }
        GroupDescription::new(described).map_err(|source| Error::cluster(doing, source))
    }

    /// Deletes a group with its offsets. Its consumers must have stopped.
    ///
    /// # Errors
    /// `GROUP_ID_NOT_FOUND`, `NON_EMPTY_GROUP` and the like, as [`Error::Cluster`].
    pub async fn delete_group(&self, group: impl AsRef<str>) -> Result<(), Error> {
        let group = GroupId::from(group.as_ref());
        let doing = format!("delete group `{group}`");
        self.coordinated(&group, &doing, |broker, group| async move {
            let answers = self.opened.context.cluster.delete_groups(broker, vec![group]).await?;
            answers.into_iter().next().unwrap_or_else(|| Err(super::no_answer()))
        })
        .await
    }

    /// Deletes several groups: one answer each, in order.
    ///
    /// # Errors
    /// In the answers: as [`delete_group`](Self::delete_group).
    pub async fn delete_groups<G: AsRef<str>>(&self, groups: impl IntoIterator<Item = G>) -> Vec<Result<(), Error>> {
        let mut answers = Vec::new();
        for group in groups {
            answers.push(self.delete_group(group).await);
        }
        answers
    }
}
