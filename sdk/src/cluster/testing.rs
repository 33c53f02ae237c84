//! What the tests' fakes of a cluster share.

/// A fake that knows nothing of groups.
macro_rules! without_groups {
    ($fake:ty: $($name:ident($($type:ty),*) -> $out:ty;)*) => {
        #[async_trait::async_trait]
        impl $crate::cluster::ClusterGroups for $fake {
            async fn find_coordinator(&self, _: &ottla_broker_core::api::group::GroupId)
                -> Result<ottla_broker_core::BrokerId, ottla_broker_core::api::Error> {
                Err(ottla_broker_core::api::ErrorCode::UnsupportedVersion.into())
            }
            async fn join_group(&self, _: ottla_broker_core::BrokerId, _: ottla_broker_core::api::group::JoinGroup)
                -> Result<ottla_broker_core::api::group::JoinedGroup, ottla_broker_core::api::group::JoinRefused> {
                Err(ottla_broker_core::api::Error::from(ottla_broker_core::api::ErrorCode::UnsupportedVersion).into())
            }
            $(async fn $name(&self, _: ottla_broker_core::BrokerId $(, _: $type)*)
                -> Result<$out, ottla_broker_core::api::Error> {
                Err(ottla_broker_core::api::ErrorCode::UnsupportedVersion.into())
            })*
        }
    };
    ($fake:ty) => {
        $crate::cluster::testing::without_groups! { $fake:
            sync_group(ottla_broker_core::api::group::SyncGroup) -> ottla_broker_core::api::group::SyncedGroup;
            heartbeat(ottla_broker_core::api::group::Heartbeat) -> ();
            leave_group(ottla_broker_core::api::group::LeaveGroup) -> Vec<ottla_broker_core::api::group::LeftMember>;
            offset_commit(ottla_broker_core::api::group::OffsetCommit)
                -> Vec<Result<(), ottla_broker_core::api::Error>>;
            offset_fetch(ottla_broker_core::api::group::OffsetFetch)
                -> Vec<ottla_broker_core::api::group::FetchedOffset>;
            offset_delete(ottla_broker_core::api::group::OffsetDelete)
                -> Vec<Result<(), ottla_broker_core::api::Error>>;
            describe_groups(Vec<ottla_broker_core::api::group::GroupId>)
                -> Vec<Result<ottla_broker_core::api::group::DescribedGroup, ottla_broker_core::api::Error>>;
            list_groups(ottla_broker_core::api::group::ListGroups)
                -> Vec<ottla_broker_core::api::group::ListedGroup>;
            delete_groups(Vec<ottla_broker_core::api::group::GroupId>)
                -> Vec<Result<(), ottla_broker_core::api::Error>>;
        }
    };
}

pub(crate) use without_groups;
