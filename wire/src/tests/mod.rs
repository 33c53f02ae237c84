//! Tests of the crate, by what they look at.

mod admin_names;
mod admin_rules;
pub(crate) mod differential;
mod every_message;
mod foundation;
mod group_rules;
mod names;
mod rules;
mod zero_copy;

use bytes::{Bytes, BytesMut};

use crate::{Encoded, Progress, next_frame};

/// What is in a frame, without its length.
fn frame(encoded: &Encoded) -> Bytes {
    let mut buffer = BytesMut::from(&encoded.to_bytes()[..]);
    match next_frame(&mut buffer, usize::MAX).unwrap() {
        Progress::Frame(frame) => {
            assert!(buffer.is_empty());
            frame
        }
        Progress::Missing(missing) => panic!("{missing} bytes are missing"),
    }
}
