//! What is printed of a record, as text.

use std::io::{self, Write};

use ottla::Message;

use super::time::rfc3339;
use crate::records::{escaped, to_base64};

/// Something that a record has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Key,
    Value,
    Headers,
    Topic,
    Partition,
    Offset,
    Timestamp,
    Time,
}

const FIELDS: [(&str, Field); 8] = [
    ("key", Field::Key),
    ("value", Field::Value),
    ("headers", Field::Headers),
    ("topic", Field::Topic),
    ("partition", Field::Partition),
    ("offset", Field::Offset),
    ("timestamp", Field::Timestamp),
    ("time", Field::Time),
];

/// # Errors
/// What there is in its place.
pub(super) fn field(name: &str) -> Result<Field, String> {
    let found = FIELDS.into_iter().find(|(known, _)| *known == name.trim());
    found
        .map(|(_, field)| field)
        .ok_or_else(|| format!("a record has no `{name}`: it has {}", FIELDS.map(|(known, _)| known).join(", ")))
}

/// Texts, and fields between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(Vec<u8>),
    Field(Field),
}

/// How bytes are shown.
#[derive(Clone, Debug)]
pub(super) struct Style {
    pub(super) base64: bool,
    /// What stands for null.
    pub(super) null: Vec<u8>,
}

impl Template {
    /// Fields with a separator between them, and a delimiter at the end.
    pub(super) fn of_fields(fields: &[Field], separator: &[u8], delimiter: &[u8]) -> Self {
        let mut parts = Vec::new();
        for (index, field) in fields.iter().enumerate() {
            if index > 0 {
                parts.push(Part::Text(separator.to_owned()));
            }
            parts.push(Part::Field(*field));
        }
        parts.push(Part::Text(delimiter.to_owned()));
        Self(parts)
    }

    /// `{key}={value}\n`: fields in braces, which are doubled where they are meant, and escapes.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (mut parts, mut literal) = (Vec::new(), Vec::new());
        let mut rest = text.chars();
        while let Some(c) = rest.next() {
            match c {
                '\\' => literal.push(escaped(&mut rest)?),
                '{' if rest.as_str().starts_with('{') => {
                    rest.next();
                    literal.push(b'{');
                }
                '}' if rest.as_str().starts_with('}') => {
                    rest.next();
                    literal.push(b'}');
                }
                '{' => {
                    let (name, after) =
                        rest.as_str().split_once('}').ok_or("a `{` is not closed: write `{{` for one that is meant")?;
                    if !literal.is_empty() {
                        parts.push(Part::Text(std::mem::take(&mut literal)));
                    }
                    parts.push(Part::Field(field(name)?));
                    rest = after.chars();
                }
                '}' => return Err("a `}` closes nothing: write `}}` for one that is meant".to_owned()),
                c => literal.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        if !literal.is_empty() {
            parts.push(Part::Text(literal));
        }
        Ok(Self(parts))
    }

    /// # Errors
    /// What the output says.
    pub(super) fn write(&self, out: &mut impl Write, message: &Message, style: &Style) -> io::Result<()> {
        for part in &self.0 {
            match part {
                Part::Text(text) => out.write_all(text)?,
                Part::Field(Field::Key) => style.write(out, message.key().map(|key| &key[..]))?,
                Part::Field(Field::Value) => style.write(out, message.value().map(|value| &value[..]))?,
                Part::Field(Field::Headers) => {
                    for (index, header) in message.headers().refs().enumerate() {
                        out.write_all(if index > 0 { b"," } else { b"" })?;
                        out.write_all(header.key)?;
                        out.write_all(b"=")?;
                        style.write(out, header.value)?;
                    }
                }
                Part::Field(Field::Topic) => write!(out, "{}", message.topic())?,
                Part::Field(Field::Partition) => write!(out, "{}", message.partition())?,
                Part::Field(Field::Offset) => write!(out, "{}", message.offset())?,
                Part::Field(Field::Timestamp) => write!(out, "{}", message.timestamp_ms())?,
                Part::Field(Field::Time) => out.write_all(rfc3339(message.timestamp_ms()).as_bytes())?,
            }
        }
        Ok(())
    }
}

impl Style {
    fn write(&self, out: &mut impl Write, bytes: Option<&[u8]>) -> io::Result<()> {
        match bytes {
            None => out.write_all(&self.null),
            Some(bytes) if self.base64 => out.write_all(to_base64(bytes).as_bytes()),
            Some(bytes) => out.write_all(bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_read() {
        let text = |text: &str| Part::Text(text.as_bytes().to_owned());
        let parsed = Template::parse("{partition}:{offset} {{{key}}}\\t{value}\\n").unwrap();
        let expected = [
            Part::Field(Field::Partition),
            text(":"),
            Part::Field(Field::Offset),
            text(" {"),
            Part::Field(Field::Key),
            text("}\t"),
            Part::Field(Field::Value),
            text("\n"),
        ];
        assert_eq!(parsed, Template(expected.to_vec()));
        assert_eq!(
            Template::of_fields(&[Field::Key, Field::Value], b":", b"\n"),
            Template::parse("{key}:{value}\\n").unwrap()
        );
        for (bad, reason) in
            [("{", "not closed"), ("}", "closes nothing"), ("{size}", "it has key, value"), ("\\q", "`\\q`")]
        {
            assert!(Template::parse(bad).unwrap_err().contains(reason), "{bad}");
        }
    }
}
