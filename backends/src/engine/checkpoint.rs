//! The index at some chunk, so that a restart reads only the journal after it.

mod varint;

use bytes::Bytes;
use ottla_broker_core::log::TrimBase;
use ottla_broker_core::planted::is_planted;
use ottla_broker_core::record::{Reader, Truncated};
use ottla_broker_core::{LeaderEpoch, Offset};
use uuid::Uuid;

use self::varint::{
    put, put_delta, put_delta_unsigned, put_unsigned, take, take_count, take_delta, take_delta_unsigned, take_unsigned,
};
use super::chunk::{Bad, key_bytes, read_key};
use super::{Extent, Saved};

const MAGIC: [u8; 4] = *b"OTCK";
const VERSION: u16 = 1;
const HEADER_BYTES: usize = 64;
const CRC_AT: usize = 60;
const WHAT: &str = "a checkpoint";

/// The fewest bytes of a file, a log and an extent.
const MIN_FILE_BYTES: usize = 4;
const MIN_LOG_BYTES: usize = 27;
const MIN_EXTENT_BYTES: usize = 6;

/// All that is known of the logs, as of the chunks before [`next_chunk`](Checkpoint::next_chunk).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Checkpoint {
    /// The storage that it belongs to.
    pub(crate) storage: Uuid,
    /// The incarnation that wrote it.
    pub(crate) incarnation: u64,
    /// Whether nothing was written after it: the storage was closed.
    pub(crate) clean: bool,
    /// The number of the first chunk that it does not cover.
    pub(crate) next_chunk: u64,
    /// The number of the next file.
    pub(crate) next_file: u64,
    pub(crate) files: Vec<FileEntry>,
    pub(crate) logs: Vec<Saved>,
}

/// What a file (or object) holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileKind {
    /// Chunks, as they were written.
    Journal,
    /// Items of logs.
    Segment,
}

impl FileKind {
    /// As it is written.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Journal => 1,
            Self::Segment => 2,
        }
    }

    pub(crate) const fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Journal),
            2 => Some(Self::Segment),
            _ => None,
        }
    }
}

/// One file of the storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileEntry {
    pub(crate) number: u64,
    pub(crate) kind: FileKind,
    /// Bytes in use, header included.
    pub(crate) bytes: u64,
    /// Whether nothing more is written to it.
    pub(crate) closed: bool,
    /// Whether a journal file stays as it is: it is sorted well enough.
    pub(crate) adopted: bool,
}

impl Checkpoint {
    /// The whole file.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![0; HEADER_BYTES];
        self.write_body(&mut bytes);
        let mut header = Vec::with_capacity(HEADER_BYTES);
        header.extend_from_slice(&MAGIC);
        header.extend_from_slice(&VERSION.to_be_bytes());
        header.extend_from_slice(&[u8::from(self.clean), 0]);
        header.extend_from_slice(&((bytes.len() - HEADER_BYTES) as u64).to_be_bytes());
        header.extend_from_slice(self.storage.as_bytes());
        header.extend_from_slice(&self.incarnation.to_be_bytes());
        header.extend_from_slice(&self.next_chunk.to_be_bytes());
        header.extend_from_slice(&self.next_file.to_be_bytes());
        header.resize(CRC_AT, 0);
        let crc = checksum(&header, bytes.get(HEADER_BYTES..).unwrap_or_default());
        header.extend_from_slice(&crc.to_be_bytes());
        if let Some(front) = bytes.get_mut(..HEADER_BYTES) {
            front.copy_from_slice(&header);
        }
        bytes
    }

    fn write_body(&self, to: &mut Vec<u8>) {
        put_unsigned(self.files.len() as u64, to);
        let mut before = 0;
        for file in &self.files {
            put_delta_unsigned(file.number, before, to);
            to.push(file.kind.code());
            put_unsigned(file.bytes, to);
            to.push(u8::from(file.closed) | u8::from(file.adopted) << 1);
            before = file.number;
        }
        put_unsigned(self.logs.len() as u64, to);
        for log in &self.logs {
            log.write(to);
        }
    }

    /// Reads a whole file. Nothing is allocated beyond a small multiple of its size.
    ///
    /// # Errors
    /// [`Bad::Truncated`], [`Bad::Magic`], [`Bad::Crc`]; with a good checksum [`Bad::Version`] and
    /// [`Bad::Structure`].
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Bad> {
        let cut = |truncated| Bad::cut(WHAT, truncated);
        let mut reader = Reader::new(bytes);
        let header = reader.clone().try_take(HEADER_BYTES).map_err(cut)?;
        if reader.try_array().map_err(cut)? != MAGIC {
            return Err(Bad::Magic { what: WHAT });
        }
        let version = reader.try_u16().map_err(cut)?;
        let clean = flag(&mut reader)?;
        reader.try_u8().map_err(cut)?;
        let length = usize::try_from(reader.try_u64().map_err(cut)?).unwrap_or(usize::MAX);
        let body = bytes.get(HEADER_BYTES..).unwrap_or_default();
        // A file that is shorter than it says may be a torn write; every other difference is damage.
        if version == VERSION && length > body.len() {
            return Err(cut(Truncated { needed: length, remaining: body.len() }));
        }
        let stated = Reader::new(header.get(CRC_AT..).unwrap_or_default()).try_u32().map_err(cut)?;
        let computed = checksum(header.get(..CRC_AT).unwrap_or_default(), body);
        if stated != computed && !is_planted("checkpoint-crc-not-checked") {
            return Err(Bad::Crc { what: WHAT });
        }
        if version != VERSION {
            return Err(Bad::Version { what: WHAT, found: version, known: VERSION });
        }
        if length != body.len() {
            return Err(Bad::Structure("a checkpoint goes on after its end"));
        }
        let storage = Uuid::from_bytes(reader.try_array().map_err(cut)?);
        let incarnation = reader.try_u64().map_err(cut)?;
        let next_chunk = reader.try_u64().map_err(cut)?;
        let next_file = reader.try_u64().map_err(cut)?;
        let mut reader = Reader::new(body);
        let files = read_files(&mut reader)?;
        let count = take_count(&mut reader, MIN_LOG_BYTES)?;
        let mut logs = Vec::with_capacity(count);
        for _ in 0..count {
            logs.push(Saved::read(&mut reader)?);
        }
        if !reader.is_empty() {
            return Err(Bad::Structure("a checkpoint goes on after its last log"));
        }
        Ok(Self { storage, incarnation, clean, next_chunk, next_file, files, logs })
    }
}

fn checksum(header: &[u8], body: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(header), body)
}

fn flag(reader: &mut Reader<'_>) -> Result<bool, Bad> {
    // Any other value is damage, which the checksum tells.
    Ok(reader.try_u8().map_err(|truncated| Bad::cut(WHAT, truncated))? == 1)
}

fn read_files(reader: &mut Reader<'_>) -> Result<Vec<FileEntry>, Bad> {
    let count = take_count(reader, MIN_FILE_BYTES)?;
    let mut files = Vec::with_capacity(count);
    let mut before = 0;
    for _ in 0..count {
        let number = take_delta_unsigned(reader, before)?;
        let kind = reader.try_u8().map_err(|truncated| Bad::cut(WHAT, truncated))?;
        let kind = FileKind::from_code(kind).ok_or(Bad::Structure("a file is of a kind that is not known"))?;
        let bytes = take_unsigned(reader)?;
        let state = reader.try_u8().map_err(|truncated| Bad::cut(WHAT, truncated))?;
        if state > 3 {
            return Err(Bad::Structure("a file is in a state that is not known"));
        }
        files.push(FileEntry { number, kind, bytes, closed: state & 1 != 0, adopted: state & 2 != 0 });
        before = number;
    }
    Ok(files)
}

impl Saved {
    fn write(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(&key_bytes(&self.key));
        put(i64::from(self.epoch.0), to);
        put(self.start.0, to);
        put_delta(self.end.0, self.start.0, to);
        put_delta(self.base.start.0, self.start.0, to);
        put_unsigned(self.base.state.len() as u64, to);
        to.extend_from_slice(&self.base.state);
        put_unsigned(self.extents.len() as u64, to);
        let mut before = NOWHERE;
        for extent in &self.extents {
            put_delta(extent.base.0, before.next.0, to);
            put_delta(extent.next.0, extent.base.0, to);
            put_delta_unsigned(extent.file, before.file, to);
            put_delta_unsigned(extent.position, end_of(&before), to);
            put_unsigned(u64::from(extent.bytes), to);
            put_delta(extent.max_timestamp, before.max_timestamp, to);
            before = *extent;
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Bad> {
        let cut = |truncated| Bad::cut(WHAT, truncated);
        let key = read_key(reader).map_err(cut)?.ok_or(Bad::Structure("a log is of a space that is not known"))?;
        let epoch = i32::try_from(take(reader)?).map_err(|_| Bad::Structure("a leader epoch is out of range"))?;
        let start = take(reader)?;
        let end = take_delta(reader, start)?;
        let base_start = take_delta(reader, start)?;
        let state = take_count(reader, 1)?;
        // A copy: the log outlives the checkpoint that it was read from.
        let state = Bytes::copy_from_slice(reader.try_take(state).map_err(cut)?);
        let count = take_count(reader, MIN_EXTENT_BYTES)?;
        let mut extents = Vec::with_capacity(count);
        let mut before = NOWHERE;
        for _ in 0..count {
            let extent = read_extent(reader, &before)?;
            if extent.next < extent.base || (!extents.is_empty() && extent.base < before.next) {
                return Err(Bad::Structure("the extents of a log are not in order"));
            }
            extents.push(extent);
            before = extent;
        }
        Ok(Self {
            key,
            epoch: LeaderEpoch(epoch),
            start: Offset(start),
            end: Offset(end),
            base: TrimBase { start: Offset(base_start), state },
            extents,
        })
    }
}

/// What the first extent of a log is told apart from.
const NOWHERE: Extent =
    Extent { base: Offset::ZERO, next: Offset::ZERO, file: 0, position: 0, bytes: 0, max_timestamp: 0 };

fn end_of(extent: &Extent) -> u64 {
    extent.position.wrapping_add(u64::from(extent.bytes))
}

fn read_extent(reader: &mut Reader<'_>, before: &Extent) -> Result<Extent, Bad> {
    let base = take_delta(reader, before.next.0)?;
    let next = take_delta(reader, base)?;
    let file = take_delta_unsigned(reader, before.file)?;
    let position = take_delta_unsigned(reader, end_of(before))?;
    let bytes = u32::try_from(take_unsigned(reader)?).map_err(|_| Bad::Structure("an extent is beyond 4 GiB"))?;
    let max_timestamp = take_delta(reader, before.max_timestamp)?;
    Ok(Extent { base: Offset(base), next: Offset(next), file, position, bytes, max_timestamp })
}
