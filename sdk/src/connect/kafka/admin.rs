//! Topics and configs: requests to the controller, and to the leaders of partitions.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use ottla_broker_core::api::{
    AlterConfig, ConfigEntry, ConfigResource, ConfigSource, CreateTopic, CreatedTopic, DeletedRecords, Error,
    ErrorCode, MetadataRequest, TopicsWanted,
};
use ottla_broker_core::{BrokerId, Offset, TopicName, TopicPartition};
use ottla_wire::messages as wire;
use ottla_wire::net::{Answer, Ask};
use ottla_wire::{Api, NoCommonVersion, ServerVersions, TopicRef};

use super::brokers::told;
use super::calls::newest;
use super::remote::{Remote, no_response};
use crate::cluster::{Cluster, ClusterAdmin};

/// How often the controller is looked for again.
const CONTROLLERS: usize = 5;
const CONTROLLER_PAUSE: Duration = Duration::from_millis(100);

type Answers<T> = Vec<Result<T, Error>>;

impl Remote {
    /// Asks the controller, and its successor if it is none any more: then nothing was done. Brokers of today send
    /// it on; those that have ZooKeeper do not.
    async fn controller<A: Api, T, P>(
        &self,
        prepare: impl Fn() -> P + Send + Sync,
        take: impl Fn(&A::Request, A::Response, i16) -> Answers<T> + Send + Sync,
    ) -> Result<Answers<T>, Error>
    where
        T: Send,
        P: FnOnce(&ServerVersions) -> Result<Ask<A>, NoCommonVersion> + Send + 'static,
    {
        let mut rounds = 0;
        loop {
            let answers = self.controller_once(&prepare, &take).await?;
            let moved =
                |answer: &Result<T, Error>| answer.as_ref().is_err_and(|error| error.code == ErrorCode::NotController);
            rounds += 1;
            if !answers.iter().any(moved) || rounds == CONTROLLERS {
                return Ok(answers);
            }
            self.brokers.pause(CONTROLLER_PAUSE).await;
            self.look_around().await?;
        }
    }

    async fn controller_once<A: Api, T, P>(
        &self,
        prepare: &(impl Fn() -> P + Send + Sync),
        take: &(impl Fn(&A::Request, A::Response, i16) -> Answers<T> + Send + Sync),
    ) -> Result<Answers<T>, Error>
    where
        P: FnOnce(&ServerVersions) -> Result<Ask<A>, NoCommonVersion> + Send + 'static,
    {
        let limits = self.brokers.limits(self.brokers.request_timeout());
        let controller = self.brokers.known().controller;
        let controller = controller.and_then(|id| self.brokers.broker(id, ErrorCode::NetworkException).ok());
        let unsent = match controller {
            Some(peer) => match peer.quick().ask::<A>(limits, prepare()).await {
                Ok(answer) => return taken(answer, take),
                Err(error) if error.may_have_happened() => return Err(told(&error, ErrorCode::NetworkException)),
                Err(error) => error.to_string(),
            },
            None => "no controller is known".to_owned(),
        };
        // Not sent: some broker knows who is the controller now, or sends it on.
        tracing::debug!(%unsent, "the controller cannot be asked; another broker is");
        let asked = self.brokers.any(false, ErrorCode::NetworkException, |peer| {
            let prepare = prepare();
            async move { peer.quick().ask::<A>(limits, prepare).await }
        });
        taken(asked.await?, take)
    }

    /// Asks about configs: those of the broker of that broker, whichever it is, others of any.
    async fn about_configs<A: Api, T, P>(
        &self,
        harmless: bool,
        prepare: impl Fn(BrokerId) -> P + Send + Sync,
        take: impl Fn(&A::Request, A::Response, i16) -> Answers<T> + Send + Sync,
    ) -> Result<Answers<T>, Error>
    where
        P: FnOnce(&ServerVersions) -> Result<Ask<A>, NoCommonVersion> + Send + 'static,
    {
        let limits = self.brokers.limits(Duration::ZERO);
        let first = self.brokers.known().first();
        let Some(broker) = first else {
            return Err(Error::new(ErrorCode::NetworkException, "the cluster has told of no broker"));
        };
        let peer = self.brokers.broker(broker, ErrorCode::NetworkException)?;
        match peer.quick().ask::<A>(limits, prepare(broker)).await {
            Ok(answer) => taken(answer, &take),
            Err(error) if error.may_have_happened() && !harmless => Err(told(&error, ErrorCode::NetworkException)),
            Err(error) => {
                // Who is there may have changed.
                self.look_around().await?;
                let again = self.brokers.known().first().filter(|again| *again != broker);
                let Some(again) = again else { return Err(told(&error, ErrorCode::NetworkException)) };
                let peer = self.brokers.broker(again, ErrorCode::NetworkException)?;
                let answer = peer.quick().ask::<A>(limits, prepare(again)).await;
                taken(answer.map_err(|error| told(&error, ErrorCode::NetworkException))?, &take)
            }
        }
    }

    /// Who leads each partition.
    async fn leaders(&self, partitions: &[(TopicPartition, Offset)]) -> Result<Vec<Result<BrokerId, Error>>, Error> {
        let mut names: Vec<TopicName> = partitions.iter().map(|(partition, _)| partition.topic.clone()).collect();
        names.sort_unstable();
        names.dedup();
        let request = MetadataRequest { topics: TopicsWanted::Names(names.clone()), allow_auto_create: false };
        let topics: BTreeMap<_, _> = names.into_iter().zip(self.metadata(request).await?.topics).collect();
        let leader = |(partition, _): &(TopicPartition, Offset)| {
            let topic = match topics.get(&partition.topic) {
                Some(Ok(topic)) => topic,
                Some(Err(error)) => return Err(error.clone()),
                None => return Err(no_response()),
            };
            let found = topic.partitions.iter().find(|one| one.partition == partition.partition);
            let refused = |code: ErrorCode| Error::new(code, format!("{partition}: {}", code.text()));
            found
                .ok_or_else(|| refused(ErrorCode::UnknownTopicOrPartition))?
                .leader
                .ok_or_else(|| refused(ErrorCode::LeaderNotAvailable))
        };
        Ok(partitions.iter().map(leader).collect())
    }

    /// Sets configs on brokers that only know how to set all of a resource at once (before KIP-339): what is set
    /// already stays.
    async fn alter_whole(
        &self,
        changes: &[(ConfigResource, Vec<AlterConfig>)],
        validate_only: bool,
    ) -> Result<Answers<()>, Error> {
        let resources = changes.iter().map(|(resource, _)| resource.clone()).collect();
        let described = self.describe_configs(resources).await?;
        let mut answers = Vec::with_capacity(changes.len());
        for ((resource, changes), described) in changes.iter().zip(described) {
            let entries = match described {
                Ok(entries) => entries,
                Err(error) => {
                    answers.push(Err(error));
                    continue;
                }
            };
            let own =
                if matches!(resource, ConfigResource::Topic(_)) { ConfigSource::Topic } else { ConfigSource::Broker };
            let set = entries.iter().filter(|entry| entry.source == own && !entry.read_only);
            let mut whole: BTreeMap<String, String> =
                set.map(|entry| (entry.name.clone(), entry.value.clone())).collect();
            for AlterConfig { name, op } in changes {
                let current = entries.iter().find(|entry| entry.name == *name).map_or("", |entry| &entry.value);
                match op.applied_to(current) {
                    Some(value) => drop(whole.insert(name.clone(), value)),
                    None => drop(whole.remove(name)),
                }
            }
            let all = Arc::new(vec![(resource.clone(), whole.into_iter().collect::<Vec<_>>())]);
            let altered = self.about_configs::<wire::AlterConfigs, _, _>(
                false,
                |broker| {
                    let all = Arc::clone(&all);
                    newest(move |_| wire::AlterConfigsRequest::from_api(&all, broker, validate_only))
                },
                |request, response, _| response.into_api(request),
            );
            answers.push(altered.await?.pop().unwrap_or_else(|| Err(no_response())));
        }
        Ok(answers)
    }
}

fn taken<A: Api, T>(
    answer: Answer<A>,
    take: &impl Fn(&A::Request, A::Response, i16) -> Answers<T>,
) -> Result<Answers<T>, Error> {
    Ok(take(&answer.request, answer.response.ok_or_else(no_response)?, answer.version))
}

#[async_trait]
impl ClusterAdmin for Remote {
    async fn create_topics(
        &self,
        topics: Vec<CreateTopic>,
        validate_only: bool,
    ) -> Result<Answers<CreatedTopic>, Error> {
        let (topics, timeout) = (Arc::new(topics), self.brokers.request_timeout());
        let prepare = || {
            let topics = Arc::clone(&topics);
            newest(move |_| wire::CreateTopicsRequest::from_api(&topics, timeout, validate_only))
        };
        let take =
            |request: &wire::CreateTopicsRequest, response: wire::CreateTopicsResponse, _| response.into_api(request);
        self.controller::<wire::CreateTopics, _, _>(prepare, take).await
    }

    async fn delete_topics(&self, names: Vec<TopicName>) -> Result<Answers<()>, Error> {
        let timeout = self.brokers.request_timeout();
        let topics: Arc<Vec<_>> = Arc::new(names.iter().map(TopicRef::from).collect());
        let prepare = || {
            let topics = Arc::clone(&topics);
            newest(move |version| wire::DeleteTopicsRequest::from_api(version, &topics, timeout))
        };
        let take = |_: &wire::DeleteTopicsRequest, response: wire::DeleteTopicsResponse, _| response.into_api(&topics);
        let answers = self.controller::<wire::DeleteTopics, _, _>(prepare, take).await;
        let mut known = self.brokers.known();
        for name in &names {
            known.forget(name);
        }
        answers
    }

    async fn create_partitions(
        &self,
        totals: Vec<(TopicName, i32)>,
        validate_only: bool,
    ) -> Result<Answers<()>, Error> {
        let (totals, timeout) = (Arc::new(totals), self.brokers.request_timeout());
        let prepare = || {
            let totals = Arc::clone(&totals);
            newest(move |_| wire::CreatePartitionsRequest::from_api(&totals, timeout, validate_only))
        };
        let take = |request: &wire::CreatePartitionsRequest, response: wire::CreatePartitionsResponse, _| {
            response.into_api(request)
        };
        self.controller::<wire::CreatePartitions, _, _>(prepare, take).await
    }

    async fn delete_records(&self, before: Vec<(TopicPartition, Offset)>) -> Result<Answers<DeletedRecords>, Error> {
        let mut answers: Vec<_> = before.iter().map(|_| Err(no_response())).collect();
        let mut by_leader: BTreeMap<BrokerId, Vec<usize>> = BTreeMap::new();
        for (at, leader) in self.leaders(&before).await?.into_iter().enumerate() {
            match (leader, answers.get_mut(at)) {
                (Ok(leader), _) => by_leader.entry(leader).or_default().push(at),
                (Err(error), Some(answer)) => *answer = Err(error),
                (Err(_), None) => {}
            }
        }
        let timeout = self.brokers.request_timeout();
        for (leader, places) in by_leader {
            let part: Vec<_> = places.iter().filter_map(|at| before.get(*at).cloned()).collect();
            let prepare = newest::<wire::DeleteRecords>(move |_| wire::DeleteRecordsRequest::from_api(&part, timeout));
            let asked = async {
                let peer = self.brokers.broker(leader, ErrorCode::LeaderNotAvailable)?;
                let answer = peer.quick().ask(self.brokers.limits(timeout), prepare).await;
                let answer = answer.map_err(|error| told(&error, ErrorCode::LeaderNotAvailable))?;
                taken(answer, &|request: &wire::DeleteRecordsRequest, response: wire::DeleteRecordsResponse, _| {
                    response.into_api(request)
                })
            };
            // What one leader does not answer says nothing about the others.
            let mut told = match asked.await {
                Ok(told) => told.into_iter(),
                Err(error) => places.iter().map(|_| Err(error.clone())).collect::<Vec<_>>().into_iter(),
            };
            for at in places {
                if let (Some(answer), Some(told)) = (answers.get_mut(at), told.next()) {
                    *answer = told;
                }
            }
        }
        Ok(answers)
    }

    async fn describe_configs(&self, resources: Vec<ConfigResource>) -> Result<Answers<Vec<ConfigEntry>>, Error> {
        let resources = Arc::new(resources);
        let described = self.about_configs::<wire::DescribeConfigs, _, _>(
            true,
            |broker| {
                let resources = Arc::clone(&resources);
                newest(move |_| wire::DescribeConfigsRequest::from_api(&resources, broker))
            },
            |request, response, _| response.into_api(request),
        );
        let mut answers = described.await?;
        for entries in answers.iter_mut().flatten() {
            entries.sort_by(|a, b| a.name.cmp(&b.name));
        }
        Ok(answers)
    }

    async fn alter_configs(
        &self,
        changes: Vec<(ConfigResource, Vec<AlterConfig>)>,
        validate_only: bool,
    ) -> Result<Answers<()>, Error> {
        let changes = Arc::new(changes);
        let altered = self.about_configs::<wire::IncrementalAlterConfigs, _, _>(
            false,
            |broker| {
                let changes = Arc::clone(&changes);
                newest(move |_| wire::IncrementalAlterConfigsRequest::from_api(&changes, broker, validate_only))
            },
            |request, response, _| response.into_api(request),
        );
        match altered.await {
            Err(error) if error.code == ErrorCode::UnsupportedVersion => {
                self.alter_whole(&changes, validate_only).await
            }
            answer => answer,
        }
    }
}
