//! What a journal or a segment begins with.

use ottla_broker_core::record::{Reader, Truncated};
use uuid::Uuid;

use crate::engine::FileKind;
use crate::engine::chunk::Bad;

/// The bytes of a file before its contents: a page, so that contents are aligned as the medium likes it.
pub(crate) const FILE_HEADER_BYTES: usize = 4096;

const MAGIC: [u8; 4] = *b"OTLG";
const VERSION: u16 = 1;
const CHECKED_BYTES: usize = FILE_HEADER_BYTES - 4;
const WHAT: &str = "a file's header";

/// What the header of a file says. The layout is drawn in the [module](super).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileHeader {
    pub(crate) kind: FileKind,
    /// The storage that it belongs to: a file copied from elsewhere has another.
    pub(crate) storage: Uuid,
    /// The number in its name.
    pub(crate) file: u64,
    /// The incarnation whose chunks are in it.
    pub(crate) incarnation: u64,
    /// The number of the first chunk in it; 0 in a segment.
    pub(crate) first_chunk: u64,
    /// Chunks with a number below this were durable when it was written.
    pub(crate) durable: u64,
}

impl FileHeader {
    /// Reads the header that `bytes` begin with; more may follow.
    ///
    /// # Errors
    /// [`Bad::Truncated`], [`Bad::Magic`] for a file that is none of ours, [`Bad::Crc`] and, with a good
    /// checksum, [`Bad::Version`].
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Bad> {
        let Some(raw) = bytes.first_chunk::<FILE_HEADER_BYTES>() else {
            return Err(Bad::cut(WHAT, Truncated { needed: FILE_HEADER_BYTES, remaining: bytes.len() }));
        };
        Self::read(raw).map_err(|truncated| Bad::cut(WHAT, truncated))?
    }

    fn read(raw: &[u8; FILE_HEADER_BYTES]) -> Result<Result<Self, Bad>, Truncated> {
        let mut reader = Reader::new(raw);
        if reader.try_array()? != MAGIC {
            return Ok(Err(Bad::Magic { what: "a journal or segment file" }));
        }
        let checked = raw.get(..CHECKED_BYTES).unwrap_or_default();
        if Reader::new(raw.get(CHECKED_BYTES..).unwrap_or_default()).try_u32()? != crc32c::crc32c(checked) {
            return Ok(Err(Bad::Crc { what: WHAT }));
        }
        let version = reader.try_u16()?;
        if version != VERSION {
            return Ok(Err(Bad::Version { what: "a file", found: version, known: VERSION }));
        }
        let Some(kind) = FileKind::from_code(reader.try_u8()?) else {
            return Ok(Err(Bad::Structure("a file is of a kind that is not known")));
        };
        reader.try_u8()?;
        Ok(Ok(Self {
            kind,
            storage: Uuid::from_bytes(reader.try_array()?),
            file: reader.try_u64()?,
            incarnation: reader.try_u64()?,
            first_chunk: reader.try_u64()?,
            durable: reader.try_u64()?,
        }))
    }

    /// The [`FILE_HEADER_BYTES`] bytes of the header.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(FILE_HEADER_BYTES);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&VERSION.to_be_bytes());
        bytes.extend_from_slice(&[self.kind.code(), 0]);
        bytes.extend_from_slice(self.storage.as_bytes());
        bytes.extend_from_slice(&self.file.to_be_bytes());
        bytes.extend_from_slice(&self.incarnation.to_be_bytes());
        bytes.extend_from_slice(&self.first_chunk.to_be_bytes());
        bytes.extend_from_slice(&self.durable.to_be_bytes());
        bytes.resize(CHECKED_BYTES, 0);
        let crc = crc32c::crc32c(&bytes);
        bytes.extend_from_slice(&crc.to_be_bytes());
        bytes
    }
}
