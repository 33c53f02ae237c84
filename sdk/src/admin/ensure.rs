//! A topic that is to be there, whoever creates it.

use ottla_broker_core::api::ErrorCode;

use super::{Admin, NewTopic, by_name};
use crate::error::Error;

impl Admin {
    /// Creates a topic unless it exists. One that exists must have as many partitions as asked for, or
    /// more, and the values of the configs asked for. Idempotent, and safe to call from many processes at once.
    ///
    /// # Errors
    /// [`Error::TopicDiffers`] for a topic that is otherwise: nothing is changed. As
    /// [`create_topic`](Self::create_topic) for the rest.
    pub async fn ensure_topic(&self, topic: NewTopic) -> Result<(), Error> {
        let wanted = topic.clone().checked()?;
        match self.create_topic(topic.clone()).await {
            Ok(_) => return Ok(()),
            Err(error) if error.kafka_code() == Some(ErrorCode::TopicAlreadyExists) => {}
            Err(error) => return Err(error),
        }
        let differs = |difference| Err(Error::TopicDiffers { topic: wanted.name.clone(), difference });
        let there = self.describe_topic(&wanted.name).await?.partitions.len();
        if let Some(partitions) = topic.partitions.filter(|wanted| usize::try_from(*wanted).is_ok_and(|n| n > there)) {
            return differs(format!(
                "it has {there} partitions and not {partitions}: ask for {there}, or call `add_partitions` \
                 (records with a key go elsewhere from then on)"
            ));
        }
        let configs = by_name(self.describe_configs(&wanted.name).await?);
        for (name, value) in &topic.configs {
            let in_force = configs.get(name).map(|entry| entry.value.as_str());
            if in_force != Some(value.as_str()) {
                let in_force = in_force.unwrap_or("not set");
                return differs(format!(
                    "its `{name}` is {in_force} and not {value}: ask for that, or call `alter_configs`"
                ));
            }
        }
        Ok(())
    }
}
