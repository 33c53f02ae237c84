//! What is exercised.

use std::fmt;

use bytes::Bytes;
use ottla_wire::testing::Sampler;

use super::mutate::mutate;
use super::{Verdict, batches, frames, groups, log_ins, messages};

/// A decoder, or several of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Requests, as a server reads them.
    Requests,
    /// Responses, as a client reads them.
    Responses,
    /// Bytes that nobody has chosen, as either.
    Noise,
    /// Frames of a stream.
    Frames,
    /// Record batches, and what is in them.
    Batches,
    /// What members of groups say to each other, and what is kept of groups.
    Groups,
    /// Tokens of log-ins, of both sides.
    LogIns,
}

impl Target {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Requests, Self::Responses, Self::Noise, Self::Frames, Self::Batches, Self::Groups, Self::LogIns];

    /// Any of them, the larger ones more often.
    pub(super) const fn chosen(sampler: &mut Sampler) -> Self {
        match sampler.below(256) {
            0..=79 => Self::Requests,
            80..=159 => Self::Responses,
            160..=175 => Self::Noise,
            176..=191 => Self::Frames,
            192..=227 => Self::Batches,
            228..=253 => Self::Groups,
            _ => Self::LogIns,
        }
    }

    /// Something for it, and whether it must be accepted.
    pub(super) fn input(self, sampler: &mut Sampler) -> (Bytes, bool) {
        let mut bytes = match self {
            Self::Requests => messages::request(sampler),
            Self::Responses => messages::response(sampler),
            Self::Noise => return (messages::noise(sampler), false),
            Self::Frames => frames::stream(sampler),
            Self::Batches => batches::run(sampler),
            Self::Groups => groups::any(sampler),
            Self::LogIns => log_ins::tokens(sampler),
        };
        let is_valid = sampler.once_in(8);
        if !is_valid {
            let times = 1 + sampler.below(6);
            let fixed = self.fixed();
            for _ in 0..times {
                mutate(&mut bytes, fixed, sampler);
            }
            if self == Self::Batches && sampler.once_in(2) {
                batches::mend_crc(&mut bytes);
            }
        }
        (Bytes::from(bytes), is_valid)
    }

    /// Bytes at the front that say what the rest is.
    const fn fixed(self) -> usize {
        match self {
            Self::Requests => 4,
            Self::Responses => 2,
            Self::Frames | Self::Groups | Self::LogIns => 1,
            Self::Noise | Self::Batches => 0,
        }
    }

    /// Reads `input`.
    ///
    /// # Errors
    /// What it did that it must not.
    pub(super) fn consume(self, input: &Bytes) -> Result<Verdict, String> {
        match self {
            Self::Requests => messages::read_request(input),
            Self::Responses => messages::read_response(input),
            Self::Noise => Ok(ottla_wire::testing::exercise(input).into()),
            Self::Frames => frames::read(input),
            Self::Batches => batches::read(input),
            Self::Groups => groups::read(input),
            Self::LogIns => Ok(log_ins::read(input)),
        }
    }

    /// The memory that an input of `len` bytes may take.
    pub(super) const fn allowance(self, len: usize) -> usize {
        match self {
            // The documented budget, twice: what was read is written and read again.
            Self::Requests | Self::Responses | Self::Noise => 2 * (8 * len + (72 << 10)),
            Self::Frames => 4 * len + (8 << 10),
            // What is decompressed is held once, in a buffer that may have doubled.
            Self::Batches => 2 * batches::LIMIT + (256 << 10) + 4 * len,
            Self::Groups => 64 * len + (16 << 10),
            Self::LogIns => 16 * len + (64 << 10),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Requests => "requests",
            Self::Responses => "responses",
            Self::Noise => "noise",
            Self::Frames => "frames",
            Self::Batches => "batches",
            Self::Groups => "groups",
            Self::LogIns => "log-ins",
        })
    }
}
