//! What a line means.

use bytes::Bytes;
use memchr::memmem::find;
use ottla::{Record, TopicName};

use crate::records::{Data, Format, RecordLine, from_base64};

/// Where a key comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum KeyFrom {
    /// There is none, but in JSON.
    Nowhere,
    /// What stands before this is the key, and what follows it the value.
    Separator(Vec<u8>),
    /// This field, counted from 0 and parted by white space; the whole line is the value. A line without it has no key.
    Field(usize),
}

/// How lines become records.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    pub(super) topic: TopicName,
    pub(super) format: Format,
    pub(super) key: KeyFrom,
    /// A key or a value that reads so is null.
    pub(super) null: Option<Vec<u8>>,
    /// Of every record, after its own.
    pub(super) headers: Vec<(String, Bytes)>,
    /// Of every record, whatever it says itself.
    pub(super) partition: Option<i32>,
    /// Whether a record's own partition counts.
    pub(super) keeps_partitions: bool,
}

impl Shape {
    /// The longest line whose record may fit `bytes`.
    pub(super) const fn longest_line(&self, bytes: usize) -> usize {
        // What surrounds key and value.
        const FRAME: usize = 4 << 10;
        match self.format {
            Format::Raw => bytes.saturating_add(FRAME),
            Format::Base64 => bytes.saturating_add(bytes / 3).saturating_add(FRAME),
            // A byte is six characters at most: `\u0007`.
            Format::Json => bytes.saturating_mul(6).saturating_add(FRAME),
        }
    }

    /// # Errors
    /// What is wrong with the line.
    pub(super) fn record(&self, line: &Bytes) -> Result<Record, String> {
        let mut record = match self.format {
            Format::Json => self.json(line)?,
            Format::Raw | Format::Base64 => self.text(line)?,
        };
        for (name, value) in &self.headers {
            record = record.header(name.clone(), value.clone());
        }
        Ok(match self.partition {
            Some(partition) => record.partition(partition),
            None => record,
        })
    }

    fn text(&self, line: &Bytes) -> Result<Record, String> {
        let (key, value) = match &self.key {
            KeyFrom::Nowhere => (None, &line[..]),
            KeyFrom::Separator(separator) => {
                let parts =
                    find(line, separator).and_then(|at| Some((line.get(..at)?, line.get(at + separator.len()..)?)));
                let (key, value) = parts.ok_or_else(|| {
                    format!("it has no `{}` between a key and a value", String::from_utf8_lossy(separator))
                })?;
                (Some(key), value)
            }
            KeyFrom::Field(field) => {
                let mut fields = line.split(u8::is_ascii_whitespace).filter(|field| !field.is_empty());
                (fields.nth(*field), &line[..])
            }
        };
        let mut record = Record::to(self.topic.clone());
        if let Some(key) = key.filter(|key| !self.is_null(key)) {
            record = record.key(self.bytes(line, key).map_err(|reason| format!("its key cannot be: {reason}"))?);
        }
        if !self.is_null(value) {
            record = record.value(self.bytes(line, value).map_err(|reason| format!("its value cannot be: {reason}"))?);
        }
        Ok(record)
    }

    fn is_null(&self, part: &[u8]) -> bool {
        self.null.as_ref().is_some_and(|null| part == null)
    }

    /// A part of the line: a slice of it, where nothing has to be decoded.
    fn bytes(&self, line: &Bytes, part: &[u8]) -> Result<Bytes, String> {
        match self.format {
            Format::Base64 => from_base64(part.trim_ascii()).map(Bytes::from),
            Format::Raw | Format::Json => Ok(line.slice_ref(part)),
        }
    }

    fn json(&self, line: &Bytes) -> Result<Record, String> {
        let RecordLine { topic: _, partition, offset: _, timestamp, key, value, headers } =
            serde_json::from_slice(line).map_err(|error| format!("it is no record in JSON: {error}"))?;
        let mut record = Record::to(self.topic.clone());
        if let Some(partition) = partition.filter(|_| self.keeps_partitions) {
            record = record.partition(partition);
        }
        // Kafka's −1 is none: then it is the time of sending.
        if let Some(timestamp) = timestamp.filter(|timestamp| *timestamp >= 0) {
            record = record.timestamp_ms(timestamp);
        }
        if let Some(Data(key)) = key {
            record = record.key(key.into_owned());
        }
        if let Some(Data(value)) = value {
            record = record.value(value.into_owned());
        }
        for header in headers {
            let name = String::from_utf8(header.name.0.into_owned())
                .map_err(|_| "the name of a header is not UTF-8, which this client cannot send".to_owned())?;
            record = match header.value {
                Some(Data(value)) => record.header(name, value.into_owned()),
                None => record.null_header(name),
            };
        }
        Ok(record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(format: Format, key: KeyFrom) -> Shape {
        Shape {
            topic: TopicName::new("t").unwrap(),
            format,
            key,
            null: None,
            headers: Vec::new(),
            partition: None,
            keeps_partitions: true,
        }
    }

    fn record(shape: &Shape, line: &str) -> Result<Record, String> {
        shape.record(&Bytes::copy_from_slice(line.as_bytes()))
    }

    #[test]
    fn keys_are_found() {
        let by = |separator: &str| KeyFrom::Separator(separator.as_bytes().to_owned());
        let to = || Record::to("t");
        for (key, line, expected) in [
            (KeyFrom::Nowhere, "a b", to().value("a b")),
            (by(":"), "k:v:w", to().key("k").value("v:w")),
            (by("::"), "::", to().key("").value("")),
            (KeyFrom::Field(1), " a \tb c", to().key("b").value(" a \tb c")),
            (KeyFrom::Field(3), "a b", to().value("a b")),
        ] {
            assert_eq!(record(&shape(Format::Raw, key), line).unwrap(), expected, "{line}");
        }
        let error = record(&shape(Format::Raw, by("::")), "k:v").unwrap_err();
        assert!(error.contains("no `::`"), "{error}");
    }

    #[test]
    fn base64_is_undone_in_each_part() {
        let shape = shape(Format::Base64, KeyFrom::Separator(b" ".to_vec()));
        assert_eq!(record(&shape, "/w== AAE=\r").unwrap(), Record::to("t").key(vec![0xff]).value(vec![0, 1]));
        assert!(record(&shape, "x y").unwrap_err().contains("its key cannot be: it is no base64"));
    }

    #[test]
    fn what_holds_for_all_records_holds_for_each() {
        let mut shape = shape(Format::Raw, KeyFrom::Separator(b":".to_vec()));
        shape.null = Some(b"NULL".to_vec());
        shape.headers = vec![("from".to_owned(), Bytes::from("cli"))];
        shape.partition = Some(3);
        let expected = Record::tombstone("t", "k").header("from", "cli").partition(3);
        assert_eq!(record(&shape, "k:NULL").unwrap(), expected);
        assert_eq!(record(&shape, "NULL:").unwrap().key_bytes(), None);
    }

    #[test]
    fn json_says_all() {
        let shape = shape(Format::Json, KeyFrom::Nowhere);
        let line = r#"{"topic": "other", "partition": 2, "offset": 7, "timestamp": 5, "key": {"base64": "/w=="}, "value": null,
                       "headers": [{"name": "a", "value": null}, {"name": "a", "value": "1"}]}"#;
        let expected =
            Record::tombstone("t", vec![0xff]).partition(2).timestamp_ms(5).null_header("a").header("a", "1");
        assert_eq!(record(&shape, line).unwrap(), expected);
        let elsewhere = Shape { keeps_partitions: false, ..shape.clone() };
        assert_eq!(record(&elsewhere, line).unwrap().chosen_partition(), None);
        assert!(record(&shape, "{").unwrap_err().contains("no record in JSON"));
        let named = r#"{"value": "", "headers": [{"name": {"base64": "/w=="}, "value": ""}]}"#;
        assert!(record(&shape, named).unwrap_err().contains("not UTF-8"));
        assert_eq!(record(&shape, r#"{"value": "", "timestamp": -1}"#).unwrap(), Record::to("t").value(""));
    }
}
