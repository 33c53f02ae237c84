//! Writing XML, and the two documents that clients send.

use bytes::Bytes;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::answer::Refusal;

/// A document with one root, written from top to bottom.
#[derive(Debug)]
pub(super) struct Xml {
    text: String,
    root: &'static str,
}

impl Xml {
    pub(super) fn document(root: &'static str) -> Self {
        let text = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<{root}>");
        Self { text, root }
    }

    /// An element that holds text.
    pub(super) fn text(&mut self, name: &str, value: &str) {
        self.open(name);
        escape(value, &mut self.text);
        self.close(name);
    }

    pub(super) fn open(&mut self, name: &str) {
        self.text.push('<');
        self.text.push_str(name);
        self.text.push('>');
    }

    pub(super) fn close(&mut self, name: &str) {
        self.text.push_str("</");
        self.text.push_str(name);
        self.text.push('>');
    }

    pub(super) fn finish(mut self) -> Bytes {
        self.close(self.root);
        Bytes::from(self.text)
    }
}

/// Carriage return and line feed too: a parser would change the one and cut the other off.
fn escape(value: &str, into: &mut String) {
    for c in value.chars() {
        match c {
            '&' => into.push_str("&amp;"),
            '<' => into.push_str("&lt;"),
            '>' => into.push_str("&gt;"),
            '"' => into.push_str("&quot;"),
            '\'' => into.push_str("&apos;"),
            c if c.is_control() => into.push_str(&format!("&#x{:X};", u32::from(c))),
            c => into.push(c),
        }
    }
}

/// Body of `DeleteObjects`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Delete {
    #[serde(default)]
    pub(super) object: Vec<DeleteKey>,
    #[serde(default)]
    pub(super) quiet: bool,
}

/// A key of [`Delete`].
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct DeleteKey {
    pub(super) key: String,
}

/// Body of `CompleteMultipartUpload`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Complete {
    #[serde(default)]
    pub(super) part: Vec<CompletePart>,
}

/// A part of [`Complete`].
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct CompletePart {
    pub(super) part_number: u32,
    #[serde(rename = "ETag")]
    pub(super) etag: String,
}

/// Reads a document of a client.
pub(super) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    let malformed = |error: String| Refusal::bad("MalformedXML", error);
    let text = std::str::from_utf8(body).map_err(|error| malformed(error.to_string()))?;
    quick_xml::de::from_str(text).map_err(|error| malformed(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_and_read_back() {
        let mut xml = Xml::document("Delete");
        for key in ["a<b>&\"'", "line\r\nend", "ü/\u{1F980}", "plain"] {
            xml.open("Object");
            xml.text("Key", key);
            xml.close("Object");
        }
        let read: Delete = read(&xml.finish()).unwrap();
        let keys: Vec<_> = read.object.iter().map(|object| object.key.as_str()).collect();
        assert_eq!(keys, ["a<b>&\"'", "line\r\nend", "ü/\u{1F980}", "plain"]);
        assert!(!read.quiet);
    }

    #[test]
    fn what_is_no_document_is_refused() {
        for body in [&b"<Delete><Object></Delete>"[..], b"\xff\xfe", b"", b"<Delete><Object><Key>a"] {
            assert_eq!(read::<Delete>(body).unwrap_err().code, "MalformedXML", "{body:?}");
        }
        let part =
            b"<CompleteMultipartUpload><Part><PartNumber>x</PartNumber><ETag>e</ETag></Part></CompleteMultipartUpload>";
        assert_eq!(read::<Complete>(part).unwrap_err().code, "MalformedXML");
    }
}
