//! A request, taken apart: what it asks for, of what, by whom.

use std::collections::BTreeMap;

use bytes::Bytes;
use hyper::Method;
use hyper::header::{AUTHORIZATION, HeaderMap, IF_MATCH, IF_NONE_MATCH};
use hyper::http::request::Parts;

use super::answer::Refusal;

/// What a request asks for. Prices, limits and faults differ by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// `PutObject`.
    Put,
    /// `GetObject`, whole or a range.
    Get,
    /// `HeadObject`.
    Head,
    /// A page of `ListObjectsV2`.
    List,
    /// `DeleteObject`.
    Delete,
    /// `DeleteObjects`.
    DeleteMany,
    /// `CopyObject`.
    Copy,
    /// `CreateMultipartUpload`.
    CreateUpload,
    /// `UploadPart` or `UploadPartCopy`.
    UploadPart,
    /// `CompleteMultipartUpload`.
    CompleteUpload,
    /// `AbortMultipartUpload`.
    AbortUpload,
    /// `CreateBucket` and `HeadBucket`.
    Bucket,
    /// Anything else: refused.
    Other,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 13] = [
        Self::Put,
        Self::Get,
        Self::Head,
        Self::List,
        Self::Delete,
        Self::DeleteMany,
        Self::Copy,
        Self::CreateUpload,
        Self::UploadPart,
        Self::CompleteUpload,
        Self::AbortUpload,
        Self::Bucket,
        Self::Other,
    ];
}

/// A request with all its bytes.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) kind: Kind,
    pub(super) method: Method,
    pub(super) bucket: String,
    /// Empty for requests about a bucket.
    pub(super) key: String,
    pub(super) query: BTreeMap<String, String>,
    pub(super) headers: HeaderMap,
    /// The access key of the credentials; empty if there are none.
    pub(super) client: String,
    pub(super) body: Bytes,
}

impl Request {
    /// # Errors
    ///
    /// A path or a query that is no percent-encoded UTF-8.
    pub(super) fn new(parts: Parts) -> Result<Self, Refusal> {
        let malformed = || Refusal::bad("InvalidURI", "could not parse the specified URI");
        let path = decode(parts.uri.path(), false).ok_or_else(malformed)?;
        let path = path.strip_prefix('/').unwrap_or(&path);
        let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
        let mut query = BTreeMap::new();
        for pair in parts.uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            query.insert(decode(name, true).ok_or_else(malformed)?, decode(value, true).ok_or_else(malformed)?);
        }
        // Software kits add the name of the call for their own logs.
        query.remove("x-id");
        let client = client(&parts.headers, &query);
        query.retain(|name, _| !name.starts_with("X-Amz-"));
        let mut request = Self {
            kind: Kind::Other,
            method: parts.method,
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            query,
            headers: parts.headers,
            client,
            body: Bytes::new(),
        };
        request.kind = request.classify();
        Ok(request)
    }

    fn classify(&self) -> Kind {
        let asks = |name: &str| self.query.contains_key(name);
        // A subresource that is not known must not be taken for the object itself.
        let only = |allowed: &[&str]| self.query.keys().all(|name| allowed.contains(&name.as_str()));
        if self.bucket.is_empty() {
            return Kind::Other;
        }
        let plain = self.query.is_empty();
        let of_upload = asks("uploadId") && only(&["uploadId"]);
        match (&self.method, self.key.is_empty()) {
            (&Method::GET, true) if self.query("list-type") == Some("2") => Kind::List,
            (&Method::POST, true) if asks("delete") && only(&["delete"]) => Kind::DeleteMany,
            (&Method::PUT | &Method::HEAD, true) if plain => Kind::Bucket,
            (&Method::PUT, false) if asks("partNumber") && asks("uploadId") => Kind::UploadPart,
            (&Method::PUT, false) if plain && self.header("x-amz-copy-source").is_some() => Kind::Copy,
            (&Method::PUT, false) if plain => Kind::Put,
            (&Method::GET, false) if plain => Kind::Get,
            (&Method::HEAD, false) if plain => Kind::Head,
            (&Method::DELETE, false) if of_upload => Kind::AbortUpload,
            (&Method::DELETE, false) if plain => Kind::Delete,
            (&Method::POST, false) if asks("uploads") && only(&["uploads"]) => Kind::CreateUpload,
            (&Method::POST, false) if of_upload => Kind::CompleteUpload,
            _ => Kind::Other,
        }
    }

    pub(super) fn query(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str)
    }

    /// A header's value, if it is text.
    pub(super) fn header(&self, name: impl hyper::header::AsHeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Whether the write depends on what is there.
    pub(super) fn is_conditional(&self) -> bool {
        self.headers.contains_key(IF_MATCH) || self.headers.contains_key(IF_NONE_MATCH)
    }
}

/// Access key of `Authorization: AWS4-HMAC-SHA256 Credential=KEY/…`, or of a URL that was signed beforehand.
fn client(headers: &HeaderMap, query: &BTreeMap<String, String>) -> String {
    let header = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let signed_url = query.get("X-Amz-Credential").map(String::as_str);
    let credential = header.split_once("Credential=").map(|(_, rest)| rest).or(signed_url).unwrap_or_default();
    credential.split(['/', ',', ' ']).next().unwrap_or_default().to_owned()
}

/// Percent-decodes; in a query a plus is a space.
pub(super) fn decode(text: &str, is_query: bool) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => {
                let (high, low) = (digit(rest.next())?, digit(rest.next())?);
                bytes.push(u8::try_from(high * 16 + low).ok()?);
            }
            b'+' if is_query => bytes.push(b' '),
            byte => bytes.push(byte),
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &str, uri: &str) -> Request {
        let request = hyper::Request::builder().method(method).uri(uri).body(()).unwrap();
        Request::new(request.into_parts().0).unwrap()
    }

    #[test]
    fn kinds_of_requests() {
        for (method, uri, kind) in [
            ("PUT", "/b/k", Kind::Put),
            ("PUT", "/b/k?x-id=PutObject", Kind::Put),
            ("PUT", "/b/k?tagging", Kind::Other),
            ("PUT", "/b/k?partNumber=1&uploadId=u", Kind::UploadPart),
            ("GET", "/b/k", Kind::Get),
            ("GET", "/b/k?acl", Kind::Other),
            ("GET", "/b?list-type=2&prefix=x", Kind::List),
            ("GET", "/b/?list-type=2", Kind::List),
            ("GET", "/b", Kind::Other),
            ("GET", "/", Kind::Other),
            ("HEAD", "/b/k", Kind::Head),
            ("HEAD", "/b", Kind::Bucket),
            ("PUT", "/b", Kind::Bucket),
            ("DELETE", "/b/k", Kind::Delete),
            ("DELETE", "/b/k?uploadId=u", Kind::AbortUpload),
            ("DELETE", "/b", Kind::Other),
            ("POST", "/b?delete", Kind::DeleteMany),
            ("POST", "/b?delete=", Kind::DeleteMany),
            ("POST", "/b/k?uploads=", Kind::CreateUpload),
            ("POST", "/b/k?uploadId=u", Kind::CompleteUpload),
            ("POST", "/b/k", Kind::Other),
        ] {
            assert_eq!(request(method, uri).kind, kind, "{method} {uri}");
        }
    }

    #[test]
    fn keys_and_queries_are_decoded() {
        let request = request("GET", "/b/a%2Fb%20c+%C3%BC/d?prefix=x%2By+z");
        assert_eq!((request.bucket.as_str(), request.key.as_str()), ("b", "a/b c+ü/d"));
        assert_eq!(request.query("prefix"), Some("x+y z"));
        assert_eq!(decode("%C3", false), None);
        assert_eq!(decode("%2", false), None);
        assert_eq!(decode("%zz", false), None);
    }

    #[test]
    fn the_access_key_says_who_asks() {
        let signed = hyper::Request::builder()
            .uri("/b/k")
            .header(AUTHORIZATION, "AWS4-HMAC-SHA256 Credential=me/20261122/eu/s3/aws4_request, SignedHeaders=host")
            .body(());
        assert_eq!(Request::new(signed.unwrap().into_parts().0).unwrap().client, "me");
        assert_eq!(request("GET", "/b/k?X-Amz-Credential=you%2F2026&X-Amz-Signature=0").client, "you");
        assert_eq!(request("GET", "/b/k").client, "");
    }
}
