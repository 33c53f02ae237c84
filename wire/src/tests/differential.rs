//! Every message of every version, as another implementation of the protocol understands it.
//!
//! It was generated from Kafka's own message files and reads to the last byte. That fields of one size are
//! not taken for each other is for `names` to see.

use bytes::{Bytes, BytesMut};
use kafka_wire::KafkaMessage;
use kafka_wire_core::{ApiVersion, DecodeLimits, Decoder, KafkaDecode, KafkaEncode};
use proptest::prelude::*;

use super::frame;
use crate::api::compared;
use crate::codec::Field;
use crate::testing::{Sample, Sampler, request_frame, response_frame};
use crate::{ApiKey, Decoder as OurDecoder};

/// Reads `body` as the other implementation's `M`, and writes it again.
pub(crate) fn again<M: KafkaMessage + KafkaDecode + KafkaEncode>(version: i16, body: Bytes) -> Result<Bytes, String> {
    let version = ApiVersion::new(version);
    let mut decoder = Decoder::new(body, DecodeLimits::default()).map_err(|error| error.to_string())?;
    let message = M::decode(&mut decoder, version).map_err(|error| error.to_string())?;
    decoder.finish().map_err(|error| error.to_string())?;
    let mut buffer = BytesMut::new();
    message.encode_into(&mut buffer, version).map_err(|error| error.to_string())?;
    Ok(buffer.freeze())
}

/// What follows the header of a request, and that of a response.
fn bodies(key: ApiKey, version: i16, seed: u64) -> (Bytes, Bytes) {
    let flexible = key.spec().is_flexible(version);
    let request = frame(&request_frame(key, version, &mut Sampler::new(seed)).unwrap());
    let mut header = OurDecoder::new(&request, version, false);
    i64::read(&mut header, true).unwrap();
    let client_id = Option::<std::sync::Arc<str>>::read(&mut header, true).unwrap();
    let header = 8 + 2 + client_id.map_or(0, |name| name.len()) + usize::from(flexible);
    let response = frame(&response_frame(key, version, &mut Sampler::new(seed)).unwrap());
    let response_header = 4 + usize::from(flexible && key != ApiKey::ApiVersions);
    (Bytes::copy_from_slice(&request[header..]), Bytes::copy_from_slice(&response[response_header..]))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn others_read_and_write_the_same_bytes(seed: u64) {
        for &key in ApiKey::ALL {
            for version in key.spec().versions.iter() {
                let (request, response) = bodies(key, version, seed);
                let theirs = compared::request(key, version, request.clone());
                prop_assert_eq!(theirs, Ok(request), "{} request {}", key, version);
                let theirs = compared::response(key, version, response.clone());
                prop_assert_eq!(theirs, Ok(response), "{} response {}", key, version);
            }
        }
    }
}

#[test]
fn headers_are_what_others_write() {
    let mut sampler = Sampler::new(1);
    for version in ApiKey::ApiVersions.spec().versions.iter() {
        let mut ours = crate::messages::ApiVersionsRequest::sample(&mut sampler, version, true);
        ours.client_software_name = "n".into();
        let mut theirs = kafka_wire::ApiVersionsRequest::default();
        if version >= 3 {
            theirs.client_software_name = "n".into();
            theirs.client_software_version = (&*ours.client_software_version).into();
        } else {
            ours = crate::messages::ApiVersionsRequest::default();
        }
        let mut buffer = BytesMut::new();
        let limits = kafka_wire::OutboundFrameLimits::new(1 << 20);
        let version_of = ApiVersion::new(version);
        kafka_wire::encode_request(&mut buffer, 77, Some("me".into()), &theirs, version_of, limits).unwrap();
        let ours =
            crate::encode_request::<crate::messages::ApiVersions>(77, Some("me"), version, &ours).unwrap().to_bytes();
        assert_eq!(ours, buffer.freeze(), "version {version}");
    }
}
