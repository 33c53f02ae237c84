//! Rules that every message keeps, in every version.

use bytes::Bytes;
use proptest::prelude::*;

use super::frame;
use crate::testing::{Sampler, exercise, request_frame, response_frame};
use crate::{ApiKey, Request, RequestError, Response, decode_request};

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read_again(seed: u64) {
        for &key in ApiKey::ALL {
            for version in key.spec().versions.iter() {
                let request = Request::sample(key, version, &mut Sampler::new(seed));
                let encoded = request.encode(7, Some("me"), version).unwrap();
                let (header, decoded) = decode_request(&frame(&encoded)).unwrap();
                prop_assert_eq!((header.key, header.version, header.correlation_id), (key, version, 7));
                prop_assert_eq!(header.client_id.as_deref(), Some("me"));
                prop_assert_eq!(decoded, request, "version {}", version);

                let response = Response::sample(key, version, &mut Sampler::new(seed));
                let encoded = response.encode(9, version).unwrap();
                prop_assert_eq!(Response::decode(key, version, &frame(&encoded)).unwrap(), (9, response), "version {}", version);
            }
        }
    }

    #[test]
    fn a_frame_that_is_cut_is_refused(seed: u64, cut: prop::sample::Index) {
        for &key in ApiKey::ALL {
            for version in key.spec().versions.iter() {
                let whole = frame(&request_frame(key, version, &mut Sampler::new(seed)).unwrap());
                let part = Bytes::copy_from_slice(&whole[..cut.index(whole.len())]);
                let refused = matches!(decode_request(&part), Err(RequestError::NoHeader(_) | RequestError::Malformed { .. }));
                prop_assert!(refused, "{} version {}", key, version);
                let whole = frame(&response_frame(key, version, &mut Sampler::new(seed)).unwrap());
                let part = Bytes::copy_from_slice(&whole[..cut.index(whole.len())]);
                prop_assert!(Response::decode(key, version, &part).is_err(), "{} version {}", key, version);
            }
        }
    }

    #[test]
    fn what_follows_a_request_is_passed_over(seed: u64, more in prop::collection::vec(any::<u8>(), 1..9)) {
        for &key in ApiKey::ALL {
            for version in key.spec().versions.iter() {
                let whole = frame(&request_frame(key, version, &mut Sampler::new(seed)).unwrap());
                let mut longer = whole.to_vec();
                longer.extend_from_slice(&more);
                let decoded = decode_request(&Bytes::from(longer));
                prop_assert_eq!(decoded, decode_request(&whole), "{} version {}", key, version);
            }
        }
    }

    #[test]
    fn any_bytes_are_taken_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = exercise(&Bytes::from(bytes));
    }
}

#[test]
fn unknown_tagged_fields_are_skipped() {
    // Metadata, version 12, with tag 5 in the header and tag 77 at its end.
    let mut bytes = vec![0, 3, 0, 12, 0, 0, 0, 1, 0xff, 0xff];
    bytes.extend_from_slice(&[1, 5, 2, 0xaa, 0xbb]); // header: one field, tag 5, two bytes
    bytes.extend_from_slice(&[1, 1, 0]); // no topics, auto-create, no operations
    bytes.extend_from_slice(&[1, 77, 1, 0xcc]); // one field, tag 77, one byte
    decode_request(&Bytes::from(bytes.clone())).unwrap();
    // Out of order.
    bytes.truncate(10);
    bytes.extend_from_slice(&[2, 5, 0, 5, 0, 1, 1, 0, 0]);
    assert!(decode_request(&Bytes::from(bytes)).is_err());
}

#[test]
fn all_topics_as_librdkafka_asks_for_them() {
    // A null list in the flexible form, in the room that it keeps for the classic one; then the rest of the request.
    let mut bytes = vec![0, 3, 0, 13, 0, 0, 0, 3, 0, 7];
    bytes.extend_from_slice(b"rdkafka");
    bytes.extend_from_slice(&[0, 0, 0, 0, 0, 1, 0, 0]);
    let (_, request) = decode_request(&Bytes::from(bytes)).unwrap();
    let Request::Metadata(request) = request else { panic!("{request:?}") };
    assert_eq!(request.topics, None);
}

#[test]
fn nothing_is_advertised_that_is_not_served_but_old_produce() {
    for &key in ApiKey::ALL {
        let spec = key.spec();
        assert_eq!(spec.advertised.max, spec.versions.max, "{key}");
        assert!(spec.advertised.min == spec.versions.min || key == ApiKey::Produce, "{key}");
    }
    assert_eq!(ApiKey::Produce.spec().advertised.min, 0);
    let old = Bytes::from_static(&[0, 0, 0, 2, 0, 0, 0, 1, 0xff, 0xff]);
    assert!(matches!(decode_request(&old), Err(RequestError::UnsupportedVersion { key: ApiKey::Produce, .. })));
}
