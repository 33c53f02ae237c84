//! Gzip, as RFC 1952 has it.

use std::io::Write;

use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;

use super::stream::read_to_limit;
use super::{Compression, Error};

const BEST: u32 = 9;

pub(super) fn compress(input: &[u8], level: Option<u32>, out: &mut Vec<u8>) -> Result<(), Error> {
    let level = level.map_or_else(flate2::Compression::default, |level| flate2::Compression::new(level.min(BEST)));
    let mut encoder = GzEncoder::new(out, level);
    encoder.write_all(input).and_then(|()| encoder.finish()).map_err(|error| Compression::Gzip.failed(error))?;
    Ok(())
}

pub(super) fn decompress(input: &[u8], limit: usize) -> Result<Vec<u8>, Error> {
    // Several members in a row are one stream, as for Java's GZIPInputStream.
    read_to_limit(Compression::Gzip, MultiGzDecoder::new(input), limit)
}
