//! Produce.

use std::sync::Arc;

use futures::future::{Either, select};

use super::Broker;
use super::groups::check_not_internal;
use crate::api::{Appended, Error, ErrorCode, ProducePartition, ProduceRequest, ProduceResponse};
use crate::env::BoxFuture;
use crate::ids::TopicPartition;
use crate::partition::{AppendPending, Origin, Partition};
use crate::planted::is_planted;

/// One partition's answer, so far.
enum Answer {
    Known(Result<Appended, Error>),
    Waiting(Arc<Partition>, AppendPending),
    /// Refused for what is remembered of the producer, which is worth as much as the leadership.
    Doubted(Arc<Partition>, Error),
}

impl Broker {
    /// Submits batches *in the order of the calls*: each has its offset when this returns, and only the
    /// answer is waited for. Dropping the future does not take the batches back.
    ///
    /// The batches are taken for what this process's own encoder made; those of a client behind a
    /// socket go to [`produce_from`](Self::produce_from).
    ///
    /// # Errors
    /// `BROKER_NOT_AVAILABLE` once closed. For one partition: what it refuses; `REQUEST_TIMED_OUT` when
    /// the batch was appended and its acknowledgement did not come within the request's time limit.
    pub fn produce(&self, request: ProduceRequest) -> BoxFuture<'static, Result<ProduceResponse, Error>> {
        self.produce_from(request, Origin::Trusted)
    }

    /// [`produce`](Self::produce) for batches of any origin.
    ///
    /// # Errors
    /// As those of [`produce`](Self::produce).
    pub fn produce_from(
        &self,
        request: ProduceRequest,
        origin: Origin,
    ) -> BoxFuture<'static, Result<ProduceResponse, Error>> {
        if let Err(error) = self.check_open() {
            return Box::pin(std::future::ready(Err(error)));
        }
        let routes = self.routes();
        let mut waiting = false;
        let mut answers = Vec::with_capacity(request.partitions.len());
        for ProducePartition { partition, batch } in request.partitions {
            let found = check_not_internal(&partition.topic, "write to").and_then(|()| self.find(&routes, &partition));
            let answer = match found {
                Err(error) => Answer::Known(Err(error)),
                Ok(found) => match found.append(batch, request.acks, origin).map(AppendPending::try_take) {
                    Ok(Ok(known)) => Answer::Known(known),
                    Ok(Err(pending)) => {
                        waiting = true;
                        Answer::Waiting(found, pending)
                    }
                    Err(error) if speaks_of_state(&error) => {
                        waiting = true;
                        Answer::Doubted(found, error)
                    }
                    Err(error) => {
                        self.look_after(&found);
                        Answer::Known(Err(error))
                    }
                },
            };
            answers.push(answer);
        }
        if !waiting {
            let known = answers.into_iter().filter_map(|answer| match answer {
                Answer::Known(result) => Some(result),
                Answer::Waiting(..) | Answer::Doubted(..) => None,
            });
            return Box::pin(std::future::ready(Ok(known.collect())));
        }
        let deadline = self.env.now() + request.timeout;
        let (env, me) = (self.env.clone(), self.me.clone());
        Box::pin(async move {
            let mut sleep = Box::pin(env.sleep_until(deadline));
            let mut response = Vec::with_capacity(answers.len());
            for answer in answers {
                response.push(match answer {
                    Answer::Known(result) => result,
                    Answer::Doubted(partition, error) => {
                        let confirmed = partition.check_writer().await;
                        if confirmed.is_err()
                            && let Some(broker) = me.upgrade()
                        {
                            broker.look_after(&partition);
                        }
                        confirmed.and(Err(error))
                    }
                    // Biased to the answer: what is durable by the deadline is acknowledged.
                    Answer::Waiting(partition, pending) => match select(pending, sleep.as_mut()).await {
                        Either::Left((result, _)) => {
                            if result.is_err()
                                && let Some(broker) = me.upgrade()
                            {
                                broker.look_after(&partition);
                            }
                            result
                        }
                        Either::Right(((), _)) => {
                            sleep = Box::pin(env.sleep_until(deadline));
                            Err(timed_out(partition.name(), request.timeout))
                        }
                    },
                });
            }
            Ok(response)
        })
    }

    /// Starts a repair if the partition that gave an error will not serve again.
    pub(super) fn look_after(&self, partition: &Partition) {
        if partition.is_failed() {
            self.repair_soon();
        }
    }
}

/// Whether a refusal tells a producer that its batch is not written and what is remembered of it: a broker that was
/// replaced unawares remembers too little, and a client that believed it would write again under a new epoch.
fn speaks_of_state(error: &Error) -> bool {
    matches!(error.code, ErrorCode::OutOfOrderSequenceNumber | ErrorCode::InvalidProducerEpoch)
        && !is_planted("stale-refusal-told")
}

fn timed_out(partition: &TopicPartition, limit: std::time::Duration) -> Error {
    Error::new(
        ErrorCode::RequestTimedOut,
        format!("the batch was appended to {partition} and not acknowledged within {limit:?}: it may yet be"),
    )
}
