//! Produce.

use std::sync::Arc;

use ottla_broker_core::TopicPartition;
use ottla_broker_core::api::{self, Acks, ProducePartition};
use ottla_broker_core::env::BoxFuture;
use ottla_broker_core::error::Error;
use ottla_broker_core::partition::Origin;
use ottla_broker_core::planted::is_planted;
use ottla_wire::messages::{ProduceRequest, ProduceResponse};

use super::interleave::Interleaved;
use super::leaders;
use super::{Asked, Outcome};
use crate::authorizer::Operation;
use crate::connection::Ended;
use crate::shared::Shared;

/// Hands the batches to the broker: they have their offsets when this returns, and only the answer is waited for.
pub(super) fn begin(shared: &Arc<Shared>, asked: &Asked, mut request: ProduceRequest) -> BoxFuture<'static, Outcome> {
    let batches = request.take_batches(asked.version);
    let acks = request.acks();
    let part = |((topic, partition), batch): ((&_, i32), Result<_, Error>)| {
        acks.as_ref().map_err(Error::clone)?;
        let topic = asked.topic(shared, Operation::Write, topic)?;
        Ok(ProducePartition { partition: TopicPartition::new(topic, partition), batch: batch? })
    };
    let (partitions, refused) = Interleaved::split(request.partitions().zip(batches).map(part));
    let acks = acks.unwrap_or_default();
    let origin = Origin::Untrusted { max_decompressed_bytes: shared.limits.decompressed_bytes };
    let (shared, version) = (Arc::clone(shared), asked.version);
    let produced =
        shared.broker.produce_from(api::ProduceRequest { acks, timeout: request.timeout, partitions }, origin);
    Box::pin(async move {
        let results = match produced.await {
            Ok(results) => refused.join(results),
            Err(error) => return Outcome::Close(Ended::Unanswerable(error)),
        };
        if acks != Acks::None || is_planted("answer-without-acks") {
            let mut response = ProduceResponse::from_api(&request, results);
            leaders::tell_producer(&shared, version, &mut response).await;
            return Outcome::Answer(response.into());
        }
        // Nobody waits for an answer: closing is how the client learns that its metadata are wrong (as in Kafka).
        match results.collect::<Result<Vec<_>, _>>() {
            Ok(_) => Outcome::Silence,
            Err(_) if is_planted("refusal-without-acks-silent") => Outcome::Silence,
            Err(error) => Outcome::Close(Ended::RefusedUnanswered(error)),
        }
    })
}
