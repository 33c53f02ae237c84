//! Multipart uploads: parts that become an object at once.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use hyper::header::HeaderMap;

use super::answer::Refusal;
use super::store::{Bucket, Condition, Object, digest, hex, tag_matches};
use super::xml::CompletePart;

/// Greatest number of a part.
const MAX_PARTS: u32 = 10_000;

/// An upload under way.
#[derive(Debug)]
pub(super) struct Upload {
    key: String,
    headers: HeaderMap,
    parts: BTreeMap<u32, Part>,
}

#[derive(Debug)]
struct Part {
    body: Bytes,
    digest: Vec<u8>,
}

impl Upload {
    pub(super) fn new(key: String, headers: HeaderMap) -> Self {
        Self { key, headers, parts: BTreeMap::new() }
    }

    pub(super) fn key(&self) -> &str {
        &self.key
    }

    /// The object of these parts. Its tag is the digest of their digests, as in S3.
    fn assemble(&self, wanted: &[CompletePart], min_part_bytes: usize) -> Result<Object, Refusal> {
        if wanted.is_empty() {
            return Err(Refusal::bad("MalformedXML", "an upload has one part at least"));
        }
        let (mut body, mut digests) = (BytesMut::new(), Vec::new());
        for (at, want) in wanted.iter().enumerate() {
            if at > 0 && wanted.get(at - 1).is_some_and(|before| before.part_number >= want.part_number) {
                return Err(Refusal::bad("InvalidPartOrder", "the parts are not in ascending order"));
            }
            let part = self.parts.get(&want.part_number).filter(|part| tag_matches(&want.etag, &hex(&part.digest)));
            let Some(part) = part else {
                let message = format!("part {} was not uploaded, or with another tag", want.part_number);
                return Err(Refusal::bad("InvalidPart", message));
            };
            if at + 1 < wanted.len() && part.body.len() < min_part_bytes {
                return Err(Refusal::bad("EntityTooSmall", format!("part {} is too small", want.part_number)));
            }
            body.extend_from_slice(&part.body);
            digests.extend_from_slice(&part.digest);
        }
        let mut object = Object::new(body.freeze(), self.headers.clone());
        object.etag = format!("\"{}-{}\"", hex(&digest(&digests)), wanted.len());
        Ok(object)
    }
}

fn no_such_upload() -> Refusal {
    Refusal::missing("NoSuchUpload", "The upload does not exist: it was completed, aborted, or never begun.")
}

impl Bucket {
    fn upload(&mut self, id: &str, key: &str) -> Result<&mut Upload, Refusal> {
        self.uploads.get_mut(id).filter(|upload| upload.key == key).ok_or_else(no_such_upload)
    }

    /// Keeps a part, in the place of one of the same number; gives its tag.
    pub(super) fn put_part(&mut self, id: &str, key: &str, number: u32, body: Bytes) -> Result<String, Refusal> {
        if !(1..=MAX_PARTS).contains(&number) {
            return Err(Refusal::bad("InvalidArgument", "a part's number is 1 to 10000"));
        }
        let digest = digest(&body);
        let etag = format!("\"{}\"", hex(&digest));
        self.upload(id, key)?.parts.insert(number, Part { body, digest });
        Ok(etag)
    }

    /// Makes the object of its parts; gives its tag.
    pub(super) fn complete(
        &mut self,
        id: &str,
        key: &str,
        parts: &[CompletePart],
        min_part_bytes: usize,
        condition: &Condition,
    ) -> Result<String, Refusal> {
        let object = self.upload(id, key)?.assemble(parts, min_part_bytes)?;
        let etag = self.put(key, object, condition)?;
        self.uploads.remove(id);
        Ok(etag)
    }

    pub(super) fn abort(&mut self, id: &str, key: &str) -> Result<(), Refusal> {
        self.upload(id, key)?;
        self.uploads.remove(id);
        Ok(())
    }
}
