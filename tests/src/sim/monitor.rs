//! Asks for starts and ends all the time, one question after the other: neither goes back.

use ottla_broker_core::api::{IsolationLevel, OffsetSpec};
use ottla_broker_core::{BrokerId, TopicName, TopicPartition};

use super::chance::Chance;
use super::run::Shared;

pub(super) async fn run(shared: Shared, chance: Chance) {
    let cluster = shared.cluster.cluster();
    while !shared.is_over() {
        chance.0.sleep(chance.ms(20, 400)).await;
        let at = chance.index(shared.settled());
        let (topic, partition) = shared.partitions[at];
        let name = TopicPartition::new(TopicName::new(topic).unwrap(), partition);
        let earliest = chance.one_in(3);
        let spec = if earliest { OffsetSpec::Earliest } else { OffsetSpec::Latest };
        // A leader that moved answers under another name.
        let broker = BrokerId(i32::from(chance.one_in(2)));
        let asked = cluster.list_offsets(broker, IsolationLevel::ReadUncommitted, vec![(name, spec)]).await;
        if let Ok(mut answers) = asked
            && let Some(Ok(listed)) = answers.pop()
        {
            let offset = listed.offset.map(|offset| offset.0);
            let (earliest, latest) = if earliest { (offset, None) } else { (None, offset) };
            shared.history.bounds(at, earliest, latest);
        }
    }
}
