//! Which bucket, and where in it.

use crate::connect::error::Error;
use crate::connect::url::{Scheme, Url};

/// A prefix of a bucket. Two ways to write one are equal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) bucket: String,
    /// Without slashes around it; empty for the whole bucket.
    pub(super) prefix: String,
}

/// What the store calls a bucket.
pub(super) const fn bucket_word(scheme: Scheme) -> &'static str {
    if matches!(scheme, Scheme::Az) { "container" } else { "bucket" }
}

impl Place {
    /// `bucket/prefix`, of which the prefix is percent-encoded (RFC 3986, 2.1) and may be missing.
    pub(super) fn of(url: &Url) -> Result<Self, Error> {
        let malformed = |reason: String| Error::Malformed { url: url.shown.clone(), reason };
        let (scheme, word) = (url.scheme.name(), bucket_word(url.scheme));
        let (bucket, prefix) = url.rest.split_once('/').unwrap_or((&url.rest, ""));
        // A password may have a `/` in it.
        if bucket.contains('@') || bucket.contains(':') && prefix.contains('@') {
            return Err(malformed(
                "credentials have no place in it: leave out what stands before the `@`, and set them in the environment \
                 or in the table `[object-store]` (`access_key_id`, `secret_access_key`)"
                    .to_owned(),
            ));
        }
        if bucket.is_empty() {
            return Err(malformed(format!("it names no {word}; write for example `{scheme}://{word}/orders`")));
        }
        if bucket.contains(':') {
            return Err(malformed(format!(
                "`{bucket}` is no name of a {word}: a host and a port are the `endpoint` of the table `[object-store]`"
            )));
        }
        // The union of what stores allow; what one of them does not, it says itself.
        if let Some(bad) = bucket.chars().find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))) {
            return Err(malformed(format!(
                "`{bucket}` is no name of a {word}: `{bad}` cannot be in it; there are ASCII letters, digits, `.`, `-` and `_`"
            )));
        }
        let decoded = crate::connect::url::decode(prefix).map_err(malformed)?;
        let prefix = String::from_utf8(decoded)
            .map_err(|_| malformed("its prefix is not UTF-8 once the `%` are undone".to_owned()))?;
        let prefix = prefix.trim_matches('/');
        if !prefix.is_empty()
            && let Some(bad) = prefix.split('/').find(|part| matches!(*part, "" | "." | ".."))
        {
            return Err(malformed(if bad.is_empty() {
                "there are two `/` one after the other in its prefix: write one".to_owned()
            } else {
                format!("`{bad}` cannot be a part of its prefix")
            }));
        }
        if let Some(bad) = prefix.chars().find(|c| c.is_control()) {
            return Err(malformed(format!("the control character {bad:?} cannot be in its prefix")));
        }
        Ok(Self { bucket: bucket.to_owned(), prefix: prefix.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str) -> Result<(String, String), String> {
        let place = Url::parse(text).and_then(|url| Place::of(&url));
        place.map(|place| (place.bucket, place.prefix)).map_err(|error| error.to_string())
    }

    #[test]
    fn a_url_names_a_bucket_and_a_prefix() {
        for (text, bucket, prefix) in [
            ("s3://logs", "logs", ""),
            ("s3://logs/", "logs", ""),
            ("S3://logs/orders/eu/", "logs", "orders/eu"),
            ("gs://my.logs_1/a%20b%2fc%25", "my.logs_1", "a b/c%"),
            ("az://Container/%C3%A9", "Container", "\u{e9}"),
        ] {
            assert_eq!(place(text).unwrap(), (bucket.to_owned(), prefix.to_owned()), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_is_named() {
        for (text, expected) in [
            ("s3://", "it names no bucket; write for example `s3://bucket/orders`"),
            ("s3:///orders", "it names no bucket"),
            ("az:///orders", "it names no container; write for example `az://container/orders`"),
            ("s3://me:secret@logs/x", "credentials have no place in it"),
            ("s3://me:secret/@@logs/x", "credentials have no place in it"),
            ("s3://localhost:9000/logs", "`endpoint` of the table `[object-store]`"),
            ("s3://lo gs/x", "` ` cannot be in it"),
            ("s3://logs/a//b", "two `/`"),
            ("s3://logs/a/../b", "`..` cannot be a part"),
            ("s3://logs/a%2", "two hexadecimal digits"),
            ("s3://logs/%ff", "not UTF-8"),
            ("s3://logs/a%0ab", "control character"),
            ("s3://logs/x?region=eu", "`[object-store]`"),
        ] {
            let error = place(text).unwrap_err();
            assert!(error.contains(expected) && !error.contains("secret@"), "{text}: {error}");
        }
    }
}
