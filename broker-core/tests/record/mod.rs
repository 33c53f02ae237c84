//! The record batch: round trips, hostile input, vectors of other implementations.

mod codecs;
mod hostile;
mod reader;
mod round_trip;
mod vectors;

use ottla_broker_core::record::{Batch, Builder, BuilderOptions, Compression, Flags, HeaderRef, ProducerStamp, Record};

/// The codecs of this build.
fn codecs() -> impl Iterator<Item = Compression> {
    Compression::ALL.into_iter().filter(|codec| codec.is_enabled())
}

/// A record to be, owned.
#[derive(Clone, Debug, PartialEq)]
struct Input {
    delta: i32,
    timestamp_ms: i64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(String, Option<Vec<u8>>)>,
}

impl Input {
    fn new(
        delta: i32,
        timestamp_ms: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[(&str, Option<&[u8]>)],
    ) -> Self {
        Self {
            delta,
            timestamp_ms,
            key: key.map(<[u8]>::to_vec),
            value: value.map(<[u8]>::to_vec),
            headers: headers.iter().map(|(key, value)| ((*key).to_owned(), value.map(<[u8]>::to_vec))).collect(),
        }
    }

    fn of(record: &Record, base_offset: i64) -> Self {
        Self {
            delta: (record.offset.0 - base_offset).try_into().unwrap(),
            timestamp_ms: record.timestamp_ms,
            key: record.key.as_ref().map(|key| key.to_vec()),
            value: record.value.as_ref().map(|value| value.to_vec()),
            headers: record
                .headers
                .iter()
                .map(|(key, value)| (key.into_owned(), value.map(|value| value.to_vec())))
                .collect(),
        }
    }

    fn header_refs(&self) -> Vec<HeaderRef<'_>> {
        self.headers.iter().map(|(key, value)| HeaderRef::new(key, value.as_deref())).collect()
    }
}

fn build(inputs: &[Input], compression: Compression, producer: Option<ProducerStamp>, flags: Flags) -> Batch {
    let mut builder = Builder::new(BuilderOptions { compression, ..BuilderOptions::default() });
    for input in inputs {
        let headers = input.header_refs();
        let (key, value) = (input.key.as_deref(), input.value.as_deref());
        let before = builder.size_in_bytes();
        assert_eq!(builder.append_at(input.delta, input.timestamp_ms, key, value, &headers), Ok(input.delta));
        assert!(builder.size_in_bytes() - before <= Builder::record_size(key, value, &headers));
    }
    builder.finish(producer, flags).unwrap()
}

fn decode(batch: &Batch) -> Vec<Input> {
    batch.records().unwrap().map(|record| Input::of(&record.unwrap(), batch.base_offset().0)).collect()
}
