//! Keeping up with topics: new ones that a pattern means, and new partitions.

use ottla_broker_core::TopicName;
use ottla_broker_core::api::{Error, ErrorCode, Metadata, MetadataRequest, TopicsWanted};

use super::{Done, Driver};
use crate::consumer::TopicCounts;
use crate::consumer::membership::Event;
use crate::consumer::wanted::Wanted;
use crate::context::Context;

/// How many partitions topics have.
pub(in crate::consumer) type Counts = TopicCounts;

pub(super) type Answer = Result<Counts, Error>;

/// Counts the partitions of these topics; one that does not exist is absent.
pub(super) async fn count(context: &Context, topics: Vec<TopicName>) -> Answer {
    if topics.is_empty() {
        return Ok(Counts::new());
    }
    ask(context, TopicsWanted::Names(topics)).await
}

/// Counts the partitions of what is wanted and of `others`.
pub(in crate::consumer) async fn count_wanted(context: &Context, wanted: &Wanted, others: Vec<TopicName>) -> Answer {
    if wanted.patterns.is_empty() {
        let mut names = wanted.topics.clone();
        names.extend(others);
        names.sort_unstable();
        names.dedup();
        count(context, names).await
    } else {
        ask(context, TopicsWanted::All).await
    }
}

async fn ask(context: &Context, topics: TopicsWanted) -> Answer {
    let request = MetadataRequest { topics, allow_auto_create: false };
    let Metadata { topics, .. } = context.cluster.metadata(request).await?;
    let mut counts = Counts::new();
    for topic in topics {
        match topic {
            // The cluster's own topics are nobody's by a pattern.
            Ok(topic) if topic.internal => {}
            Ok(topic) => {
                let count = i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX);
                counts.insert(topic.name.clone(), count);
            }
            Err(error) if error.code == ErrorCode::UnknownTopicOrPartition => {}
            Err(error) => return Err(error),
        }
    }
    Ok(counts)
}

impl Driver {
    pub(super) fn ask_topics(&mut self) {
        self.topics_at = None;
        let (context, wanted) = (self.context.clone(), self.wanted.clone());
        let (coordinator, others) = (std::sync::Arc::clone(&self.coordinator), self.watched().into_iter().collect());
        self.operations.push(Box::pin(async move {
            let asked = count_wanted(&context, &wanted, others);
            Done::Topics(coordinator.bounded(coordinator.request_timeout, asked).await)
        }));
    }

    pub(super) fn topics_came(&mut self, answer: Answer) {
        match answer {
            Ok(counts) => self.take_topics(&counts),
            Err(error) => {
                tracing::warn!(group = %self.shared.group, %error, "topics could not be looked up; will try again");
                self.topics_at = Some(self.context.env.now() + self.settings.retry_backoff);
            }
        }
    }

    pub(super) fn take_topics(&mut self, counts: &Counts) {
        let mut topics = self.wanted.topics.clone();
        topics.extend(counts.keys().filter(|topic| self.wanted.matches(topic)).cloned());
        self.events.push_back(Event::Subscribe(topics));
        self.events.push_back(Event::Topics(counts.clone()));
        self.topics_at = Some(self.context.env.now() + self.settings.reader.metadata_refresh);
        for assigned in self.shared.assigned().values() {
            assigned.report_lag();
        }
    }
}
