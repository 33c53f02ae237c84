//! What goes in comes out.

use bytes::Bytes;
use ottla_broker_core::record::{
    Batch, Builder, BuilderOptions, Compression, ControlRecord, Error, Flags, HeaderRef, Headers, NO_SEQUENCE,
    ProducerStamp, TimestampType, sequence_after,
};
use ottla_broker_core::{LeaderEpoch, Offset, ProducerEpoch, ProducerId};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::{Input, build, codecs, decode};

fn bytes() -> impl Strategy<Value = Option<Vec<u8>>> {
    option::of(prop_oneof![vec(any::<u8>(), 0..40), vec(Just(b'x'), 0..400)])
}

fn timestamp() -> impl Strategy<Value = i64> {
    prop_oneof![1_700_000_000_000..1_700_000_100_000_i64, any::<i64>(), Just(-1), Just(i64::MIN), Just(i64::MAX)]
}

/// Records whose offsets grow by one, or, if `sparse`, by up to 100,000.
fn inputs(sparse: bool) -> impl Strategy<Value = Vec<Input>> {
    let gap = if sparse { 1..100_000_i32 } else { 1..2 };
    // Few names, so that there are duplicates.
    let headers = vec(("[a-cä]{0,2}", bytes()), 0..4);
    vec((gap, timestamp(), bytes(), bytes(), headers), 1..30).prop_map(|records| {
        let mut delta = -1;
        let record = |(gap, timestamp_ms, key, value, headers)| {
            delta += gap;
            Input { delta, timestamp_ms, key, value, headers }
        };
        records.into_iter().map(record).collect()
    })
}

fn codec() -> impl Strategy<Value = Compression> {
    prop::sample::select(codecs().collect::<Vec<_>>())
}

fn producer() -> impl Strategy<Value = Option<ProducerStamp>> {
    let sequence = prop_oneof![0..100, i32::MAX - 20..=i32::MAX];
    option::of((0..i64::MAX, 0..i16::MAX, sequence).prop_map(|(id, epoch, base_sequence)| ProducerStamp {
        id: ProducerId(id),
        epoch: ProducerEpoch(epoch),
        base_sequence,
    }))
}

fn flags() -> impl Strategy<Value = Flags> {
    (any::<bool>(), any::<bool>()).prop_map(|(transactional, control)| Flags { transactional, control })
}

fn assert_same_records(batch: &Batch, inputs: &[Input]) {
    assert_eq!(decode(batch), inputs);
    assert_eq!(batch.record_count() as usize, inputs.len());
    assert_eq!(batch.last_offset_delta(), inputs.last().unwrap().delta);
}

proptest! {
    #[test]
    fn a_batch_is_read_as_it_was_built(
        sparse in inputs(true), codec in codec(), producer in producer(), flags in flags(),
        offset in 0..i64::MAX / 2, epoch in 0..i32::MAX,
    ) {
        let built = build(&sparse, codec, producer, flags);
        prop_assert_eq!((built.base_offset(), built.leader_epoch()), (Offset::ZERO, LeaderEpoch::NONE));
        let stamped = built.clone().stamped(Offset(offset), LeaderEpoch(epoch));
        prop_assert_eq!(stamped.body().as_ptr(), built.body().as_ptr(), "stamping copies nothing");

        let read = Batch::parse(stamped.to_bytes()).unwrap();
        prop_assert_eq!(&read, &stamped);
        prop_assert_eq!(read.header(), stamped.header());
        prop_assert_eq!([&read.prefix()[..], read.body()].concat(), stamped.to_bytes());
        prop_assert_eq!(read.size_in_bytes(), read.to_bytes().len());
        read.verify_crc().unwrap();
        prop_assert_eq!((read.base_offset(), read.leader_epoch()), (Offset(offset), LeaderEpoch(epoch)));
        prop_assert_eq!(read.compression(), codec);
        prop_assert_eq!((read.is_transactional(), read.is_control()), (flags.transactional, flags.control));
        prop_assert_eq!(read.has_producer(), producer.is_some());
        prop_assert_eq!(read.base_sequence(), producer.map_or(NO_SEQUENCE, |producer| producer.base_sequence));
        prop_assert_eq!(read.max_timestamp(), sparse.iter().map(|input| input.timestamp_ms).max().unwrap());
        assert_same_records(&read, &sparse);
    }

    #[test]
    fn what_a_client_may_send_is_valid(dense in inputs(false), codec in codec()) {
        build(&dense, codec, None, Flags::default()).validate_records(1 << 20).unwrap();
    }

    #[test]
    fn rewriting_keeps_the_records(dense in inputs(true), codec in codec(), now in 0..i64::MAX) {
        let batch = build(&dense, codec, None, Flags::default()).stamped(Offset(7), LeaderEpoch(2));
        let appended = Batch::parse(batch.with_log_append_time(now).to_bytes()).unwrap();
        appended.verify_crc().unwrap();
        prop_assert_eq!(appended.timestamp_type(), TimestampType::LogAppendTime);
        prop_assert_eq!(appended.max_timestamp(), now);
        let expected: Vec<_> = dense.iter().map(|input| Input { timestamp_ms: now, ..input.clone() }).collect();
        assert_same_records(&appended, &expected);

        let bumped = Batch::parse(batch.with_producer(ProducerId(9), ProducerEpoch(1), 5).to_bytes()).unwrap();
        bumped.verify_crc().unwrap();
        prop_assert_eq!((bumped.producer_id(), bumped.producer_epoch()), (ProducerId(9), ProducerEpoch(1)));
        prop_assert_eq!(bumped.base_sequence(), 5);
        prop_assert_eq!((bumped.base_offset(), bumped.leader_epoch()), (Offset(7), LeaderEpoch(2)));
        assert_same_records(&bumped, &dense);
    }

    #[test]
    fn decoded_records_can_be_built_again(sparse in inputs(true)) {
        let batch = build(&sparse, Compression::None, None, Flags::default());
        let mut builder = Builder::new(BuilderOptions::default());
        for (record, input) in batch.records().unwrap().zip(&sparse) {
            let record = record.unwrap();
            prop_assert_eq!(&record.headers, &Headers::encode(&input.header_refs()));
            builder.append_record(input.delta, &record).unwrap();
        }
        prop_assert_eq!(builder.finish(None, Flags::default()).unwrap(), batch);
    }

    /// Small ones are copied out of the buffer, large ones take it with them.
    #[test]
    fn a_buffer_that_is_used_again_leaves_nothing_behind(
        batches in vec((inputs(false), codec(), producer(), prop_oneof![Just(0_usize), Just(80 << 10)]), 1..5),
    ) {
        let mut buffer = Vec::new();
        for (inputs, compression, producer, padding) in batches {
            let options = BuilderOptions { compression, ..BuilderOptions::default() };
            let (mut fresh, mut reusing) = (Builder::new(options), Builder::within(options, buffer));
            for builder in [&mut fresh, &mut reusing] {
                for input in &inputs {
                    let (key, value) = (input.key.as_deref(), input.value.as_deref());
                    builder.append(input.timestamp_ms, key, value, &input.header_refs()).unwrap();
                }
                builder.append(0, None, Some(&vec![b'x'; padding]), &[]).unwrap();
            }
            let (batch, left) = reusing.finish_reusing(producer, Flags::default()).unwrap();
            prop_assert_eq!(batch.to_bytes(), fresh.finish(producer, Flags::default()).unwrap().to_bytes());
            prop_assert_eq!(left.capacity() > 0, compression != Compression::None || padding == 0);
            batch.verify_crc().unwrap();
            buffer = left;
        }
    }

    #[test]
    fn a_run_is_split_and_a_cut_is_seen(batches in vec(inputs(true), 1..4), cut in 1..61_usize) {
        let whole: Vec<_> =
            batches.iter().map(|inputs| build(inputs, Compression::None, None, Flags::default())).collect();
        let run: Vec<u8> = whole.iter().flat_map(|batch| batch.to_bytes()).collect();
        let mut rest = Bytes::from(run[..run.len() - cut].to_vec());
        for expected in &whole[..whole.len() - 1] {
            let next = Batch::split_first(&mut rest).unwrap();
            prop_assert_eq!(next.as_ref(), Some(expected));
        }
        let left = rest.clone();
        prop_assert!(matches!(Batch::split_first(&mut rest), Err(Error::Truncated(_))));
        prop_assert_eq!(rest, left, "a partial batch stays where it is");
    }

    #[test]
    fn a_sequence_counts_modulo_two_to_the_31(sequence in 0..=i32::MAX, n in 0..i32::MAX) {
        let expected = (i64::from(sequence) + i64::from(n)) % (1 << 31);
        prop_assert_eq!(i64::from(sequence_after(sequence, n)), expected);
    }
}

#[test]
fn any_flipped_bit_under_the_crc_is_found() {
    let batch = build(&[Input::new(0, 1, Some(b"k"), Some(b"v"), &[])], Compression::None, None, Flags::default());
    let raw = batch.to_bytes();
    for bit in 21 * 8..raw.len() * 8 {
        let mut bad = raw.to_vec();
        bad[bit / 8] ^= 1 << (bit % 8);
        let refused = Batch::parse(bad.into()).and_then(|batch| batch.verify_crc());
        assert!(refused.is_err(), "bit {bit}");
    }
}

#[test]
fn a_batch_that_compaction_emptied_keeps_its_range() {
    let mut builder = Builder::new(BuilderOptions { compression: Compression::Gzip, ..BuilderOptions::default() });
    builder.extend_to(9).unwrap();
    let batch = builder.finish(None, Flags::default()).unwrap().stamped(Offset(100), LeaderEpoch(1));
    let read = Batch::parse(batch.to_bytes()).unwrap();
    read.verify_crc().unwrap();
    assert_eq!((read.record_count(), read.last_offset(), read.next_offset()), (0, Offset(109), Offset(110)));
    assert_eq!(read.records().unwrap().count(), 0);
    assert!(read.validate_records(0).is_err(), "a client may not send it");
}

#[test]
fn the_builder_refuses_what_no_batch_can_hold() {
    let mut builder = Builder::new(BuilderOptions::default());
    builder.append_at(5, 0, None, None, &[]).unwrap();
    assert!(matches!(builder.append_at(5, 0, None, None, &[]), Err(Error::InvalidAppend { .. })));
    assert!(matches!(builder.append_at(i32::MAX, 0, None, None, &[]), Err(Error::InvalidAppend { .. })));
    assert!(matches!(builder.extend_to(4), Err(Error::InvalidAppend { .. })));
    assert_eq!(builder.append(0, None, None, &[]), Ok(6));
    assert_eq!(builder.record_count(), 2);
    let empty = Builder::new(BuilderOptions::default());
    assert!(matches!(empty.finish(None, Flags::default()), Err(Error::InvalidAppend { .. })));
}

#[test]
fn a_header_key_that_is_not_text_is_kept() {
    let mut builder = Builder::new(BuilderOptions::default());
    let header = HeaderRef { key: b"\xff", value: Some(b"v") };
    builder.append(0, None, None, &[header]).unwrap();
    let batch = builder.finish(None, Flags::default()).unwrap();
    let record = batch.records().unwrap().next().unwrap().unwrap();
    assert_eq!(record.headers.refs().collect::<Vec<_>>(), [header]);
    assert_eq!(record.headers.iter().next().unwrap().0, "\u{fffd}");
}

#[test]
fn control_records_of_unknown_type_are_kept_apart() {
    let mut builder = Builder::new(BuilderOptions::default());
    builder.append(0, Some(&[0, 0, 0, 9]), None, &[]).unwrap();
    let control = Flags { transactional: false, control: true };
    let batch = builder.finish(None, control).unwrap();
    assert_eq!(ControlRecord::of_batch(&batch), Ok(Some(ControlRecord::Unknown { type_id: 9 })));
    let data = build(&[Input::new(0, 0, Some(&[0, 0, 0, 1]), None, &[])], Compression::None, None, Flags::default());
    assert_eq!(ControlRecord::of_batch(&data), Ok(None));
    let short = build(&[Input::new(0, 0, Some(&[0, 0, 0, 1]), None, &[])], Compression::None, None, control);
    assert!(matches!(ControlRecord::of_batch(&short), Err(Error::InvalidRecord { .. })));
}
