//! Decoders take a small multiple of what they are given, whatever it claims: every frame is measured.

// One allocator that counts, for the tests of both crates.
#[path = "../../broker-core/tests/allocations.rs"]
mod allocations;

use allocations::peak;
use bytes::Bytes;
use ottla_wire::testing::{Sampler, exercise, request_frame, response_frame};
use ottla_wire::{ApiKey, Response, decode_request};
use proptest::prelude::*;

/// What a frame of `len` bytes may take: the documented budget, and something for what is not counted.
fn allowed(len: usize) -> usize {
    8 * len + 72 * 1024
}

fn whole(encoded: &ottla_wire::Encoded) -> Bytes {
    Bytes::copy_from_slice(encoded.to_bytes().get(ottla_wire::LENGTH_PREFIX..).unwrap_or_default())
}

#[test]
fn a_list_of_the_smallest_entries_stays_within_the_budget() {
    // Every API and version: a frame that is nothing but counts, in either form, and zeros.
    for &key in ApiKey::ALL {
        for version in key.spec().versions.iter() {
            for fill in [0x00, 0x01, 0x02, 0x7f] {
                let mut bytes = vec![0, key.code() as u8];
                bytes.extend_from_slice(&version.to_be_bytes());
                bytes.extend_from_slice(&[0, 0, 0, 1, 0xff, 0xff]);
                bytes.extend_from_slice(&[fill; 1 << 20]);
                let bytes = Bytes::from(bytes);
                let (_, taken) = peak(|| decode_request(&bytes));
                assert!(taken <= allowed(bytes.len()), "{key} {version}: {taken} bytes");
                let (_, taken) = peak(|| Response::decode(key, version, &bytes));
                assert!(taken <= allowed(bytes.len()), "{key} {version}: {taken} bytes");
            }
        }
    }
}

#[test]
fn a_count_alone_reserves_nothing() {
    // A fetch answer with one topic and as many partitions as there are bytes: each would be some 200 in memory.
    let mut bytes = vec![0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, b't', 0, 0x10, 0, 0];
    bytes.resize(bytes.len() + (1 << 20), 0);
    let bytes = Bytes::from(bytes);
    let (decoded, taken) = peak(|| Response::decode(ApiKey::Fetch, 4, &bytes));
    assert!(decoded.is_err());
    assert!(taken < 1024, "{taken} bytes");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// A valid frame with some of its bytes changed: as near to the truth as a liar can be.
    #[test]
    fn a_changed_frame_stays_within_the_budget(
        seed: u64,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        for &key in ApiKey::ALL {
            for version in key.spec().versions.iter() {
                let mut sampler = Sampler::new(seed);
                for is_request in [true, false] {
                    let made = if is_request { request_frame } else { response_frame };
                    let mut bytes = whole(&made(key, version, &mut sampler).unwrap()).to_vec();
                    for (index, value) in &changes {
                        // What it is stays: else most would be refused at once.
                        let fixed = if is_request { 4 } else { 0 };
                        let at = fixed + index.index(bytes.len() - fixed);
                        bytes[at] = *value;
                    }
                    let bytes = Bytes::from(bytes);
                    let (_, taken) = peak(|| if is_request {
                        let _ = decode_request(&bytes);
                    } else {
                        let _ = Response::decode(key, version, &bytes);
                    });
                    prop_assert!(taken <= allowed(bytes.len()), "{} {}: {} bytes of {}", key, version, taken, bytes.len());
                }
            }
        }
    }

    #[test]
    fn any_bytes_stay_within_the_budget(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
        let bytes = Bytes::from(bytes);
        let (_, taken) = peak(|| exercise(&bytes));
        prop_assert!(taken <= allowed(bytes.len()), "{}", taken);
    }
}
