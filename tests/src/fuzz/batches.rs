//! Record batches of every codec, and all that one does with those of strangers.

use bytes::Bytes;
use ottla_broker_core::record::{
    Batch, Builder, BuilderOptions, Compression, ControlRecord, Flags, HeaderRef, ProducerStamp,
};
use ottla_broker_core::{ProducerEpoch, ProducerId};
use ottla_wire::Records;
use ottla_wire::testing::Sampler;

use super::Verdict;

/// A cap on decompression.
pub(super) const LIMIT: usize = 256 << 10;
/// Where the CRC lies, and where that which it covers begins.
const CRC: std::ops::Range<usize> = 17..21;

/// One batch or some.
pub(super) fn run(sampler: &mut Sampler) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..if sampler.once_in(4) { 3 } else { 1 } {
        bytes.extend(batch(sampler).map(|batch| batch.to_bytes()).unwrap_or_default());
    }
    bytes
}

fn batch(sampler: &mut Sampler) -> Result<Batch, ottla_broker_core::record::Error> {
    let codec = usize::try_from(sampler.below(Compression::ALL.len() as u64)).unwrap_or(0);
    let compression = Compression::ALL.get(codec).copied().unwrap_or(Compression::None);
    let mut builder = Builder::new(BuilderOptions { compression, capacity: 1 << 10, ..BuilderOptions::default() });
    let mut time = i64::try_from(sampler.below(1 << 40)).unwrap_or(0);
    for _ in 0..1 + sampler.below(20) {
        let mut bytes = |most| -> Option<Vec<u8>> {
            let len = sampler.below(most);
            // Half of it says the same again and again, as data do.
            let same = sampler.once_in(2);
            (!sampler.once_in(8))
                .then(|| (0..len).map(|at| if same { at as u8 & 3 } else { sampler.next() as u8 }).collect())
        };
        let (key, value, header) = (bytes(12), bytes(60), bytes(8));
        let headers = [HeaderRef::new("name", header.as_deref()), HeaderRef::new("", None)];
        let count = usize::try_from(sampler.below(3)).unwrap_or(0);
        builder.append(time, key.as_deref(), value.as_deref(), headers.get(..count).unwrap_or_default())?;
        time += i64::try_from(sampler.below(1_000)).unwrap_or(0) - 200;
    }
    let stamp = sampler.once_in(2).then(|| ProducerStamp {
        id: ProducerId(7),
        epoch: ProducerEpoch(0),
        base_sequence: sampler.next() as i32 & i32::MAX,
    });
    builder.finish(stamp, Flags::default())
}

/// Gives what is left of the first batch a CRC that is right, so that it gets further than the CRC.
pub(super) fn mend_crc(bytes: &mut [u8]) {
    let len = bytes.get(8..12).and_then(|len| len.try_into().ok()).map_or(0, i32::from_be_bytes);
    let end = usize::try_from(len).unwrap_or(0).saturating_add(12).min(bytes.len());
    let Some(covered) = bytes.get(CRC.end..end) else { return };
    let crc = crc32c::crc32c(covered).to_be_bytes();
    if let Some(place) = bytes.get_mut(CRC) {
        place.copy_from_slice(&crc);
    }
}

pub(super) fn read(input: &Bytes) -> Result<Verdict, String> {
    let mut run = input.clone();
    let mut all_sound = !input.is_empty();
    loop {
        match Batch::split_first(&mut run) {
            Ok(None) => break,
            Err(error) => {
                let _ = error.to_string();
                all_sound = false;
                break;
            }
            Ok(Some(batch)) => {
                if batch.size_in_bytes() == 0 || batch.to_bytes().len() != batch.size_in_bytes() {
                    return Err("a batch has another size than it says".to_owned());
                }
                let _ = (batch.last_sequence(), batch.next_offset(), ControlRecord::of_batch(&batch));
                all_sound &= batch.verify_crc().is_ok();
                let valid = batch.validate_records(LIMIT);
                all_sound &= valid.is_ok();
                let mut read = 0;
                if let Ok(records) = batch.records_with_limit(LIMIT) {
                    for record in records.flatten() {
                        let _ =
                            (record.headers.get("name"), record.headers.iter().count(), record.headers.refs().count());
                        read += 1;
                    }
                }
                if valid.is_ok() && read != batch.record_count() {
                    return Err(format!("{read} records are read of {} that are valid", batch.record_count()));
                }
            }
        }
    }
    // As the two sides of the protocol take them.
    let _ = Records::Raw(input.clone()).into_batch();
    let _ = Records::Raw(input.clone()).into_batches();
    Ok(all_sound.into())
}
