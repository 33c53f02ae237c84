//! `ListObjectsV2`: pages of keys in order, with what is below a delimiter folded into one entry.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::answer::Refusal;
use super::dates;
use super::request::{Request, decode};
use super::store::{Object, hex};
use super::xml::Xml;

/// S3 gives no more in one page.
const MAX_KEYS: usize = 1_000;

/// What a page is asked for.
#[derive(Debug, Default)]
pub(super) struct Query {
    prefix: String,
    delimiter: String,
    max_keys: usize,
    start_after: String,
    token: Option<Place>,
    encodes_keys: bool,
}

/// The last entry of the page before: the next begins after it.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Key(String),
    /// A folded entry: all that begins with it was told.
    Prefix(String),
}

impl Place {
    fn token(&self) -> String {
        match self {
            Self::Key(key) => format!("k{}", hex(key.as_bytes())),
            Self::Prefix(prefix) => format!("p{}", hex(prefix.as_bytes())),
        }
    }

    fn parse(token: &str) -> Option<Self> {
        let (kind, digits) = token.split_at_checked(1)?;
        let pairs: Vec<_> =
            digits.as_bytes().chunks(2).map(|pair| format!("%{}", String::from_utf8_lossy(pair))).collect();
        let name = decode(&pairs.concat(), false)?;
        match kind {
            "k" => Some(Self::Key(name)),
            "p" => Some(Self::Prefix(name)),
            _ => None,
        }
    }
}

impl Query {
    pub(super) fn new(request: &Request) -> Result<Self, Refusal> {
        let text = |name: &str| request.query(name).unwrap_or_default().to_owned();
        let invalid = |what: &str| Refusal::bad("InvalidArgument", format!("{what} is not valid"));
        let max_keys = match request.query("max-keys") {
            None => MAX_KEYS,
            Some(number) => number.parse::<usize>().map_err(|_| invalid("max-keys"))?.min(MAX_KEYS),
        };
        let token = match request.query("continuation-token") {
            None => None,
            Some(token) => Some(Place::parse(token).ok_or_else(|| invalid("continuation-token"))?),
        };
        let (prefix, delimiter, start_after) = (text("prefix"), text("delimiter"), text("start-after"));
        let encodes_keys = request.query("encoding-type") == Some("url");
        Ok(Self { prefix, delimiter, max_keys, start_after, token, encodes_keys })
    }

    /// The entry a key is told under: itself, or all up to the first delimiter after the prefix.
    fn fold<'a>(&self, key: &'a str) -> Option<&'a str> {
        if self.delimiter.is_empty() {
            return None;
        }
        let after = key.strip_prefix(self.prefix.as_str())?;
        let at = after.find(&self.delimiter)?;
        key.get(..self.prefix.len() + at + self.delimiter.len())
    }

    /// Whether a key was told before, or lies before where the list begins.
    fn is_past(&self, key: &str) -> bool {
        match &self.token {
            // A token takes the place of `start-after`, as in S3.
            Some(Place::Key(last)) => key <= last.as_str(),
            Some(Place::Prefix(last)) => key.starts_with(last.as_str()) || key < last.as_str(),
            None => !self.start_after.is_empty() && key <= self.start_after.as_str(),
        }
    }

    pub(super) fn page<'a>(&self, objects: &'a BTreeMap<String, Object>) -> Page<'a> {
        let first = match &self.token {
            Some(Place::Key(last) | Place::Prefix(last)) => last.as_str(),
            None => self.start_after.as_str(),
        };
        let first = first.max(self.prefix.as_str());
        let mut page = Page::default();
        let mut last = None;
        for (key, object) in objects.range::<str, _>((Bound::Included(first), Bound::Unbounded)) {
            if !key.starts_with(&self.prefix) {
                break;
            }
            if self.is_past(key) {
                continue;
            }
            let folded = self.fold(key);
            // A folded entry holds more than one key, and those that follow its first come right after it.
            if folded.is_some() && page.prefixes.last().copied() == folded {
                continue;
            }
            if page.objects.len() + page.prefixes.len() == self.max_keys {
                page.next = last.as_ref().map(Place::token);
                break;
            }
            match folded {
                Some(prefix) => {
                    last = Some(Place::Prefix(prefix.to_owned()));
                    page.prefixes.push(prefix);
                }
                None => {
                    last = Some(Place::Key(key.clone()));
                    page.objects.push((key, object));
                }
            }
        }
        page
    }

    pub(super) fn xml(&self, bucket: &str, page: &Page<'_>) -> Xml {
        let name = |text: &str| if self.encodes_keys { encode(text) } else { text.to_owned() };
        let mut xml = Xml::document("ListBucketResult");
        xml.text("Name", bucket);
        xml.text("Prefix", &name(&self.prefix));
        if !self.delimiter.is_empty() {
            xml.text("Delimiter", &name(&self.delimiter));
        }
        if self.encodes_keys {
            xml.text("EncodingType", "url");
        }
        xml.text("MaxKeys", &self.max_keys.to_string());
        xml.text("KeyCount", &(page.objects.len() + page.prefixes.len()).to_string());
        xml.text("IsTruncated", if page.next.is_some() { "true" } else { "false" });
        if let Some(token) = &page.next {
            xml.text("NextContinuationToken", token);
        }
        for (key, object) in &page.objects {
            xml.open("Contents");
            xml.text("Key", &name(key));
            xml.text("LastModified", &dates::xml(object.modified));
            xml.text("ETag", &object.etag);
            xml.text("Size", &object.body.len().to_string());
            xml.text("StorageClass", "STANDARD");
            xml.close("Contents");
        }
        for prefix in &page.prefixes {
            xml.open("CommonPrefixes");
            xml.text("Prefix", &name(prefix));
            xml.close("CommonPrefixes");
        }
        xml
    }
}

fn encode(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~/".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// A page.
#[derive(Debug, Default)]
pub(super) struct Page<'a> {
    objects: Vec<(&'a String, &'a Object)>,
    prefixes: Vec<&'a str>,
    /// The token of the next page, if there is one.
    next: Option<String>,
}
