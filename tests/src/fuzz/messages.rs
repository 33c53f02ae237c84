//! Requests and responses of every API in every version.

use bytes::Bytes;
use ottla_wire::testing::{Sampler, request_frame, response_frame};
use ottla_wire::{ApiKey, Encoded, LENGTH_PREFIX, Response, Versions, decode_request};

use super::Verdict;

/// An API and a version of it.
fn chosen(sampler: &mut Sampler) -> (u8, ApiKey, i16) {
    let at = sampler.below(ApiKey::ALL.len() as u64);
    let key = usize::try_from(at).ok().and_then(|at| ApiKey::ALL.get(at)).copied().unwrap_or(ApiKey::ApiVersions);
    let Versions { min, max } = key.spec().versions;
    let count = u64::from((max - min).unsigned_abs()) + 1;
    let version = min + i16::try_from(sampler.below(count)).unwrap_or(0);
    (u8::try_from(at).unwrap_or(0), key, version)
}

/// A frame without its length.
fn whole(encoded: Result<Encoded, ottla_wire::EncodeError>) -> Vec<u8> {
    // One that cannot be encoded is empty, which is refused although it should be valid: so it is seen.
    let bytes = encoded.map(|encoded| encoded.to_bytes()).unwrap_or_default();
    bytes.get(LENGTH_PREFIX..).unwrap_or_default().to_vec()
}

pub(super) fn request(sampler: &mut Sampler) -> Vec<u8> {
    let (_, key, version) = chosen(sampler);
    whole(request_frame(key, version, sampler))
}

/// Two bytes say what it is, as for [`ottla_wire::testing::exercise`].
pub(super) fn response(sampler: &mut Sampler) -> Vec<u8> {
    let (at, key, version) = chosen(sampler);
    let mut bytes = vec![at, u8::try_from(version - key.spec().versions.min).unwrap_or(0)];
    bytes.extend(whole(response_frame(key, version, sampler)));
    bytes
}

pub(super) fn noise(sampler: &mut Sampler) -> Bytes {
    let len = if sampler.once_in(8) { 4_000 } else { 100 };
    // Small numbers are lengths that may be; any others seldom are.
    let small = sampler.once_in(2);
    let byte = |number: u64| number.to_le_bytes()[0];
    (0..sampler.below(len)).map(|_| byte(if small { sampler.below(8) } else { sampler.next() })).collect()
}

pub(super) fn read_request(input: &Bytes) -> Result<Verdict, String> {
    let (header, request) = match decode_request(input) {
        Ok(read) => read,
        Err(error) => {
            // What there is to say of it can be said.
            let _ = (error.to_string(), error.answer());
            return Ok(Verdict::Refused);
        }
    };
    let written = request.encode(header.correlation_id, header.client_id.as_deref(), header.version);
    let written =
        written.map_err(|error| format!("{} {} was read and is not written: {error}", header.key, header.version))?;
    let again = decode_request(&Bytes::from(whole(Ok(written))));
    if again.as_ref() == Ok(&(header.clone(), request)) {
        return Ok(Verdict::Accepted);
    }
    Err(format!("{} {} is another one when written and read again", header.key, header.version))
}

pub(super) fn read_response(input: &Bytes) -> Result<Verdict, String> {
    let [at, nth, ..] = **input else { return Ok(Verdict::Refused) };
    let Some(&key) = ApiKey::ALL.get(usize::from(at) % ApiKey::ALL.len()) else { return Ok(Verdict::Refused) };
    let Versions { min, max } = key.spec().versions;
    let version = min + i16::from(nth) % (max - min + 1);
    let frame = Bytes::copy_from_slice(input.get(2..).unwrap_or_default());
    let Ok((number, response)) = Response::decode(key, version, &frame) else { return Ok(Verdict::Refused) };
    let written = response.encode(number, version);
    let written = written.map_err(|error| format!("{key} {version} was read and is not written: {error}"))?;
    match Response::decode(key, version, &Bytes::from(whole(Ok(written)))) {
        Ok(again) if again == (number, response) => Ok(Verdict::Accepted),
        _ => Err(format!("{key} {version} is another one when written and read again")),
    }
}
