//! ListOffsets and OffsetForLeaderEpoch.

use ottla_broker_core::api::{ListedOffset, OffsetSpec};
use ottla_broker_core::error::Error;
use ottla_broker_core::planted::is_planted;
use ottla_broker_core::{LeaderEpoch, TopicPartition};
use ottla_wire::messages::{
    ListOffsetsRequest, ListOffsetsResponse, OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse,
};

use super::Asked;
use super::interleave::Interleaved;
use crate::authorizer::Operation;
use crate::shared::Shared;

/// One partition's question, with the leader epoch that the asker knows.
type Question = (TopicPartition, Option<LeaderEpoch>, Option<OffsetSpec>);

/// # Errors
/// What cannot be said in an answer.
pub(super) async fn list(
    shared: &Shared,
    asked: &Asked,
    request: &ListOffsetsRequest,
) -> Result<ListOffsetsResponse, Error> {
    let question = |(name, part): (&std::sync::Arc<str>, &ottla_wire::messages::ListOffsetsPartition)| {
        let topic = asked.named_topic(shared, Operation::Describe, name)?;
        let spec = part.spec(asked.version)?;
        Ok::<Question, Error>((TopicPartition::new(topic, part.partition), part.current_leader_epoch, spec))
    };
    let (questions, refused) = Interleaved::split(request.partitions().map(question));
    // Fenced both ways before anything is looked up (KIP-320).
    let fences = questions.iter().map(|(partition, known, _)| {
        let known = known.filter(|_| !is_planted("offsets-listed-unfenced"));
        (partition.clone(), known, known.unwrap_or(LeaderEpoch(0)))
    });
    let fences = shared.broker.offset_for_leader_epoch(fences.collect()).await?;
    let mut led = Vec::with_capacity(questions.len());
    let checked = questions.into_iter().zip(fences).map(|((partition, _, spec), fence)| {
        fence?;
        Ok(spec.map(|spec| led.push((partition, spec))))
    });
    let checked: Vec<Result<Option<()>, Error>> = checked.collect();
    let mut listed = shared.broker.list_offsets(request.isolation, led).await?.into_iter();
    let answers = checked.into_iter().map(|checked| match checked? {
        Some(()) => {
            listed.next().unwrap_or_else(|| Err(ottla_broker_core::error::ErrorCode::UnknownServerError.into()))
        }
        None => Ok(ListedOffset { offset: None, timestamp_ms: None, leader_epoch: None }),
    });
    Ok(ListOffsetsResponse::from_api(request, refused.join(answers)))
}

/// # Errors
/// What cannot be said in an answer.
pub(super) async fn of_epochs(
    shared: &Shared,
    asked: &Asked,
    request: &OffsetForLeaderEpochRequest,
) -> Result<OffsetForLeaderEpochResponse, Error> {
    let question = |(name, part): (&std::sync::Arc<str>, &ottla_wire::messages::EpochPartition)| {
        let topic = asked.named_topic(shared, Operation::Describe, name)?;
        Ok((TopicPartition::new(topic, part.partition), part.current_leader_epoch, part.leader_epoch))
    };
    let (wanted, refused) = Interleaved::split(request.partitions().map(question));
    let ends = shared.broker.offset_for_leader_epoch(wanted).await?;
    Ok(OffsetForLeaderEpochResponse::from_api(request, refused.join(ends)))
}
