//! Readers that follow from the start, and say of every record where it was.

use ottla::reader::OutOfRange;
use ottla::{At, ErrorCode};

use super::chance::Chance;
use super::nemesis;
use super::producers::value_of;
use super::run::Shared;

/// Runs reader after reader until the run ends.
pub(super) async fn run(shared: Shared, slot: u32, chance: Chance) {
    let env = chance.0.clone();
    let mut number = slot;
    while !shared.is_over() {
        read(&shared, number, &chance).await;
        shared.history.count("reader rebuilt");
        number += shared.plan.readers;
        env.sleep(chance.ms(10, 300)).await;
    }
}

async fn read(shared: &Shared, number: u32, chance: &Chance) {
    let Ok(client) = shared.cluster.client().await else { return };
    let topics: Vec<_> = shared.partitions.iter().map(|(topic, _)| *topic).collect();
    let built = client.reader().topics(topics).start(At::Earliest).if_out_of_range(OutOfRange::Earliest);
    let buffered = usize::try_from(*chance.pick(&[500, 5_000, 1_000_000])).unwrap();
    // From a bucket it pays a request for each time that this is full, and there is an end to its time.
    let buffered = if shared.bucket.is_some() { buffered.max(100_000) } else { buffered };
    let built = built.max_buffered_bytes(buffered).max_wait(chance.ms(10, 1_000)).build().await;
    let mut reader = match built {
        Ok(reader) => reader,
        Err(error) => return shared.history.event(format_args!("no reader {number}: {error}")),
    };
    loop {
        let next = async { reader.next().await };
        let Some(next) = shared.unless_over(next).await else { return };
        match next {
            Ok(Some(message)) => {
                let at = shared.place(message.topic().as_str(), message.partition());
                let value = message.value().and_then(|value| value_of(value));
                shared.history.read(number, at, message.offset().0, value);
                shared.seen(number, at, message.offset().0);
            }
            Ok(None) => return shared.history.violation(format!("reader {number} ended by itself")),
            Err(error) => {
                shared.history.event(format_args!("reader {number}: {error}"));
                if matches!(error, ottla::reader::Error::Corrupt { .. }) {
                    shared.history.count("corruption told");
                }
                if error.kafka_code() == Some(ErrorCode::CorruptMessage) && !nemesis::flips_bits(&shared.plan) {
                    shared.history.violation(format!("invariant 9: told of damage where there is none: {error}"));
                }
                if error.is_fatal() {
                    return shared.history.violation(format!("reader {number} cannot go on: {error}"));
                }
            }
        }
        if !shared.is_healed() && chance.one_in(3_000) {
            return;
        }
    }
}
