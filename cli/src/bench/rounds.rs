//! Rounds of phases, each beside its limit.

use std::collections::BTreeMap;
use std::sync::Arc;

use indicatif::ProgressBar;
use ottla::{Client, Env, NewTopic, Offset, OffsetSpec, TopicName};

use super::consume::{self, Ranges};
use super::figures::{Figures, Outcome};
use super::limit::{Done, Limit, Written};
use super::load::Load;
use super::{Phase, lone, produce};
use crate::error::Error;
use crate::signals::Signals;

/// What is to be measured.
#[derive(Debug)]
pub(super) struct Bench {
    pub(super) env: Env,
    /// At least one.
    pub(super) clients: Vec<Client>,
    pub(super) url: String,
    /// Somebody's own.
    pub(super) topic: Option<TopicName>,
    pub(super) partitions: i32,
    pub(super) producers: usize,
    pub(super) consumers: usize,
    pub(super) load: Load,
    pub(super) phases: Vec<Phase>,
    pub(super) bar: ProgressBar,
}

/// By phase, in their order.
pub(super) type Measured = Vec<(Phase, Figures)>;

impl Bench {
    /// # Errors
    /// What the log said, or that a signal ended it. A topic that was made is deleted in any case.
    pub(super) async fn run(&self, rounds: u16, signals: &mut Signals) -> Result<Measured, Error> {
        let mut measured: Measured = self.phases.iter().map(|phase| (*phase, Figures::default())).collect();
        for round in 1..=rounds {
            let (topic, own) = match &self.topic {
                Some(topic) => (topic.clone(), false),
                None => (self.make_topic().await?, true),
            };
            let done = tokio::select! {
                biased;
                signal = signals.next() => Err(Error::Failed(format!("ended by {signal} in round {round} of {rounds}"))),
                done = self.round(&topic, round, &mut measured) => done,
            };
            let deleted = match self.clients.first() {
                Some(client) if own => client.admin().delete_topic(&topic).await,
                _ => Ok(()),
            };
            done?;
            deleted?;
        }
        Ok(measured)
    }

    fn client(&self) -> Result<&Client, Error> {
        self.clients.first().ok_or_else(|| Error::Failed("there is no client".to_owned()))
    }

    async fn make_topic(&self) -> Result<TopicName, Error> {
        let name = format!("ottla-bench-{:016x}", self.env.random_u64());
        self.client()?.admin().create_topic(NewTopic::new(&name).partitions(self.partitions)).await?;
        Ok(TopicName::new(name).map_err(ottla::Error::from)?)
    }

    async fn round(&self, topic: &TopicName, round: u16, measured: &mut Measured) -> Result<(), Error> {
        let load = Arc::new(self.load.clone());
        let produces = self.phases.contains(&Phase::Produce);
        // Of somebody's own topic only what is new is read, unless nothing is.
        let from = if produces { OffsetSpec::Latest } else { OffsetSpec::Earliest };
        let from = self.offsets(topic, from).await?;
        for (phase, figures) in measured {
            let count = if *phase == Phase::Lone { lone::count(&load) } else { load.records };
            self.bar.reset();
            self.bar.set_length(count);
            self.bar.set_message(format!("{} {round}", phase.name()));
            let client = self.client()?;
            let before = Written::by(client);
            let outcome = match phase {
                Phase::Produce => {
                    produce::run(&self.clients, self.producers, topic, &load, &self.env, &self.bar).await?
                }
                Phase::Consume => self.consume(topic, &from).await?,
                Phase::Lone => lone::run(client, topic, &load, &self.env, &self.bar).await?,
            };
            let written = Written::by(client).since(before);
            let limit = self.limit(*phase, &outcome, written);
            figures.add(outcome, limit);
        }
        Ok(())
    }

    fn limit(&self, phase: Phase, outcome: &Outcome, written: Written) -> Limit {
        let Some(size) = outcome.bytes.checked_div(outcome.records).and_then(|size| usize::try_from(size).ok()) else {
            return Limit::NotMeasured("there were no records".to_owned());
        };
        if let (Phase::Produce, Some(rate)) = (phase, self.load.rate) {
            return Limit::NotMeasured(format!("it was not to be faster than {rate}/s"));
        }
        let (records, durability) = (outcome.records, outcome.durability);
        let done = Done { url: &self.url, records, size: size.max(1), durability, written };
        match phase {
            Phase::Produce => done.producing(),
            Phase::Consume => done.consuming(),
            Phase::Lone => done.lone(),
        }
    }

    async fn consume(&self, topic: &TopicName, from: &BTreeMap<i32, Offset>) -> Result<Outcome, Error> {
        let to = self.offsets(topic, OffsetSpec::Latest).await?;
        let ranges: Ranges = to
            .into_iter()
            .map(|(partition, to)| (partition, (from.get(&partition).copied().unwrap_or(Offset::ZERO), to)))
            .collect();
        if ranges.values().all(|(from, to)| from >= to) {
            return Err(Error::NotFound(format!("there is nothing to read in topic `{topic}`")));
        }
        consume::run(&self.clients, self.consumers, topic, &ranges, &self.bar).await
    }

    async fn offsets(&self, topic: &TopicName, spec: OffsetSpec) -> Result<BTreeMap<i32, Offset>, Error> {
        let offsets = self.client()?.admin().offsets(topic, spec).await?;
        Ok(offsets.into_iter().filter_map(|(partition, offset)| Some((partition, offset?))).collect())
    }
}
