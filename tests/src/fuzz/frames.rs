//! Frames out of a stream that comes in pieces.

use bytes::{Bytes, BytesMut};
use ottla_wire::testing::Sampler;
use ottla_wire::{LENGTH_PREFIX, Progress, next_frame};

use super::Verdict;

/// What a frame may have.
const LIMIT: usize = 8 << 10;

/// A byte that says how the stream is cut, and frames.
pub(super) fn stream(sampler: &mut Sampler) -> Vec<u8> {
    let mut bytes = vec![sampler.next().to_le_bytes()[0]];
    for _ in 0..1 + sampler.below(5) {
        let len = if sampler.once_in(4) { sampler.below(LIMIT as u64 + 1) } else { sampler.below(40) };
        bytes.extend_from_slice(&i32::try_from(len).unwrap_or(0).to_be_bytes());
        bytes.extend((0..len).map(|_| sampler.next().to_le_bytes()[0]));
    }
    bytes
}

pub(super) fn read(input: &Bytes) -> Result<Verdict, String> {
    let Some((&seed, stream)) = input.split_first() else { return Ok(Verdict::Refused) };
    let mut sampler = Sampler::new(seed.into());
    let (mut buffer, mut rest, mut taken) = (BytesMut::new(), stream, 0);
    loop {
        match next_frame(&mut buffer, LIMIT) {
            Err(_) => return Ok(Verdict::Refused),
            Ok(Progress::Frame(frame)) => {
                let at = taken + LENGTH_PREFIX;
                if stream.get(at..at + frame.len()) != Some(&*frame) || frame.len() > LIMIT {
                    return Err(format!("a frame of {} bytes at {taken} is not what was sent", frame.len()));
                }
                taken = at + frame.len();
            }
            Ok(Progress::Missing(missing)) => {
                if missing == 0 || missing > LIMIT + LENGTH_PREFIX {
                    return Err(format!("{missing} bytes are said to be missing"));
                }
                if rest.is_empty() {
                    return Ok(buffer.is_empty().into());
                }
                let count = usize::try_from(1 + sampler.below(300)).unwrap_or(1).min(rest.len());
                buffer.extend_from_slice(rest.get(..count).unwrap_or_default());
                rest = rest.get(count..).unwrap_or_default();
            }
        }
    }
}
