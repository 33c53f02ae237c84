//! Taking a URL apart. Ours need so little of the general syntax that a dependency would not pay.

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
    /// What stands after `://`, up to a `?`.
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
            return Err(Error::UnknownScheme { url: shown, scheme: scheme.to_owned(), hint });
        };
        if let Some((_, query)) = rest.split_once('?') {
            let name = query.split(['=', '&']).next().unwrap_or_default();
            return Err(malformed(format!(
                "`{}://` takes no parameters, and it has `{name}`; set options with the builder or in TOML",
                scheme.name()
            )));
        }
        if rest.contains('#') {
            return Err(malformed("a `#` has no meaning here: leave it out, and what follows it".to_owned()));
        }
        Ok(Self { scheme, rest: rest.to_owned(), shown })
    }
}

fn examples() -> &'static str {
    "`memory://` or `memory://name`"
}

/// `scheme://user:password@host` without what stands before the `@`.
fn without_credentials(text: &str) -> String {
    match text.split_once("://") {
        Some((scheme, rest)) => {
            let authority_end = rest.find('/').unwrap_or(rest.len());
            let (authority, path) = rest.split_at_checked(authority_end).unwrap_or((rest, ""));
            match authority.rsplit_once('@') {
                Some((_, host)) => format!("{scheme}://{host}{path}"),
                None => text.to_owned(),
            }
        }
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_taken_apart() {
        let url = Url::parse(" Memory://orders ").unwrap();
        assert_eq!((url.scheme, url.rest.as_str()), (Scheme::Memory, "orders"));
        assert_eq!(Url::parse("kafka://me:secret@a:9092,b:9092").unwrap().shown, "kafka://a:9092,b:9092");
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
        let parameter = refusal("memory://x?max_bytes=3");
        assert!(parameter.contains("`max_bytes`") && parameter.contains("builder"), "{parameter}");
    }
}
