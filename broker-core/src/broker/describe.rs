//! What is told to administrators: producers, logs, and elections that are not needed.

use super::Broker;
use super::routes::Routes;
use crate::api::{ActiveProducer, Election, Error, ErrorCode, LogDir, LogDirPartition};
use crate::ids::TopicPartition;

/// A partition, and whether its leader was chosen anew.
pub type Elected = (TopicPartition, Result<(), Error>);

impl Broker {
    /// The idempotent producers that partitions remember. One answer each, in order.
    ///
    /// # Errors
    /// `BROKER_NOT_AVAILABLE` once closed. Of one partition: `UNKNOWN_TOPIC_OR_PARTITION`, `NOT_LEADER_OR_FOLLOWER`.
    pub fn describe_producers(
        &self,
        partitions: &[TopicPartition],
    ) -> Result<Vec<Result<Vec<ActiveProducer>, Error>>, Error> {
        self.check_open()?;
        let routes = self.routes();
        let answer = |name| Ok(self.find(&routes, name)?.active_producers());
        Ok(partitions.iter().map(answer).collect())
    }

    /// The logs that this broker leads, by topic and number. Its storage is one place, whatever that is made of, and is
    /// named after the broker.
    ///
    /// # Errors
    /// `BROKER_NOT_AVAILABLE` once closed.
    pub fn describe_log_dirs(&self) -> Result<Vec<LogDir>, Error> {
        self.check_open()?;
        let routes = self.routes();
        let partitions = routes.slots().filter_map(|slot| slot.leading()).map(|partition| LogDirPartition {
            partition: partition.name().clone(),
            size_bytes: partition.size_in_bytes(),
            offset_lag: 0,
            future: false,
        });
        let path = format!("broker-{}", self.id());
        Ok(vec![LogDir { path, partitions: partitions.collect(), total_bytes: None, usable_bytes: None }])
    }

    /// Has the leaders of `partitions` chosen anew, or those of all. A partition that has one replica has the
    /// leader that it can have, so that nothing is ever changed; each is told why.
    ///
    /// # Errors
    /// `BROKER_NOT_AVAILABLE` once closed; `NOT_CONTROLLER` once superseded.
    pub fn elect_leaders(
        &self,
        election: Election,
        partitions: Option<Vec<TopicPartition>>,
    ) -> Result<Vec<Elected>, Error> {
        self.check_serving(ErrorCode::NotController)?;
        let routes = self.routes();
        let all = partitions.is_none();
        let partitions = partitions.unwrap_or_else(|| every(&routes));
        let elect = |name: TopicPartition| {
            let code = match routes.slot(&name) {
                Err(error) => return (name, Err(error)),
                Ok((route, _)) => {
                    let at = usize::try_from(name.partition).unwrap_or(usize::MAX);
                    let leader = route.metadata.partitions.get(at).and_then(|partition| partition.leader);
                    match (leader, election) {
                        (Some(_), _) => ErrorCode::ElectionNotNeeded,
                        (None, Election::Preferred) => ErrorCode::PreferredLeaderNotAvailable,
                        (None, Election::Unclean) => ErrorCode::EligibleLeadersNotAvailable,
                    }
                }
            };
            let message = format!("partition {name}: {}", code.text());
            (name, Err(Error::new(code, message)))
        };
        // Of all partitions, those that have their leader are not told (as in Kafka).
        let is_told = |answer: &Result<(), Error>| {
            !all || answer.as_ref().err().is_none_or(|error| error.code != ErrorCode::ElectionNotNeeded)
        };
        Ok(partitions.into_iter().map(elect).filter(|(_, answer)| is_told(answer)).collect())
    }
}

fn every(routes: &Routes) -> Vec<TopicPartition> {
    let topics = routes.image.topics().flat_map(|topic| {
        let partitions = topic.metadata.partitions.iter();
        partitions.map(|partition| TopicPartition::new(topic.metadata.name.clone(), partition.partition))
    });
    topics.collect()
}
