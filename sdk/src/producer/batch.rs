//! A batch on its way.

use std::sync::Arc;

use ottla_broker_core::api;
use ottla_broker_core::env::Moment;
use ottla_broker_core::record::{self, Batch, Builder, BuilderOptions, Flags, ProducerStamp};

use super::completion::{Completion, Part, Receipt};
use super::error::Error;
use super::settings::Config;

/// A batch from its first record to its answer.
#[derive(Debug)]
pub(super) struct Pending {
    /// Its place among the partition's batches: the number it has in the barrier, and for a piece of a
    /// split batch the place of its first record in it.
    pub(super) order: (u64, u32),
    pub(super) content: Content,
    pub(super) segments: Vec<Segment>,
    /// The completion of records that join while the batch is open.
    pub(super) own: Arc<Completion>,
    /// How many records joined that.
    pub(super) own_count: u32,
    /// What its records took of the budget, in bytes.
    pub(super) reserved: usize,
    pub(super) records: u32,
    pub(super) created: Moment,
    /// When the current attempt was submitted.
    pub(super) sent: Moment,
    /// Its first record's sequence, once it has one; it keeps it over retries.
    pub(super) stamp: Option<ProducerStamp>,
    /// Its place among the partition's numbered batches.
    pub(super) nth: u64,
    /// How often it was submitted.
    pub(super) attempts: u32,
    /// Whether an attempt may have been written although no answer says so.
    pub(super) in_doubt: bool,
    /// Refused for following a batch that is not there: it waits until that one has its answer.
    pub(super) behind: bool,
    /// Sent although it is not full and `linger` has not passed.
    pub(super) forced: bool,
    /// Its deliveries were answered at `delivery_timeout`; only its fate is waited for.
    pub(super) expired: bool,
    pub(super) last: Option<Arc<api::Error>>,
}

/// A batch's records.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "one for each batch, most of its life `Open`: a box would be one more allocation"
)]
pub(super) enum Content {
    /// Still taking records.
    Open(Builder),
    /// Encoded.
    Sealed(Batch),
    /// With the one who encodes it.
    Away,
}

/// A run of a batch's records that wait at the same completion.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    pub(super) completion: Arc<Completion>,
    /// The place of its first record in the completion.
    pub(super) first: u32,
    pub(super) count: u32,
}

/// A batch's answer, to be told once the producer's lock is free.
#[derive(Debug)]
pub(super) struct Settlement {
    pub(super) number: u64,
    pub(super) segments: Vec<Segment>,
    pub(super) reserved: usize,
    pub(super) result: Result<Receipt, Error>,
}

impl Settlement {
    /// Wakes everyone who waits for the batch.
    pub(super) fn tell(&self) {
        let mut delta = 0;
        for segment in &self.segments {
            let result = self.result.clone().map(|receipt| Receipt { first_delta: delta, ..receipt });
            segment.completion.answer(Part { first: segment.first, count: segment.count, result });
            delta += segment.count;
        }
    }
}

impl Pending {
    pub(super) fn open(
        number: u64,
        own: Arc<Completion>,
        config: &Config,
        (buffer, capacity): (Vec<u8>, usize),
        now: Moment,
    ) -> Self {
        let options = BuilderOptions { compression: config.compression, level: config.compression_level, capacity };
        Self {
            order: (number, 0),
            content: Content::Open(Builder::within(options, buffer)),
            segments: Vec::with_capacity(1),
            own,
            own_count: 0,
            reserved: 0,
            records: 0,
            created: now,
            sent: now,
            stamp: None,
            nth: 0,
            attempts: 0,
            in_doubt: false,
            behind: false,
            forced: false,
            expired: false,
            last: None,
        }
    }

    /// One more record waits at `completion`, at the place `index` in it.
    pub(super) fn join(&mut self, completion: &Arc<Completion>, index: u32, reserved: usize) {
        self.records += 1;
        self.reserved += reserved;
        match self.segments.last_mut() {
            Some(last) if Arc::ptr_eq(&last.completion, completion) => last.count += 1,
            _ => self.segments.push(Segment { completion: Arc::clone(completion), first: index, count: 1 }),
        }
    }

    /// Its size so far in bytes, before compression.
    pub(super) fn size_in_bytes(&self) -> usize {
        match &self.content {
            Content::Open(builder) => builder.size_in_bytes(),
            Content::Sealed(batch) => batch.size_in_bytes(),
            Content::Away => 0,
        }
    }

    /// The second half of a batch that is split after `half` records. What is left MUST get the first
    /// half's content and segments.
    pub(super) fn split_off(&mut self, content: Batch, segments: Vec<Segment>, half: u32) -> Self {
        let reserved = self.reserved / 2;
        self.reserved -= reserved;
        let records = self.records - half;
        self.records = half;
        Self {
            order: (self.order.0, self.order.1 + half),
            content: Content::Sealed(content),
            segments,
            own: Arc::clone(&self.own),
            own_count: 0,
            reserved,
            records,
            created: self.created,
            sent: self.sent,
            stamp: self.stamp.map(|stamp| ProducerStamp {
                base_sequence: record::sequence_after(stamp.base_sequence, half.cast_signed()),
                ..stamp
            }),
            nth: self.nth + 1,
            attempts: 0,
            in_doubt: false,
            behind: false,
            forced: true,
            expired: false,
            last: self.last.clone(),
        }
    }

    /// Takes the answer out; what stays behind has no deliveries any more.
    pub(super) fn settle(&mut self, result: Result<Receipt, Error>) -> Settlement {
        if matches!(self.content, Content::Open(_)) {
            self.own.seal(self.own_count);
        }
        Settlement {
            number: self.order.0,
            segments: std::mem::take(&mut self.segments),
            reserved: std::mem::take(&mut self.reserved),
            result,
        }
    }
}

/// Encodes what was taken from a partition, with its sequence. With it comes the buffer that it was encoded in.
pub(super) fn seal(content: Content, stamp: Option<ProducerStamp>) -> Result<(Batch, Vec<u8>), record::Error> {
    let batch = match content {
        Content::Open(builder) => return builder.finish_reusing(stamp, Flags::default()),
        Content::Sealed(batch) => match stamp {
            // A retry sends the very bytes again; only a new identity makes them new.
            Some(stamp)
                if (batch.producer_id(), batch.producer_epoch(), batch.base_sequence())
                    != (stamp.id, stamp.epoch, stamp.base_sequence) =>
            {
                batch.with_producer(stamp.id, stamp.epoch, stamp.base_sequence)
            }
            _ => batch,
        },
        Content::Away => {
            return Err(record::Error::InvalidAppend { reason: "its records are with another sender" });
        }
    };
    Ok((batch, Vec::new()))
}

/// Two halves of a batch that is larger than its topic takes; the second's first record comes `.1` records
/// after the first's.
pub(super) fn split(batch: &Batch, level: Option<u32>) -> Result<(Batch, Batch, u32), record::Error> {
    let half = (batch.record_count() / 2).max(1);
    let options = BuilderOptions {
        compression: batch.compression(),
        level,
        capacity: batch.size_in_bytes() / 2 + batch.size_in_bytes() / 8,
    };
    let (mut first, mut second) = (Builder::new(options), Builder::new(options));
    for (nth, record) in (0_i32..).zip(batch.records()?) {
        let record = record?;
        if nth < half {
            first.append_record(nth, &record)?;
        } else {
            second.append_record(nth - half, &record)?;
        }
    }
    let stamp = |after| ProducerStamp {
        id: batch.producer_id(),
        epoch: batch.producer_epoch(),
        base_sequence: record::sequence_after(batch.base_sequence(), after),
    };
    let first = first.finish(Some(stamp(0)), Flags::default())?;
    let second = second.finish(Some(stamp(half)), Flags::default())?;
    Ok((first, second, half.unsigned_abs()))
}
