//! Buckets and their objects, in memory. Whoever holds the lock around it decides alone.

use std::collections::BTreeMap;
use std::time::SystemTime;

use bytes::Bytes;
use hyper::header::HeaderMap;
use md5::{Digest, Md5};

use super::answer::Refusal;
use super::multipart::Upload;

/// An object.
#[derive(Clone, Debug)]
pub(super) struct Object {
    pub(super) body: Bytes,
    /// With its quotes.
    pub(super) etag: String,
    pub(super) modified: SystemTime,
    /// Content type, metadata and the like, as they were given.
    pub(super) headers: HeaderMap,
}

impl Object {
    pub(super) fn new(body: Bytes, headers: HeaderMap) -> Self {
        let etag = format!("\"{}\"", hex(&digest(&body)));
        Self { body, etag, modified: SystemTime::now(), headers }
    }
}

/// An object, as a checker sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its whole key.
    pub key: String,
    /// Its length.
    pub bytes: u64,
    /// Its tag, with the quotes around it.
    pub etag: String,
}

/// What a write asks of the object that is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Condition {
    /// `If-Match`.
    pub(super) matches: Option<String>,
    /// `If-None-Match: *`.
    pub(super) absent: bool,
}

impl Condition {
    pub(super) fn check(&self, there: Option<&Object>) -> Result<(), Refusal> {
        if self.absent && there.is_some() {
            return Err(Refusal::precondition("If-None-Match"));
        }
        match (&self.matches, there) {
            (None, _) => Ok(()),
            (Some(_), None) => Err(no_such_key()),
            (Some(tags), Some(object)) if tag_matches(tags, &object.etag) => Ok(()),
            (Some(_), Some(_)) => Err(Refusal::precondition("If-Match")),
        }
    }
}

/// Whether a list of tags, each with or without quotes, names this one.
pub(super) fn tag_matches(tags: &str, etag: &str) -> bool {
    let bare = |tag: &str| tag.trim().trim_matches('"').to_owned();
    tags.split(',').any(|tag| tag.trim() == "*" || bare(tag) == bare(etag))
}

pub(super) fn no_such_key() -> Refusal {
    Refusal::missing("NoSuchKey", "The specified key does not exist.")
}

#[derive(Debug, Default)]
pub(super) struct Bucket {
    pub(super) objects: BTreeMap<String, Object>,
    pub(super) uploads: BTreeMap<String, Upload>,
}

impl Bucket {
    /// Writes if the condition holds; gives the new tag.
    pub(super) fn put(&mut self, key: &str, object: Object, condition: &Condition) -> Result<String, Refusal> {
        condition.check(self.objects.get(key))?;
        let etag = object.etag.clone();
        self.objects.insert(key.to_owned(), object);
        Ok(etag)
    }

    pub(super) fn get(&self, key: &str) -> Result<&Object, Refusal> {
        self.objects.get(key).ok_or_else(no_such_key)
    }

    /// Takes away what is there. What is not there was taken away before, which is a success.
    pub(super) fn delete(&mut self, key: &str, condition: &Condition) -> Result<(), Refusal> {
        condition.check(self.objects.get(key))?;
        self.objects.remove(key);
        Ok(())
    }
}

#[derive(Debug, Default)]
pub(super) struct Store {
    buckets: BTreeMap<String, Bucket>,
    /// Whether a bucket that nobody made is made when it is named.
    makes_buckets: bool,
    pub(super) uploads_begun: u64,
}

impl Store {
    pub(super) fn new(buckets: &[String]) -> Self {
        let buckets: BTreeMap<_, _> = buckets.iter().map(|name| (name.clone(), Bucket::default())).collect();
        Self { makes_buckets: buckets.is_empty(), buckets, uploads_begun: 0 }
    }

    pub(super) fn make(&mut self, name: &str) {
        self.buckets.entry(name.to_owned()).or_default();
    }

    pub(super) fn bucket(&mut self, name: &str) -> Result<&mut Bucket, Refusal> {
        if self.makes_buckets {
            self.make(name);
        }
        self.buckets
            .get_mut(name)
            .ok_or_else(|| Refusal::missing("NoSuchBucket", format!("The specified bucket does not exist: {name}")))
    }

    /// A bucket to look at, without making it.
    pub(super) fn peek(&self, name: &str) -> Option<&Bucket> {
        self.buckets.get(name)
    }
}

pub(super) fn digest(body: &[u8]) -> Vec<u8> {
    Md5::digest(body).to_vec()
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
