//! A mark on a share: its member has something to give up, and a rebalance has to follow.
//!
//! After a cooperative rebalance whoever gives something up rejoins, and only that hands it out. A member that
//! crashes first is missed by the coordinator, except a static one (KIP-345): it comes back into the generation
//! that stands, is told the share of before, has nothing to give up and so no reason to rejoin, and what was
//! withheld would be nobody's until the next rebalance. It finds the mark, which the coordinator keeps with the share.
//!
//! The mark is the end of the share's user data, which Kafka's own cooperative assignor neither writes nor reads.

use bytes::{BufMut, Bytes, BytesMut};

const MARK: &[u8] = b"\0ottla:unfinished";

/// Puts the mark behind what the assignor says.
pub(super) fn mark(data: Option<Bytes>) -> Bytes {
    let data = data.unwrap_or_default();
    let mut marked = BytesMut::with_capacity(data.len() + MARK.len());
    marked.put(data);
    marked.put_slice(MARK);
    marked.freeze()
}

/// What the assignor said, and whether there is a mark.
pub(in crate::consumer) fn read(data: Option<Bytes>) -> (Option<Bytes>, bool) {
    let Some(mut data) = data else { return (None, false) };
    match data.strip_suffix(MARK).map(<[u8]>::len) {
        Some(0) => (None, true),
        Some(length) => {
            data.truncate(length);
            (Some(data), true)
        }
        None => (Some(data), false),
    }
}
