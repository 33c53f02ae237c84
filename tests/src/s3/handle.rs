//! What each request does, at one moment, under the lock.

use std::ops::Range;

use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH,
    CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH,
    IF_UNMODIFIED_SINCE, LAST_MODIFIED, RANGE,
};

use super::answer::{Answer, Refusal};
use super::dates;
use super::listing::Query;
use super::multipart::Upload;
use super::request::{Kind, Request, decode};
use super::store::{Condition, Object, Store, tag_matches};
use super::xml::{Complete, Delete, Xml, read};

/// Keys in one `DeleteObjects`.
const MAX_DELETES: usize = 1_000;

/// Headers that belong to the object and come back with it.
const KEPT: [HeaderName; 5] = [CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_TYPE];

type Result<T> = std::result::Result<T, Refusal>;

/// Work of a request that needs no lock: digests, and the bodies that clients send.
#[derive(Debug)]
pub(super) enum Prepared {
    Object(Object),
    Delete(Delete),
    Complete(Complete),
    List(Query),
    Nothing,
}

impl Prepared {
    pub(super) fn new(request: &Request) -> Result<Self> {
        Ok(match request.kind {
            Kind::Put => Self::Object(Object::new(request.body.clone(), kept(request))),
            Kind::DeleteMany => Self::Delete(read(&request.body)?),
            Kind::CompleteUpload => Self::Complete(read(&request.body)?),
            Kind::List => Self::List(Query::new(request)?),
            _ => Self::Nothing,
        })
    }
}

/// Does what the request asks.
pub(super) fn handle(
    store: &mut Store,
    request: &Request,
    prepared: Prepared,
    min_part_bytes: usize,
) -> Result<Answer> {
    let key = request.key.as_str();
    match (request.kind, prepared) {
        (Kind::Bucket, _) => bucket(store, request),
        (Kind::Put, Prepared::Object(object)) => {
            let condition = condition(request)?;
            let etag = store.bucket(&request.bucket)?.put(key, object, &condition)?;
            Ok(Answer::ok().with(ETAG, etag))
        }
        (Kind::Get | Kind::Head, _) => get(store.bucket(&request.bucket)?.get(key)?, request),
        (Kind::Delete, _) => {
            let condition = condition(request)?;
            store.bucket(&request.bucket)?.delete(key, &condition)?;
            Ok(Answer::new(StatusCode::NO_CONTENT))
        }
        (Kind::DeleteMany, Prepared::Delete(delete)) => delete_many(store, request, &delete),
        (Kind::Copy, _) => copy(store, request),
        (Kind::List, Prepared::List(query)) => {
            let page = query.page(&store.bucket(&request.bucket)?.objects);
            Ok(Answer::ok().with_xml(query.xml(&request.bucket, &page)))
        }
        (Kind::CreateUpload, _) => create_upload(store, request),
        (Kind::UploadPart, _) => upload_part(store, request),
        (Kind::CompleteUpload, Prepared::Complete(complete)) => {
            let (id, condition) = (upload_id(request), condition(request)?);
            let bucket = store.bucket(&request.bucket)?;
            let etag = bucket.complete(id, key, &complete.part, min_part_bytes, &condition)?;
            let mut xml = Xml::document("CompleteMultipartUploadResult");
            xml.text("Bucket", &request.bucket);
            xml.text("Key", key);
            xml.text("ETag", &etag);
            Ok(Answer::ok().with_xml(xml))
        }
        (Kind::AbortUpload, _) => {
            store.bucket(&request.bucket)?.abort(upload_id(request), key)?;
            Ok(Answer::new(StatusCode::NO_CONTENT))
        }
        (Kind::Put | Kind::DeleteMany | Kind::List | Kind::CompleteUpload | Kind::Other, _) => {
            Err(Refusal::unsupported(format!("{} with {:?}", request.method, request.query.keys())))
        }
    }
}

fn upload_id(request: &Request) -> &str {
    request.query("uploadId").unwrap_or_default()
}

/// Headers that are kept with an object.
fn kept(request: &Request) -> HeaderMap {
    let mut kept = HeaderMap::new();
    for (name, value) in &request.headers {
        if KEPT.contains(name) || name.as_str().starts_with("x-amz-meta-") {
            kept.append(name.clone(), value.clone());
        }
    }
    // How the body came is not how the object is.
    if request.header(CONTENT_ENCODING).is_some_and(|encoding| encoding == "aws-chunked") {
        kept.remove(CONTENT_ENCODING);
    }
    kept
}

fn condition(request: &Request) -> Result<Condition> {
    let absent = match request.header(IF_NONE_MATCH) {
        None => false,
        Some("*") => true,
        Some(_) => return Err(Refusal::unsupported("If-None-Match of a write with anything but *")),
    };
    Ok(Condition { matches: request.header(IF_MATCH).map(str::to_owned), absent })
}

fn bucket(store: &mut Store, request: &Request) -> Result<Answer> {
    if request.method == hyper::Method::PUT {
        store.make(&request.bucket);
    } else {
        store.bucket(&request.bucket)?;
    }
    Ok(Answer::ok())
}

fn get(object: &Object, request: &Request) -> Result<Answer> {
    if request.headers.contains_key(IF_MODIFIED_SINCE) || request.headers.contains_key(IF_UNMODIFIED_SINCE) {
        return Err(Refusal::unsupported("conditions on the time of an object"));
    }
    if request.header(IF_MATCH).is_some_and(|tags| !tag_matches(tags, &object.etag)) {
        return Err(Refusal::precondition("If-Match"));
    }
    if request.header(IF_NONE_MATCH).is_some_and(|tags| tag_matches(tags, &object.etag)) {
        return Err(Refusal::new(StatusCode::NOT_MODIFIED, "NotModified", ""));
    }
    let whole = object.body.len();
    let mut answer = Answer::ok();
    let range = match request.header(RANGE) {
        None => 0..whole,
        Some(header) => match range(header, whole)? {
            None => 0..whole,
            Some(range) => {
                let told = format!("bytes {}-{}/{whole}", range.start, range.end - 1);
                answer = Answer::new(StatusCode::PARTIAL_CONTENT).with(CONTENT_RANGE, told);
                range
            }
        },
    };
    answer.headers.extend(object.headers.clone());
    let answer = answer
        .with(ETAG, &object.etag)
        .with(LAST_MODIFIED, dates::header(object.modified))
        .with(ACCEPT_RANGES, "bytes")
        .with(CONTENT_LENGTH, range.len().to_string());
    if request.kind == Kind::Head {
        return Ok(answer);
    }
    let body = object.body.get(range).map(|part| object.body.slice_ref(part)).unwrap_or_default();
    Ok(answer.with_body(body))
}

/// The bytes that a `Range` asks for; none if it is not one that has to be understood (RFC 9110, 14.2).
fn range(header: &str, whole: usize) -> Result<Option<Range<usize>>> {
    let Some((first, last)) = header.strip_prefix("bytes=").and_then(|range| range.split_once('-')) else {
        return Ok(None);
    };
    let range = match (first.trim().parse::<usize>().ok(), last.trim().parse::<usize>().ok()) {
        (Some(first), Some(last)) if first <= last => first..last.saturating_add(1).min(whole),
        (Some(first), None) if last.trim().is_empty() => first..whole,
        (None, Some(count)) if first.trim().is_empty() => whole.saturating_sub(count)..whole,
        _ => return Ok(None),
    };
    if range.is_empty() {
        let message = format!("The requested range is not satisfiable: {header} of {whole} bytes");
        return Err(Refusal::new(StatusCode::RANGE_NOT_SATISFIABLE, "InvalidRange", message));
    }
    Ok(Some(range))
}

fn delete_many(store: &mut Store, request: &Request, delete: &Delete) -> Result<Answer> {
    if delete.object.is_empty() || delete.object.len() > MAX_DELETES {
        return Err(Refusal::bad("MalformedXML", format!("one request deletes 1 to {MAX_DELETES} keys")));
    }
    let bucket = store.bucket(&request.bucket)?;
    let mut xml = Xml::document("DeleteResult");
    for object in &delete.object {
        bucket.delete(&object.key, &Condition::default())?;
        if !delete.quiet {
            xml.open("Deleted");
            xml.text("Key", &object.key);
            xml.close("Deleted");
        }
    }
    Ok(Answer::ok().with_xml(xml))
}

/// The object that `x-amz-copy-source` names.
fn source(store: &mut Store, request: &Request) -> Result<Object> {
    let invalid = || Refusal::bad("InvalidArgument", "x-amz-copy-source names a bucket and a key");
    let named = request.header("x-amz-copy-source").and_then(|text| decode(text, false)).ok_or_else(invalid)?;
    let (bucket, key) = named.trim_start_matches('/').split_once('/').ok_or_else(invalid)?;
    Ok(store.bucket(bucket)?.get(key)?.clone())
}

fn copied(root: &'static str, object: &Object, etag: &str) -> Answer {
    let mut xml = Xml::document(root);
    xml.text("LastModified", &dates::xml(object.modified));
    xml.text("ETag", etag);
    Answer::ok().with_xml(xml)
}

fn copy(store: &mut Store, request: &Request) -> Result<Answer> {
    let from = source(store, request)?;
    let headers = match request.header("x-amz-metadata-directive") {
        Some("REPLACE") => kept(request),
        _ => from.headers.clone(),
    };
    let object = Object::new(from.body, headers);
    let answer = copied("CopyObjectResult", &object, &object.etag);
    store.bucket(&request.bucket)?.put(&request.key, object, &condition(request)?)?;
    Ok(answer)
}

fn create_upload(store: &mut Store, request: &Request) -> Result<Answer> {
    store.uploads_begun += 1;
    let id = format!("upload-{}", store.uploads_begun);
    let upload = Upload::new(request.key.clone(), kept(request));
    store.bucket(&request.bucket)?.uploads.insert(id.clone(), upload);
    let mut xml = Xml::document("InitiateMultipartUploadResult");
    xml.text("Bucket", &request.bucket);
    xml.text("Key", &request.key);
    xml.text("UploadId", &id);
    Ok(Answer::ok().with_xml(xml))
}

fn upload_part(store: &mut Store, request: &Request) -> Result<Answer> {
    let invalid = || Refusal::bad("InvalidArgument", "partNumber is not a number");
    let number = request.query("partNumber").and_then(|number| number.parse().ok()).ok_or_else(invalid)?;
    let put = |store: &mut Store, body: Bytes| {
        store.bucket(&request.bucket)?.put_part(upload_id(request), &request.key, number, body)
    };
    if request.header("x-amz-copy-source").is_none() {
        return Ok(Answer::ok().with(ETAG, put(store, request.body.clone())?));
    }
    if request.header("x-amz-copy-source-range").is_some() {
        return Err(Refusal::unsupported("x-amz-copy-source-range"));
    }
    let from = source(store, request)?;
    let etag = put(store, from.body.clone())?;
    Ok(copied("CopyPartResult", &from, &etag))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_as_rfc_9110_has_them() {
        let of_ten = |header: &str| range(header, 10).map_err(|refusal| refusal.status.as_u16());
        assert_eq!(of_ten("bytes=2-4"), Ok(Some(2..5)));
        assert_eq!(of_ten("bytes=2-"), Ok(Some(2..10)));
        assert_eq!(of_ten("bytes=-3"), Ok(Some(7..10)));
        assert_eq!(of_ten("bytes=-30"), Ok(Some(0..10)));
        assert_eq!(of_ten("bytes=9-18446744073709551615"), Ok(Some(9..10)));
        assert_eq!(of_ten("bytes=10-"), Err(416));
        assert_eq!(of_ten("bytes=-0"), Err(416));
        assert_eq!(of_ten("bytes=11-12"), Err(416));
        // What cannot be read is as if it were not there.
        assert_eq!(of_ten("bytes=4-2"), Ok(None));
        assert_eq!(of_ten("bytes=x-"), Ok(None));
        assert_eq!(of_ten("lines=1-2"), Ok(None));
        assert_eq!(range("bytes=0-", 0).map_err(|refusal| refusal.status.as_u16()), Err(416));
    }
}
