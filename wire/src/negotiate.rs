//! Which version a client speaks to a server.

use std::collections::BTreeMap;

use crate::api::{Api, ApiKey};
use crate::messages::ApiVersionsResponse;
use crate::version::Versions;

/// What a server said that it speaks, as far as this crate speaks it too.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerVersions(BTreeMap<ApiKey, Versions>);

/// A server and this crate have no version of an API in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoCommonVersion {
    /// The server does not have the API.
    #[error("the server does not have the API {0}")]
    NotServed(ApiKey),
    /// The ranges do not meet.
    #[error("the server has {api} in versions {theirs}, and {ours} would be needed")]
    Apart {
        /// Which API.
        api: ApiKey,
        /// The server's versions.
        theirs: Versions,
        /// Ours, as far as they can say what is to be said.
        ours: Versions,
    },
}

impl ServerVersions {
    /// What the server said.
    #[must_use]
    pub fn new(response: &ApiVersionsResponse) -> Self {
        let known =
            response.apis.iter().filter_map(|api| Some((ApiKey::from_code(api.key)?, Versions::new(api.min, api.max))));
        Self(known.collect())
    }

    /// The newest version of an API that both sides speak.
    ///
    /// # Errors
    /// [`NoCommonVersion`].
    pub fn newest<A: Api>(&self) -> Result<i16, NoCommonVersion> {
        self.newest_of::<A>(A::SPEC.versions)
    }

    /// The newest of `wanted` versions that both sides speak: some requests need a new one, and without a topic's
    /// id others need an old one.
    ///
    /// # Errors
    /// [`NoCommonVersion`].
    pub fn newest_of<A: Api>(&self, wanted: Versions) -> Result<i16, NoCommonVersion> {
        let theirs = *self.0.get(&A::KEY).ok_or(NoCommonVersion::NotServed(A::KEY))?;
        let common = A::SPEC.versions.common(wanted).and_then(|ours| ours.common(theirs));
        common.map(|common| common.max).ok_or(NoCommonVersion::Apart { api: A::KEY, theirs, ours: wanted })
    }
}
