//! Taking a URL apart. Ours need so little of the general syntax that a dependency would not pay.

use ottla_broker_core::planted::is_planted;

use super::error::Error;
use crate::config::nearest;

/// A backend that a URL can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    Memory,
    File,
    S3,
    Gs,
    Az,
    Kafka,
}

impl Scheme {
    pub(crate) const ALL: [Self; 6] = [Self::Memory, Self::File, Self::S3, Self::Gs, Self::Az, Self::Kafka];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::File => "file",
            Self::S3 => "s3",
            Self::Gs => "gs",
            Self::Az => "az",
            Self::Kafka => "kafka",
        }
    }

    /// The feature of this crate that brings it.
    #[cfg_attr(
        all(feature = "memory", feature = "disk", feature = "object-store", feature = "kafka"),
        allow(dead_code, reason = "every feature is on")
    )]
    pub(crate) const fn feature(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::File => "disk",
            Self::S3 | Self::Gs | Self::Az => "object-store",
            Self::Kafka => "kafka",
        }
    }
}

/// A URL in parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Url {
    pub(crate) scheme: Scheme,
    /// What stands after `://`; only in a `kafka` URL may there be a `?` in it.
    pub(crate) rest: String,
    /// The URL as errors and logs may show it: without credentials.
    pub(crate) shown: String,
}

impl Url {
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let text = text.trim();
        let shown = without_credentials(text);
        let malformed = |reason: String| Error::Malformed { url: shown.clone(), reason };
        if text.is_empty() {
            return Err(Error::NoUrl);
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(malformed(format!("it has no `://`; write for example {}", examples())));
        };
        let lower = scheme.to_ascii_lowercase();
        let Some(scheme) = Scheme::ALL.into_iter().find(|known| known.name() == lower) else {
            let hint = match nearest(&lower, Scheme::ALL.map(Scheme::name)) {
                Some(near) => format!("did you mean `{near}://`? Otherwise use {}", super::available()),
                None => format!("use {}", super::available()),
            };
            return Err(Error::UnknownScheme { url: shown, scheme: after_credentials(scheme).to_owned(), hint });
        };
        if rest.contains('?') && scheme != Scheme::Kafka {
            // What was cut is not named either.
            let query = shown.split_once('?').map_or("", |(_, query)| query);
            let name = match query.split(['=', '&']).next() {
                None | Some("") => String::new(),
                Some(name) => format!(", and it has `{name}`"),
            };
            let table = match scheme {
                Scheme::File => " (table `[disk]`)",
                Scheme::S3 | Scheme::Gs | Scheme::Az => " (table `[object-store]`)",
                Scheme::Memory | Scheme::Kafka => "",
            };
            return Err(malformed(format!(
                "`{}://` takes no parameters{name}; set options with the builder or in TOML{table}",
                scheme.name()
            )));
        }
        if rest.contains('#') {
            return Err(malformed("a `#` has no meaning here: leave it out, and what follows it".to_owned()));
        }
        Ok(Self { scheme, rest: rest.to_owned(), shown })
    }

    /// The bytes of the absolute path that a `file` URL names. A `%` and two hexadecimal digits are one byte
    /// (RFC 3986, 2.1).
    #[cfg(feature = "disk")]
    pub(crate) fn file_path(&self) -> Result<Vec<u8>, Error> {
        let malformed = |reason: String| Error::Malformed { url: self.shown.clone(), reason };
        let (host, path) = match self.rest.find('/').and_then(|slash| self.rest.split_at_checked(slash)) {
            Some(parts) => parts,
            None => (self.rest.as_str(), ""),
        };
        if !host.is_empty() && !host.eq_ignore_ascii_case("localhost") {
            return Err(malformed(format!(
                "`{}` stands where a host would; the path is absolute and begins with a third `/`, \
                 for example `file:///var/lib/app/log`",
                after_credentials(host)
            )));
        }
        if path.trim_matches('/').is_empty() {
            let reason = "it names no directory; write for example `file:///var/lib/app/log`";
            return Err(malformed(reason.to_owned()));
        }
        decode(path).map_err(malformed)
    }
}

/// Undoes percent-encoding.
#[cfg(any(feature = "disk", feature = "object-store", feature = "kafka"))]
pub(super) fn decode(text: &str) -> Result<Vec<u8>, String> {
    let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let value = digit(rest.next()).zip(digit(rest.next())).map(|(high, low)| high * 16 + low);
                match value.and_then(|value| u8::try_from(value).ok()) {
                    Some(0) => return Err("`%00` cannot be in a path".to_owned()),
                    Some(value) => value,
                    None => return Err("after a `%` come two hexadecimal digits; `%` itself is `%25`".to_owned()),
                }
            }
            0 => return Err("a zero byte cannot be in a path".to_owned()),
            byte => byte,
        });
    }
    Ok(bytes)
}

fn examples() -> &'static str {
    "`memory://`, `memory://name`, `file:///var/lib/app/log`, `s3://bucket/prefix` or `kafka://host:9092`"
}

/// A URL as errors, logs and reports may show it: without a user and a password, wherever they stand in it.
///
/// A password may have any character in it, so that nothing before the last `@` is shown: of a `kafka` URL, of a text
/// that is no URL of a known scheme, and of one that has a `:` or an `@` where a bucket or nothing would stand.
#[must_use]
pub fn without_credentials(url: &str) -> String {
    let url = url.trim();
    let Some((scheme, rest)) = url.split_once("://") else { return after_credentials(url).to_owned() };
    let name = after_credentials(scheme);
    let known = Scheme::ALL.into_iter().find(|known| scheme.eq_ignore_ascii_case(known.name()));
    let place = rest.split(['/', '?']).next().unwrap_or_default();
    match known {
        // In a path or a prefix an `@` is a letter like any other.
        Some(known) if known != Scheme::Kafka && !place.contains([':', '@']) => format!("{name}://{rest}"),
        _ => format!("{name}://{}", after_credentials(rest)),
    }
}

/// What stands after the last `@`.
pub(super) fn after_credentials(text: &str) -> &str {
    let parts = if is_planted("password-cut-at-its-at") { text.split_once('@') } else { text.rsplit_once('@') };
    parts.map_or(text, |(_, rest)| rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_taken_apart() {
        let url = Url::parse(" Memory://orders ").unwrap();
        assert_eq!((url.scheme, url.rest.as_str()), (Scheme::Memory, "orders"));
    }

    #[test]
    fn credentials_are_not_shown() {
        for (text, shown) in [
            (" kafka://me:secret@a:9092,b:9092/?x=1", "kafka://a:9092,b:9092/?x=1"),
            ("kafka://me:se/cret@h", "kafka://h"),
            ("kafka://me:se?cret@h?tls=true", "kafka://h?tls=true"),
            ("KAFKA://me:se@cret@h", "KAFKA://h"),
            ("kafka://a:9092", "kafka://a:9092"),
            ("me:se/cret@h", "h"),
            ("me:secret@kafka://h", "kafka://h"),
            ("postgres://me:se/cret@h/db", "postgres://h/db"),
            ("s3://key:se/cret@bucket/x", "s3://bucket/x"),
            ("s3://bucket/a@b", "s3://bucket/a@b"),
            ("file:///home/me@work/log", "file:///home/me@work/log"),
            ("memory://me:secret@x", "memory://x"),
        ] {
            assert_eq!(without_credentials(text), shown, "{text}");
        }
        for text in [
            "me:secret@kafka://h",
            "s3://key:x?secret@b",
            "memory://me:secret@x y",
            "file://me:secret@h/x",
            "gs://me:secret@h#",
        ] {
            let url = Url::parse(text);
            let error = match &url {
                Err(error) => error.to_string(),
                #[cfg(feature = "disk")]
                Ok(url) if url.scheme == Scheme::File => url.file_path().unwrap_err().to_string(),
                Ok(_) => continue,
            };
            assert!(!error.contains("secret"), "{text}: {error}");
        }
    }

    #[test]
    fn a_refusal_names_the_thing_and_the_remedy() {
        let refusal = |text| Url::parse(text).unwrap_err().to_string();
        assert!(refusal("").contains("set `url`"));
        assert!(refusal("orders").contains("has no `://`"));
        assert!(refusal("memoryy://x").contains("did you mean `memory://`?"));
        let unknown = refusal("postgres://x");
        assert!(unknown.contains("`postgres`") && unknown.contains("use `memory://`"), "{unknown}");
        assert!(!refusal("postgres://me:secret@host/db").contains("secret"));
        assert!(refusal("file:/x").contains("`file:///var/lib/app/log`"));
        assert!(refusal("file:///x?durability=os").contains("`[disk]`"));
        let parameter = refusal("memory://x?max_bytes=3");
        assert!(parameter.contains("`max_bytes`") && parameter.contains("builder"), "{parameter}");
    }

    #[cfg(feature = "disk")]
    #[test]
    fn a_file_url_names_an_absolute_path() {
        let path = |text: &str| Url::parse(text).and_then(|url| url.file_path());
        for (text, expected) in [
            ("file:///var/lib/app", &b"/var/lib/app"[..]),
            ("FILE://localhost/var/lib/app/", b"/var/lib/app/"),
            ("file:///a%20b%2fc%3F%23%25", b"/a b/c?#%"),
            ("file:///%FF\u{e9}", b"/\xff\xc3\xa9"),
        ] {
            assert_eq!(path(text).unwrap(), expected, "{text}");
        }
        for (text, expected) in [
            ("file://", "names no directory"),
            ("file:///", "names no directory"),
            ("file://localhost", "names no directory"),
            ("file://data/log", "`data` stands where a host would"),
            ("file://./log", "begins with a third `/`"),
            ("file:///a%2", "two hexadecimal digits"),
            ("file:///a%+1b", "two hexadecimal digits"),
            ("file:///a%zz", "two hexadecimal digits"),
            ("file:///a%00b", "`%00`"),
            ("file:///a\0b", "a zero byte"),
        ] {
            let error = path(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
