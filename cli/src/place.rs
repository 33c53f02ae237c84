//! A log that nobody serves, by its URL or its directory.

use std::path::{self, Path};

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_becomes_its_url() {
        assert_eq!(url_of("/var/lib/log").unwrap(), "file:///var/lib/log");
        assert_eq!(url_of("/a b/50%/é?#").unwrap(), "file:///a%20b/50%25/%C3%A9%3F%23");
        assert_eq!(url_of("s3://bucket/prefix").unwrap(), "s3://bucket/prefix");
        let here = std::env::current_dir().unwrap();
        assert_eq!(url_of("log").unwrap(), format!("file://{}/log", encoded(&here)));
    }
}
