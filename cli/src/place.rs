//! A log that nobody serves, by its URL or its directory.

use std::ffi::OsString;
use std::path::{self, Path, PathBuf};

use crate::error::Error;

/// The URL that `text` is, or that of the directory that it names.
///
/// # Errors
/// [`Error::File`] where the working directory is not to be had.
pub(crate) fn url_of(text: &str) -> Result<String, Error> {
    if text.contains("://") {
        return Ok(text.to_owned());
    }
    // Links stay: the library finds the real directory.
    let directory = path::absolute(text).map_err(|source| Error::File { path: text.into(), source })?;
    Ok(format!("file://{}", encoded(&directory)))
}

/// What a URL cannot have as it is becomes a `%` and two hexadecimal digits (RFC 3986, 2.1).
fn encoded(path: &Path) -> String {
    let mut text = String::new();
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'/' | b'-' | b'_' | b'.' | b'~' | b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => text.push(char::from(*byte)),
            other => text.push_str(&format!("%{other:02X}")),
        }
    }
    text
}

/// The directory of a `file` URL that the library takes; `None` for another URL.
pub(crate) fn directory_of(url: &str) -> Option<PathBuf> {
    let (scheme, rest) = url.trim().split_once("://")?;
    let path = rest.get(rest.find('/')?..).filter(|_| scheme.eq_ignore_ascii_case("file"))?;
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.bytes();
    while let Some(byte) = rest.next() {
        let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
        let value = match byte {
            b'%' => digit(rest.next()).zip(digit(rest.next())).map(|(high, low)| high * 16 + low)?,
            byte => u32::from(byte),
        };
        bytes.push(u8::try_from(value).ok()?);
    }
    into_path(bytes)
}

#[cfg(unix)]
fn into_path(bytes: Vec<u8>) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStringExt;

    Some(OsString::from_vec(bytes).into())
}

#[cfg(not(unix))]
fn into_path(bytes: Vec<u8>) -> Option<PathBuf> {
    String::from_utf8(bytes).ok().map(OsString::from).map(PathBuf::from)
}

/// The first host of a `kafka` URL, and its port.
pub(crate) fn first_host(url: &str) -> Option<(String, u16)> {
    let (_, rest) = url.trim().split_once("://")?;
    let hosts = rest.split('?').next()?.rsplit('@').next()?;
    let first = hosts.split(['/', ',']).next()?;
    let (host, port) = match first.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port.parse().ok()?),
        _ => (first, 9092),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    (!host.is_empty()).then(|| (host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_becomes_its_url() {
        assert_eq!(url_of("/var/lib/log").unwrap(), "file:///var/lib/log");
        assert_eq!(url_of("/a b/50%/é?#").unwrap(), "file:///a%20b/50%25/%C3%A9%3F%23");
        assert_eq!(url_of("s3://bucket/prefix").unwrap(), "s3://bucket/prefix");
        for path in ["/var/lib/log", "/a b/50%/é?#"] {
            assert_eq!(directory_of(&url_of(path).unwrap()), Some(PathBuf::from(path)));
        }
        assert_eq!(directory_of("FILE://localhost/x"), Some(PathBuf::from("/x")));
        for other in ["memory://x", "s3://b/c", "file://", "file:///%4", "/x"] {
            assert_eq!(directory_of(other), None, "{other}");
        }
        let here = std::env::current_dir().unwrap();
        assert_eq!(url_of("log").unwrap(), format!("file://{}/log", encoded(&here)));
    }

    #[test]
    fn brokers_are_found_in_a_url() {
        for (url, first) in [
            ("kafka://me:se/c@ret@a:1,b:2/?x=1", Some(("a", 1))),
            ("kafka://a?user=b@c", Some(("a", 9092))),
            ("kafka://[::1]:9,b", Some(("::1", 9))),
            ("kafka://[::1]", Some(("::1", 9092))),
            ("kafka://", None),
        ] {
            assert_eq!(first_host(url), first.map(|(host, port)| (host.to_owned(), port)), "{url}");
        }
    }
}
