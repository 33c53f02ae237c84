//! Reading a decoder's output up to a limit.

use std::io::{self, Read};

use super::{Compression, Error};

/// Reads all of `decoder`, and refuses what goes beyond `limit`. The buffer doubles as output appears, so
/// memory follows what was decoded rather than what a header claims.
pub(super) fn read_to_limit(codec: Compression, decoder: impl Read, limit: usize) -> Result<Vec<u8>, Error> {
    let mut out = Vec::new();
    let one_more = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    decoder.take(one_more).read_to_end(&mut out).map_err(|error: io::Error| codec.failed(error))?;
    if out.len() > limit { Err(Error::DecompressedTooLarge { limit }) } else { Ok(out) }
}
