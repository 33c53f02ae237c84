//! The codecs of a batch's records, each behind a feature of its name.
//!
//! A batch is compressed as a whole, header excepted. Decoders here stop at a limit, and reserve memory
//! only as their input earns it.

#[cfg(feature = "gzip")]
mod gzip;
#[cfg(feature = "lz4")]
mod lz4;
#[cfg(feature = "snappy")]
mod snappy;
#[cfg(any(feature = "gzip", feature = "zstd"))]
mod stream;
#[cfg(feature = "zstd")]
mod zstd;

use std::fmt;
use std::str::FromStr;

use super::error::Error;
use super::header::Header;

/// How a batch's records are compressed. Names and numbers are Kafka's; zstd is KIP-110.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// Gzip (RFC 1952). Feature `gzip`.
    Gzip,
    /// Snappy in the framing of Java's `snappy-java` ("Xerial"); bare snappy is read too. Feature `snappy`.
    Snappy,
    /// LZ4's frame format. Feature `lz4`.
    Lz4,
    /// Zstandard (RFC 8878). Feature `zstd`.
    Zstd,
}

/// No codec has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no compression type: there are none, gzip, snappy, lz4 and zstd")]
pub struct UnknownCompression(
    /// The name.
    pub String,
);

impl Compression {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 5] = [Self::None, Self::Gzip, Self::Snappy, Self::Lz4, Self::Zstd];

    /// The number in a batch's attributes.
    #[must_use]
    pub const fn id(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Gzip => 1,
            Self::Snappy => 2,
            Self::Lz4 => 3,
            Self::Zstd => 4,
        }
    }

    /// The codec of this number.
    #[must_use]
    pub const fn from_id(id: u8) -> Option<Self> {
        match id {
            0 => Some(Self::None),
            1 => Some(Self::Gzip),
            2 => Some(Self::Snappy),
            3 => Some(Self::Lz4),
            4 => Some(Self::Zstd),
            _ => None,
        }
    }

    /// Kafka's name for it, which is also its feature's.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }

    /// Whether this build has it.
    #[must_use]
    pub const fn is_enabled(self) -> bool {
        match self {
            Self::None => true,
            Self::Gzip => cfg!(feature = "gzip"),
            Self::Snappy => cfg!(feature = "snappy"),
            Self::Lz4 => cfg!(feature = "lz4"),
            Self::Zstd => cfg!(feature = "zstd"),
        }
    }

    /// Compresses `records` to a buffer that starts with room for a batch header.
    #[cfg_attr(
        not(any(feature = "gzip", feature = "zstd")),
        expect(unused_variables, reason = "only these codecs have levels")
    )]
    pub(super) fn compress(self, records: &[u8], level: Option<u32>) -> Result<Vec<u8>, Error> {
        let mut out = vec![0; Header::SIZE];
        match self {
            Self::None => out.extend_from_slice(records),
            #[cfg(feature = "gzip")]
            Self::Gzip => gzip::compress(records, level, &mut out)?,
            #[cfg(feature = "snappy")]
            Self::Snappy => snappy::compress(records, &mut out)?,
            #[cfg(feature = "lz4")]
            Self::Lz4 => lz4::compress(records, &mut out)?,
            #[cfg(feature = "zstd")]
            Self::Zstd => zstd::compress(records, level, &mut out)?,
            #[allow(unreachable_patterns, reason = "with every feature on, nothing is left")]
            codec => return Err(Error::CodecDisabled { codec }),
        }
        Ok(out)
    }

    /// Decompresses to at most `limit` bytes.
    pub(super) fn decompress(self, input: &[u8], limit: usize) -> Result<Vec<u8>, Error> {
        match self {
            Self::None if input.len() > limit => Err(Error::DecompressedTooLarge { limit }),
            Self::None => Ok(input.to_vec()),
            #[cfg(feature = "gzip")]
            Self::Gzip => gzip::decompress(input, limit),
            #[cfg(feature = "snappy")]
            Self::Snappy => snappy::decompress(input, limit),
            #[cfg(feature = "lz4")]
            Self::Lz4 => lz4::decompress(input, limit),
            #[cfg(feature = "zstd")]
            Self::Zstd => zstd::decompress(input, limit),
            #[allow(unreachable_patterns, reason = "with every feature on, nothing is left")]
            codec => Err(Error::CodecDisabled { codec }),
        }
    }

    /// The codec refused.
    #[cfg(any(feature = "gzip", feature = "snappy", feature = "lz4", feature = "zstd"))]
    fn failed(self, reason: impl fmt::Display) -> Error {
        Error::Codec { codec: self, reason: reason.to_string() }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Compression {
    type Err = UnknownCompression;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|codec| codec.name() == name).ok_or_else(|| UnknownCompression(name.to_owned()))
    }
}
