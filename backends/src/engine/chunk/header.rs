//! The 64 bytes in front of a chunk.

use ottla_broker_core::record::{Reader, Truncated};

use super::bad::Bad;

/// The size of a chunk's header.
pub(crate) const HEADER_BYTES: usize = 64;
/// Chunks begin at multiples of this in a file.
pub(crate) const ALIGNMENT: u64 = 8;

/// What a header begins with.
pub(super) const MAGIC: [u8; 4] = *b"OTCH";
const VERSION: u16 = 1;
/// The header without its checksum.
const CHECKED_BYTES: usize = HEADER_BYTES - 4;
const WHAT: &str = "a chunk's header";

/// What the header of a chunk says. The layout is drawn in [`disk::format`](crate::disk::format).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// Which life of the writer wrote it. A recycled file is full of good chunks of others.
    pub(crate) incarnation: u64,
    /// One more than the number of the chunk before it.
    pub(crate) number: u64,
    /// Chunks with a number below this were durable when this one was written.
    pub(crate) durable: u64,
    /// Entries of the directory.
    pub(crate) entries: u32,
    /// Bytes of the directory.
    pub(crate) directory_bytes: u32,
    /// Bytes of the data behind the directory: those of all runs.
    pub(crate) data_bytes: u32,
    /// CRC-32C of the directory.
    pub(crate) directory_crc: u32,
}

impl Header {
    /// Reads the header that `bytes` begin with; more may follow.
    ///
    /// # Errors
    /// [`Bad::Truncated`], [`Bad::Magic`], [`Bad::Crc`] and, with a good checksum, [`Bad::Version`].
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Bad> {
        let Some(raw) = bytes.first_chunk::<HEADER_BYTES>() else {
            let truncated = Truncated { needed: HEADER_BYTES, remaining: bytes.len() };
            return Err(Bad::cut(WHAT, truncated));
        };
        Self::read(raw).map_err(|truncated| Bad::cut(WHAT, truncated))?
    }

    fn read(raw: &[u8; HEADER_BYTES]) -> Result<Result<Self, Bad>, Truncated> {
        let mut reader = Reader::new(raw);
        if reader.try_array()? != MAGIC {
            return Ok(Err(Bad::Magic { what: "a chunk" }));
        }
        let version = reader.try_u16()?;
        reader.try_u16()?;
        let header = Self {
            incarnation: reader.try_u64()?,
            number: reader.try_u64()?,
            durable: reader.try_u64()?,
            entries: reader.try_u32()?,
            directory_bytes: reader.try_u32()?,
            data_bytes: reader.try_u32()?,
            directory_crc: reader.try_u32()?,
        };
        reader.try_take(CHECKED_BYTES - reader.position())?;
        let stated = reader.try_u32()?;
        if stated != crc32c::crc32c(raw.get(..CHECKED_BYTES).unwrap_or_default()) {
            return Ok(Err(Bad::Crc { what: WHAT }));
        }
        if version != VERSION {
            return Ok(Err(Bad::Version { what: "a chunk", found: version, known: VERSION }));
        }
        Ok(Ok(header))
    }

    /// Puts the header in front of what it describes.
    pub(super) fn write(&self, to: &mut Vec<u8>) {
        let start = to.len();
        to.extend_from_slice(&MAGIC);
        to.extend_from_slice(&VERSION.to_be_bytes());
        to.extend_from_slice(&[0; 2]);
        to.extend_from_slice(&self.incarnation.to_be_bytes());
        to.extend_from_slice(&self.number.to_be_bytes());
        to.extend_from_slice(&self.durable.to_be_bytes());
        to.extend_from_slice(&self.entries.to_be_bytes());
        to.extend_from_slice(&self.directory_bytes.to_be_bytes());
        to.extend_from_slice(&self.data_bytes.to_be_bytes());
        to.extend_from_slice(&self.directory_crc.to_be_bytes());
        to.resize(start + CHECKED_BYTES, 0);
        let crc = crc32c::crc32c(to.get(start..).unwrap_or_default());
        to.extend_from_slice(&crc.to_be_bytes());
    }

    /// The size of what goes before the data: header and directory.
    pub(crate) fn front_bytes(&self) -> u64 {
        HEADER_BYTES as u64 + u64::from(self.directory_bytes)
    }

    /// The size of the whole chunk: header, directory and data, without what lies between it and the next.
    pub(crate) fn total_bytes(&self) -> u64 {
        self.front_bytes() + u64::from(self.data_bytes)
    }
}
