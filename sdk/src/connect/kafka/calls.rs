//! How a request is made of what a broker speaks.

use ottla_broker_core::planted::is_planted;
use ottla_broker_core::{TopicId, TopicName};
use ottla_wire::net::Ask;
use ottla_wire::{Api, NoCommonVersion, ServerVersions, TopicRef, Versions};
use rustc_hash::FxHashMap;

/// In the newest version that both speak.
pub(super) fn newest<A: Api>(
    request: impl FnOnce(i16) -> A::Request + Send + 'static,
) -> impl FnOnce(&ServerVersions) -> Result<Ask<A>, NoCommonVersion> + Send + 'static {
    newest_of(A::SPEC.versions, request)
}

/// In the newest of `wanted` that both speak.
pub(super) fn newest_of<A: Api>(
    wanted: Versions,
    request: impl FnOnce(i16) -> A::Request + Send + 'static,
) -> impl FnOnce(&ServerVersions) -> Result<Ask<A>, NoCommonVersion> + Send + 'static {
    move |versions| {
        let version = versions.newest_of::<A>(wanted)?;
        Ok(Ask { version, request: request(version), answered: true })
    }
}

/// How a request refers to topics: by id from version `from` on.
#[derive(Debug)]
pub(super) struct Topics {
    ids: Option<FxHashMap<TopicName, TopicId>>,
    from: i16,
}

impl Topics {
    /// `ids` are those of all topics of the request, if they are known.
    pub(super) const fn new(ids: Option<FxHashMap<TopicName, TopicId>>, from: i16) -> Self {
        Self { ids, from }
    }

    /// The versions of `A` in which the request can be made.
    pub(super) fn versions<A: Api>(&self) -> Versions {
        let Versions { min, max } = A::SPEC.versions;
        if self.ids.is_some() || is_planted("unknown-topic-id-sent") {
            Versions::new(min, max)
        } else {
            Versions::new(min, max.min(self.from - 1))
        }
    }

    pub(super) fn name(&self, version: i16, topic: &TopicName) -> TopicRef {
        let id = self.ids.as_ref().filter(|_| version >= self.from).and_then(|ids| ids.get(topic));
        id.map_or_else(|| TopicRef::from(topic), |id| TopicRef::Id(*id))
    }
}
