//! Zstandard (KIP-110).

use std::io::{self, Write};

use zstd::stream::read::Decoder;
use zstd::stream::write::Encoder;

use super::stream::read_to_limit;
use super::{Compression, Error};

/// Kafka's default.
const DEFAULT_LEVEL: i32 = 3;
/// The windows that RFC 8878 asks every decoder to support: 8 MiB.
const MIN_WINDOW_LOG: u32 = 23;
/// The greatest window of any level of compression: 128 MiB.
const MAX_WINDOW_LOG: u32 = 27;

pub(super) fn compress(input: &[u8], level: Option<u32>, out: &mut Vec<u8>) -> Result<(), Error> {
    let level = level.and_then(|level| i32::try_from(level).ok()).unwrap_or(DEFAULT_LEVEL);
    encode(input, level, out).map_err(|error| Compression::Zstd.failed(error))
}

fn encode(input: &[u8], level: i32, out: &mut Vec<u8>) -> io::Result<()> {
    let mut encoder = Encoder::new(out, level)?;
    // Tables and window are then made for an input of this size.
    encoder.set_pledged_src_size(u64::try_from(input.len()).ok())?;
    encoder.write_all(input)?;
    encoder.finish()?;
    Ok(())
}

pub(super) fn decompress(input: &[u8], limit: usize) -> Result<Vec<u8>, Error> {
    let mut decoder = Decoder::with_buffer(input).map_err(|error| Compression::Zstd.failed(error))?;
    // A frame may ask for a window far larger than its content. No content needs more than the limit.
    let window_log = limit.max(1).ilog2().saturating_add(1).clamp(MIN_WINDOW_LOG, MAX_WINDOW_LOG);
    decoder.window_log_max(window_log).map_err(|error| Compression::Zstd.failed(error))?;
    read_to_limit(Compression::Zstd, decoder, limit)
}
