//! LZ4's frame format.
//!
//! ```text
//! magic: 04 22 4D 18   FLG: u8   BD: u8   [content size: u64]   [dictionary id: u32]   header checksum: u8
//! blocks: size: u32 (little-endian, top bit: stored as is), bytes, [checksum: u32]
//! end: 00 00 00 00   [content checksum: u32]
//! ```
//!
//! Frames are read here and not by the library's decoder, which reserves the largest block that the header
//! names (some 12 MiB for 15 bytes of input). The checksums are skipped: the batch's CRC covers them all.
//!
//! Source: the LZ4 frame format description 1.6; Kafka's `Lz4BlockInputStream`.

use std::io::Write;

use lz4_flex::block::{decompress_into, decompress_into_with_dict};
use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};

use super::{Compression, Error};
use crate::record::reader::{Reader, Truncated};

const MAGIC: [u8; 4] = [0x04, 0x22, 0x4d, 0x18];
const STORED: u32 = 1 << 31;
/// How far back a block may refer to the ones before it.
const WINDOW: usize = 64 << 10;
/// A byte of a run's length stands for 255 bytes of output.
const MAX_RATIO: usize = 256;

pub(super) fn compress(input: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
    // Independent blocks of 64 KiB: Kafka's Java client reads no linked ones.
    let info = FrameInfo::new().block_mode(BlockMode::Independent).block_size(BlockSize::Max64KB);
    let mut encoder = FrameEncoder::with_frame_info(info, out);
    encoder.write_all(input).map_err(|error| Compression::Lz4.failed(error))?;
    encoder.finish().map_err(|error| Compression::Lz4.failed(error))?;
    Ok(())
}

pub(super) fn decompress(input: &[u8], limit: usize) -> Result<Vec<u8>, Error> {
    let cut_off = |error: Truncated| Compression::Lz4.failed(error);
    let mut reader = Reader::new(input);
    let frame = Frame::parse(&mut reader)?;
    let mut out = Vec::new();
    loop {
        let size = u32::from_le_bytes(reader.try_array().map_err(cut_off)?);
        if size == 0 {
            break;
        }
        let len = usize::try_from(size & !STORED).unwrap_or(usize::MAX);
        let block = reader.try_take(len).map_err(cut_off)?;
        if frame.block_checksums {
            reader.try_take(4).map_err(cut_off)?;
        }
        if size & STORED == 0 {
            frame.decompress_block(block, limit, &mut out)?;
        } else if block.len() > limit - out.len() {
            return Err(Error::DecompressedTooLarge { limit });
        } else {
            out.extend_from_slice(block);
        }
    }
    if frame.content_checksum {
        reader.try_take(4).map_err(cut_off)?;
    }
    if reader.is_empty() { Ok(out) } else { Err(Compression::Lz4.failed("there are bytes after the frame")) }
}

/// What of a frame's header matters to its decoder.
struct Frame {
    independent: bool,
    block_checksums: bool,
    content_checksum: bool,
    max_block_size: usize,
}

impl Frame {
    fn parse(reader: &mut Reader<'_>) -> Result<Self, Error> {
        let cut_off = |error: Truncated| Compression::Lz4.failed(error);
        if reader.try_array().map_err(cut_off)? != MAGIC {
            return Err(Compression::Lz4.failed("it does not start with a frame"));
        }
        let [flags, descriptor] = reader.try_array().map_err(cut_off)?;
        if flags >> 6 != 1 {
            return Err(Compression::Lz4.failed("the frame's version is unknown"));
        }
        if flags & 1 != 0 {
            return Err(Compression::Lz4.failed("the frame needs a dictionary"));
        }
        let max_block_size = match (descriptor >> 4) & 0b111 {
            4 => 64 << 10,
            5 => 256 << 10,
            6 => 1 << 20,
            7 => 4 << 20,
            _ => return Err(Compression::Lz4.failed("the frame's block size is unknown")),
        };
        let content_size_len = if flags & (1 << 3) != 0 { 8 } else { 0 };
        let header_checksum_len = 1;
        reader.try_take(content_size_len + header_checksum_len).map_err(cut_off)?;
        Ok(Self {
            independent: flags & (1 << 5) != 0,
            block_checksums: flags & (1 << 4) != 0,
            content_checksum: flags & (1 << 2) != 0,
            max_block_size,
        })
    }

    fn decompress_block(&self, block: &[u8], limit: usize, out: &mut Vec<u8>) -> Result<(), Error> {
        let start = out.len();
        let room = self.max_block_size.min(block.len().saturating_mul(MAX_RATIO));
        let capped = room > limit - start;
        out.resize(start + room.min(limit - start), 0);
        let (before, room) = out
            .split_at_mut_checked(start)
            .ok_or_else(|| Compression::Lz4.failed("the output is shorter than it was"))?;
        let result = if self.independent {
            decompress_into(block, room)
        } else {
            let window = before.get(start.saturating_sub(WINDOW)..).unwrap_or_default();
            decompress_into_with_dict(block, room, window)
        };
        match result {
            Ok(len) => {
                out.truncate(start + len);
                Ok(())
            }
            Err(lz4_flex::block::DecompressError::OutputTooSmall { .. }) if capped => {
                Err(Error::DecompressedTooLarge { limit })
            }
            Err(error) => Err(Compression::Lz4.failed(error)),
        }
    }
}
