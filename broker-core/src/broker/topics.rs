//! Creating, growing and deleting topics.

use std::collections::BTreeSet;

use super::Broker;
use super::groups::check_not_internal;
use super::routes::unknown_topic;
use crate::api::{CreateTopic, CreatedTopic, Error, ErrorCode};
use crate::config::{BrokerConfig, TopicConfig};
use crate::ids::{BrokerId, TopicId, TopicName};
use crate::metadata::{Command, Decision, Image};
use crate::planted::is_planted;

/// Partitions that one request may create (Kafka's `MAX_PARTITIONS_PER_BATCH`).
const MAX_NEW_PARTITIONS: usize = 10_000;

impl Broker {
    /// Creates topics, or says with `validate_only` whether it would. Those that can be are created by one
    /// entry of the metadata log: all of them, or after a failure none.
    ///
    /// # Errors
    /// What the metadata log failed with. For one topic: `TOPIC_ALREADY_EXISTS`,
    /// `INVALID_TOPIC_EXCEPTION` (a name that differs from another only in `.` and `_`), `INVALID_PARTITIONS`,
    /// `INVALID_REPLICATION_FACTOR`, `INVALID_CONFIG`, `INVALID_REQUEST` (named twice).
    pub async fn create_topics(
        &self,
        topics: Vec<CreateTopic>,
        validate_only: bool,
    ) -> Result<Vec<Result<CreatedTopic, Error>>, Error> {
        self.create(topics, validate_only, false).await
    }

    /// Creates topics of the broker's own.
    ///
    /// # Errors
    /// As [`create_topics`](Self::create_topics).
    pub(super) async fn create_internal_topics(
        &self,
        topics: Vec<CreateTopic>,
    ) -> Result<Vec<Result<CreatedTopic, Error>>, Error> {
        self.create(topics, false, true).await
    }

    async fn create(
        &self,
        topics: Vec<CreateTopic>,
        validate_only: bool,
        internal: bool,
    ) -> Result<Vec<Result<CreatedTopic, Error>>, Error> {
        // Chance before the decision, which may have to be made again.
        let chances: Vec<_> =
            topics.iter().map(|topic| (self.new_topic_id(&topic.name), self.env.random_u64())).collect();
        let decide = |image: &Image| {
            let defaults = self.defaults(image)?;
            let mut creation = Creation::new(image, &defaults, &topics);
            let answer = topics.iter().zip(&chances).map(|(topic, (id, chance))| {
                if !internal {
                    check_not_internal(&topic.name, "create")?;
                }
                creation.add(topic, *id, *chance)
            });
            let answer = answer.collect();
            Ok(Decision { commands: creation.commands, answer })
        };
        self.decide_or_try(validate_only, decide).await
    }

    /// Deletes topics with their records and the offsets that groups committed. One answer each.
    ///
    /// # Errors
    /// What the metadata log failed with. For one topic: `UNKNOWN_TOPIC_OR_PARTITION`, `INVALID_REQUEST`
    /// (named twice).
    pub async fn delete_topics(&self, names: Vec<TopicName>) -> Result<Vec<Result<(), Error>>, Error> {
        let decide = |image: &Image| {
            let mut commands = Vec::new();
            let mut seen = BTreeSet::new();
            let answer = names.iter().map(|name| {
                once(&mut seen, name)?;
                check_not_internal(name, "delete")?;
                let topic = image.topic(name).ok_or_else(|| unknown_topic(name))?;
                commands.push(Command::DeleteTopic { id: topic.metadata.id });
                Ok(())
            });
            let answer: Vec<Result<(), Error>> = answer.collect();
            Ok(Decision { commands, answer })
        };
        let answer = self.decide_or_try(false, decide).await?;
        let deleted = names.iter().zip(&answer).filter(|(_, answer)| answer.is_ok()).map(|(name, _)| name.clone());
        self.forget_offsets_of(&deleted.collect::<Vec<_>>()).await;
        Ok(answer)
    }

    /// Raises topics' numbers of partitions to the totals given. One answer each.
    ///
    /// # Errors
    /// What the metadata log failed with. For one topic: `UNKNOWN_TOPIC_OR_PARTITION`,
    /// `INVALID_PARTITIONS` (a number that is not larger, or too large), `INVALID_REQUEST` (named twice).
    pub async fn create_partitions(
        &self,
        totals: Vec<(TopicName, i32)>,
        validate_only: bool,
    ) -> Result<Vec<Result<(), Error>>, Error> {
        let chance = self.env.random_u64();
        let decide = |image: &Image| {
            let mut commands = Vec::new();
            let mut seen = BTreeSet::new();
            let mut room = MAX_NEW_PARTITIONS;
            let answer = totals.iter().map(|(name, total)| {
                once(&mut seen, name)?;
                check_not_internal(name, "add partitions to")?;
                let topic = image.topic(name).ok_or_else(|| unknown_topic(name))?;
                let have = i32::try_from(topic.metadata.partitions.len()).unwrap_or(i32::MAX);
                let more = usize::try_from(i64::from(*total) - i64::from(have)).unwrap_or(0);
                if more == 0 {
                    let message =
                        format!("topic `{name}` has {have} partitions already: ask for more than that, not {total}");
                    return Err(Error::new(ErrorCode::InvalidPartitions, message));
                }
                take_room(&mut room, name, more)?;
                let replicas = assign(image, more, topic.replication_factor, chance);
                commands.push(Command::AddPartitions { topic: topic.metadata.id, from: have, replicas });
                Ok(())
            });
            let answer = answer.collect();
            Ok(Decision { commands, answer })
        };
        self.decide_or_try(validate_only, decide).await
    }

    /// Makes a change, or with `validate_only` decides on it and leaves it at that.
    pub(super) async fn decide_or_try<T: Send>(
        &self,
        validate_only: bool,
        mut decide: impl FnMut(&Image) -> Result<Decision<T>, Error> + Send,
    ) -> Result<T, Error> {
        if validate_only {
            self.check_serving(ErrorCode::NotController)?;
            let image = self.writer.catch_up().await?;
            return Ok(decide(&image)?.answer);
        }
        self.change(decide).await
    }

    /// This broker's configs as they are in force.
    pub(super) fn defaults(&self, image: &Image) -> Result<BrokerConfig, Error> {
        match image.broker_configs(self.id()) {
            Some(altered) => Ok(self.config.altered_by(altered)?),
            None => Ok(self.config.clone()),
        }
    }

    fn new_topic_id(&self, name: &TopicName) -> TopicId {
        if is_planted("recreated-topic-sees-old-log") {
            let mut bytes = [0; 16];
            bytes.iter_mut().zip(name.as_str().bytes()).for_each(|(to, from)| *to = from);
            return TopicId(uuid::Uuid::from_bytes(bytes));
        }
        TopicId(self.env.uuid())
    }
}

/// One request's topics, as they are taken one by one.
struct Creation<'a> {
    image: &'a Image,
    defaults: &'a BrokerConfig,
    /// Names as metrics show them: where `.` and `_` are the same (Kafka's `Topic.unifyCollisionChars`).
    unified: BTreeSet<String>,
    /// Named more than once in the request: none of them is created (as in Kafka).
    repeated: BTreeSet<&'a TopicName>,
    room: usize,
    commands: Vec<Command>,
}

impl<'a> Creation<'a> {
    fn new(image: &'a Image, defaults: &'a BrokerConfig, topics: &'a [CreateTopic]) -> Self {
        let unified = image.topics().filter_map(|topic| unify(&topic.metadata.name)).collect();
        let mut seen = BTreeSet::new();
        let repeated = topics.iter().map(|topic| &topic.name).filter(|name| !seen.insert(*name)).collect();
        Self { image, defaults, unified, repeated, room: MAX_NEW_PARTITIONS, commands: Vec::new() }
    }

    fn add(&mut self, topic: &CreateTopic, id: TopicId, chance: u64) -> Result<CreatedTopic, Error> {
        let name = &topic.name;
        let refuse = |code, message| Err(Error::new(code, message));
        if self.repeated.contains(name) {
            return refuse(ErrorCode::InvalidRequest, format!("the request names topic `{name}` more than once"));
        }
        if self.image.topic(name).is_some() {
            return refuse(ErrorCode::TopicAlreadyExists, format!("topic `{name}` exists already"));
        }
        let unified = unify(name);
        if unified.as_ref().is_some_and(|unified| self.unified.contains(unified)) {
            let message =
                format!("topic `{name}` differs from another only in `.` and `_`, which metrics cannot tell apart");
            return refuse(ErrorCode::InvalidTopic, message);
        }
        let partitions = topic.partitions.unwrap_or_else(|| self.defaults.num_partitions());
        let count = match usize::try_from(partitions) {
            Ok(count) if count > 0 => count,
            _ => {
                let message = format!("topic `{name}` cannot have {partitions} partitions: 1 is the least");
                return refuse(ErrorCode::InvalidPartitions, message);
            }
        };
        let replication_factor = topic.replication_factor.unwrap_or_else(|| self.defaults.default_replication_factor());
        let brokers = self.image.brokers().len();
        if !usize::try_from(replication_factor).is_ok_and(|factor| (1..=brokers).contains(&factor)) {
            let message = format!(
                "topic `{name}` cannot have {replication_factor} replicas: the cluster has {brokers} broker(s), so 1 to \
                 {brokers}"
            );
            return refuse(ErrorCode::InvalidReplicationFactor, message);
        }
        TopicConfig::from_entries(&topic.configs, self.defaults)
            .map_err(|error| Error::new(ErrorCode::InvalidConfig, format!("topic `{name}`: {error}")))?;
        take_room(&mut self.room, name, count)?;

        self.unified.extend(unified);
        self.commands.push(Command::CreateTopic {
            name: name.clone(),
            id,
            replication_factor,
            configs: topic.configs.clone(),
            replicas: assign(self.image, count, replication_factor, chance),
        });
        Ok(CreatedTopic { name: name.clone(), id, partitions, replication_factor })
    }
}

/// The name with `.` as `_`; `None` for one that has neither and so clashes with none.
fn unify(name: &TopicName) -> Option<String> {
    name.as_str().contains(['.', '_']).then(|| name.as_str().replace('.', "_"))
}

fn once<'a>(seen: &mut BTreeSet<&'a TopicName>, name: &'a TopicName) -> Result<(), Error> {
    if seen.insert(name) {
        return Ok(());
    }
    Err(Error::new(ErrorCode::InvalidRequest, format!("the request names topic `{name}` more than once")))
}

fn take_room(room: &mut usize, name: &TopicName, partitions: usize) -> Result<(), Error> {
    *room = room.checked_sub(partitions).ok_or_else(|| {
        let message = format!(
            "topic `{name}`: one request creates at most {MAX_NEW_PARTITIONS} partitions; use several, or fewer partitions"
        );
        Error::new(ErrorCode::InvalidPartitions, message)
    })?;
    Ok(())
}

/// Replicas for `partitions`: leaders in turn from a random broker on, followers the next ones
/// (Kafka's `StripedReplicaPlacer`, without racks).
fn assign(image: &Image, partitions: usize, replication_factor: i16, chance: u64) -> Vec<Vec<BrokerId>> {
    let brokers: Vec<_> = image.brokers().iter().map(|broker| broker.id).collect();
    let start = usize::try_from(chance).unwrap_or(0).checked_rem(brokers.len()).unwrap_or(0);
    let replicas = usize::try_from(replication_factor).unwrap_or(1).clamp(1, brokers.len().max(1));
    (0..partitions)
        .map(|partition| {
            let first = start.wrapping_add(partition).checked_rem(brokers.len()).unwrap_or(0);
            brokers.iter().cycle().skip(first).take(replicas).copied().collect()
        })
        .collect()
}
