//! Snappy, in the framing that Kafka's Java clients use.
//!
//! ```text
//! 82 'S' 'N' 'A' 'P' 'P' 'Y' 00   magic
//! version: i32 (1)   oldest compatible version: i32 (1)
//! then, to the end: length: i32, and that many bytes of snappy
//! ```
//!
//! Source: `SnappyOutputStream` of snappy-java. librdkafka and others send bare snappy; it is read too.

use super::{Compression, Error};
use crate::record::reader::Reader;

const MAGIC: &[u8] = b"\x82SNAPPY\0";
const VERSION: i32 = 1;
/// What snappy-java puts into a block.
const BLOCK_SIZE: usize = 32 << 10;
/// A copy of 64 bytes takes three; no input earns more output than this.
const MAX_RATIO: usize = 32;

pub(super) fn compress(input: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
    let failed = |error| Compression::Snappy.failed(error);
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&VERSION.to_be_bytes());
    out.extend_from_slice(&VERSION.to_be_bytes());
    let mut encoder = snap::raw::Encoder::new();
    let mut block = vec![0; snap::raw::max_compress_len(BLOCK_SIZE)];
    for chunk in input.chunks(BLOCK_SIZE) {
        let len = encoder.compress(chunk, &mut block).map_err(failed)?;
        let len_field = i32::try_from(len).map_err(|_| Error::TooLarge { size: len })?;
        out.extend_from_slice(&len_field.to_be_bytes());
        out.extend_from_slice(block.get(..len).unwrap_or_default());
    }
    Ok(())
}

pub(super) fn decompress(input: &[u8], limit: usize) -> Result<Vec<u8>, Error> {
    let mut out = Vec::new();
    let Some(framed) = input.strip_prefix(MAGIC) else {
        decompress_block(input, limit, &mut out)?;
        return Ok(out);
    };
    let cut_off = |error| Compression::Snappy.failed(error);
    let mut reader = Reader::new(framed);
    // The versions: nothing but 1 was ever written.
    reader.try_take(8).map_err(cut_off)?;
    while !reader.is_empty() {
        let len = reader.try_i32().map_err(cut_off)?;
        let len = usize::try_from(len).map_err(|_| Compression::Snappy.failed("a block's length is negative"))?;
        decompress_block(reader.try_take(len).map_err(cut_off)?, limit, &mut out)?;
    }
    Ok(out)
}

fn decompress_block(block: &[u8], limit: usize, out: &mut Vec<u8>) -> Result<(), Error> {
    let failed = |error| Compression::Snappy.failed(error);
    let claimed = snap::raw::decompress_len(block).map_err(failed)?;
    if claimed > block.len().saturating_mul(MAX_RATIO) {
        return Err(Compression::Snappy.failed("a block claims more than its bytes can hold"));
    }
    let start = out.len();
    let end = start.saturating_add(claimed);
    if end > limit {
        return Err(Error::DecompressedTooLarge { limit });
    }
    out.resize(end, 0);
    let room = out.get_mut(start..).unwrap_or_default();
    let len = snap::raw::Decoder::new().decompress(block, room).map_err(failed)?;
    out.truncate(start + len);
    Ok(())
}
