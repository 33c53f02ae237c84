//! What is sent.

use bytes::Bytes;
use clap::ValueEnum;
use ottla::{Record, TopicName};
use ottla_broker_core::env::{Rng, SplitMix64};
use serde::Serialize;

/// What values are made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(super) enum Payload {
    /// Words, which a codec makes something of.
    #[default]
    Text,
    /// Bytes that cannot be compressed.
    Random,
}

/// Different values, which come by turns.
const VALUES: usize = 64;

/// The records of a round.
#[derive(Clone, Debug)]
pub(super) struct Load {
    pub(super) records: u64,
    pub(super) size: usize,
    pub(super) payload: Payload,
    /// A second, of all producers together.
    pub(super) rate: Option<u64>,
    values: Vec<Bytes>,
    keys: Vec<Bytes>,
}

impl Load {
    pub(super) fn new(records: u64, size: usize, payload: Payload, keys: u64, rate: Option<u64>) -> Self {
        // The same in each run, so that runs compare.
        let rng = SplitMix64::new(1);
        // Large values need no variety, and memory counts.
        let count = VALUES.min((16 << 20) / size.max(1)).max(1);
        let values = (0..count).map(|_| value(size, payload, &rng)).collect();
        // As many as can be told apart in memory; more come by turns of these.
        let keys = (0..keys.min(1 << 20)).map(|key| Bytes::from(format!("key-{key}"))).collect();
        Self { records, size, payload, rate, values, keys }
    }

    /// How many keys there are.
    pub(super) const fn keys(&self) -> usize {
        self.keys.len()
    }

    /// The `n`th record.
    pub(super) fn record(&self, topic: &TopicName, n: u64) -> Record {
        let mut record = Record::to(topic);
        if let Some(value) = nth(&self.values, n) {
            record = record.value(value);
        }
        // Not in step with the values, and spread.
        if let Some(key) = nth(&self.keys, n.wrapping_mul(0x9E37_79B9) >> 7) {
            record = record.key(key);
        }
        record
    }
}

fn nth(all: &[Bytes], n: u64) -> Option<Bytes> {
    let index = n.checked_rem(all.len() as u64)?;
    all.get(usize::try_from(index).ok()?).cloned()
}

fn value(size: usize, payload: Payload, rng: &SplitMix64) -> Bytes {
    const WORDS: [&str; 16] = [
        "order",
        "paid",
        "shipped",
        "customer",
        "2026-11-23T06:03:09Z",
        "email",
        "updated",
        "user",
        "account",
        "amount",
        "EUR",
        "status",
        "ok",
        "pending",
        "address",
        "invoice",
    ];
    let mut value = Vec::with_capacity(size + 24);
    while value.len() < size {
        let random = rng.next_u64();
        match payload {
            Payload::Random => value.extend_from_slice(&random.to_le_bytes()),
            Payload::Text => {
                let word = usize::try_from(random % WORDS.len() as u64).unwrap_or(0);
                value.extend_from_slice(WORDS.get(word).copied().unwrap_or_default().as_bytes());
                value.extend_from_slice(format!("={} ", (random >> 32) % 10_000).as_bytes());
            }
        }
    }
    value.truncate(size);
    value.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_have_the_size_and_the_keys() {
        let topic = TopicName::new("t").unwrap();
        for payload in [Payload::Text, Payload::Random] {
            let load = Load::new(10, 100, payload, 3, None);
            let values: Vec<_> = (0..64).map(|n| load.record(&topic, n).value_bytes().unwrap().clone()).collect();
            assert!(values.iter().all(|value| value.len() == 100));
            assert!(values.iter().skip(1).any(|value| *value != values[0]));
            let keys: std::collections::BTreeSet<_> =
                (0..100).map(|n| load.record(&topic, n).key_bytes().unwrap().clone()).collect();
            assert_eq!(keys.len(), 3);
        }
        assert!(Load::new(1, 1, Payload::Text, 0, None).record(&topic, 7).key_bytes().is_none());
    }
}
