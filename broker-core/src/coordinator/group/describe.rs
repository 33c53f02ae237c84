//! DescribeGroups and ListGroups.

use super::Group;
use crate::api::group::{DescribedGroup, DescribedMember, Generation, GroupId, GroupState, ListedGroup};

impl Group {
    pub(crate) fn describe(&self) -> DescribedGroup {
        let stable = self.state == GroupState::Stable;
        let protocol = if stable { self.protocol.clone().unwrap_or_default() } else { "".into() };
        let members = self.members.iter().map(|(id, member)| DescribedMember {
            member: id.clone(),
            instance: member.instance.clone(),
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            metadata: if stable { member.metadata(&protocol) } else { bytes::Bytes::new() },
            assignment: if stable { member.assignment.clone() } else { bytes::Bytes::new() },
        });
        DescribedGroup {
            group: self.id.clone(),
            state: self.state,
            generation: self.generation,
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            members: members.collect(),
            protocol,
        }
    }

    pub(crate) fn listed(&self) -> ListedGroup {
        ListedGroup {
            group: self.id.clone(),
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            state: self.state,
        }
    }
}

/// How a group that is not there is described.
pub(crate) fn dead(group: GroupId) -> DescribedGroup {
    DescribedGroup {
        group,
        state: GroupState::Dead,
        generation: Generation::ZERO,
        protocol_type: "".into(),
        protocol: "".into(),
        members: Vec::new(),
    }
}
