//! One table of a configuration, read key by key.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::de::DeserializeOwned;
use toml::{Table, Value};

use super::error::Error;
use super::nearest::nearest;

/// A table whose keys are taken one by one; what is left at [`finish`](Self::finish) nobody knows.
#[derive(Debug)]
pub(crate) struct Section {
    path: String,
    table: Table,
    known: Vec<&'static str>,
}

impl Section {
    /// The top of a document.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        match text.parse::<Table>() {
            Ok(table) => Ok(Self { path: String::new(), table, known: Vec::new() }),
            Err(error) => Err(Error::Syntax { message: told(text, &error) }),
        }
    }

    fn path(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    fn take(&mut self, key: &'static str) -> Option<Value> {
        self.known.push(key);
        self.table.remove(key)
    }

    fn bad(&self, key: &str, value: &Value, reason: impl Into<String>) -> Error {
        let shown = match value {
            Value::String(text) => format!("\"{text}\""),
            Value::Integer(number) => number.to_string(),
            Value::Float(number) => number.to_string(),
            Value::Boolean(value) => value.to_string(),
            other => format!("a {}", other.type_str()),
        };
        Error::bad_value(self.path(key), shown, reason)
    }

    /// A table within this one; empty if there is none.
    pub(crate) fn section(&mut self, key: &'static str) -> Result<Self, Error> {
        let table = match self.take(key) {
            None => Table::new(),
            Some(Value::Table(table)) => table,
            Some(other) => return Err(self.bad(key, &other, format!("it is a table: write `[{}]`", self.path(key)))),
        };
        Ok(Self { path: self.path(key), table, known: Vec::new() })
    }

    /// Text.
    pub(crate) fn string(&mut self, key: &'static str) -> Result<Option<String>, Error> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(self.bad(key, &other, "it is a text in quotes")),
        }
    }

    /// Text that no error shows.
    #[cfg(any(feature = "object-store", feature = "kafka"))]
    pub(crate) fn secret(&mut self, key: &'static str) -> Result<Option<String>, Error> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(Error::bad_value(self.path(key), "what it is set to", "it is a text in quotes")),
        }
    }

    /// Yes or no.
    #[cfg(any(feature = "object-store", feature = "kafka"))]
    pub(crate) fn flag(&mut self, key: &'static str) -> Result<Option<bool>, Error> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::Boolean(flag)) => Ok(Some(flag)),
            Some(other) => Err(self.bad(key, &other, "it is `true` or `false`, without quotes")),
        }
    }

    /// A number that is not negative.
    pub(crate) fn count(&mut self, key: &'static str) -> Result<Option<usize>, Error> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::Integer(number)) => match usize::try_from(number) {
                Ok(number) => Ok(Some(number)),
                Err(_) => Err(self.bad(key, &Value::Integer(number), "it is a number from 0 up")),
            },
            Some(other) => Err(self.bad(key, &other, "it is a number from 0 up, without quotes")),
        }
    }

    /// A duration in milliseconds; the key ends in `_ms`.
    pub(crate) fn millis(&mut self, key: &'static str) -> Result<Option<Duration>, Error> {
        Ok(self.count(key)?.map(|ms| Duration::from_millis(ms as u64)))
    }

    /// One of some words.
    pub(crate) fn choice<T: Copy>(
        &mut self,
        key: &'static str,
        words: &[(&'static str, T)],
    ) -> Result<Option<T>, Error> {
        let Some(text) = self.string(key)? else {
            return Ok(None);
        };
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
            return Ok(Some(*value));
        }
        let all = words.iter().map(|(word, _)| format!("\"{word}\"")).collect::<Vec<_>>().join(", ");
        Err(self.bad(key, &Value::String(text), format!("it is one of {all}")))
    }

    /// Everything that is left, as texts: configs whose names somebody else knows.
    pub(crate) fn texts(&mut self) -> Result<BTreeMap<String, String>, Error> {
        let mut texts = BTreeMap::new();
        for (key, value) in std::mem::take(&mut self.table) {
            let text = match value {
                Value::String(text) => text,
                Value::Integer(number) => number.to_string(),
                Value::Boolean(value) => value.to_string(),
                Value::Float(number) => number.to_string(),
                Value::Table(_) => {
                    let reason = "Kafka's names have dots, so they are quoted: write `\"num.partitions\" = 3`";
                    return Err(self.bad(&key, &value, reason));
                }
                other => return Err(self.bad(&key, &other, "it is a text, a number, `true` or `false`")),
            };
            texts.insert(key, text);
        }
        Ok(texts)
    }

    /// The whole table as one value whose fields are `names`.
    pub(crate) fn all<T: DeserializeOwned>(mut self, names: &[&'static str]) -> Result<T, Error> {
        self.known.extend(names);
        let table: Table = names.iter().filter_map(|name| self.table.remove_entry(*name)).collect();
        let path = self.path.clone();
        self.finish()?;
        let shown = format!("[{path}]");
        T::deserialize(table).map_err(|error| Error::bad_value(shown, "so", error.to_string().trim_end()))
    }

    /// Refuses what no document of a client has: for those who read only some of its tables.
    pub(crate) fn finish_client(mut self) -> Result<(), Error> {
        for key in ["url", "client_id", "broker", "producer", "reader", "consumer"] {
            self.take(key);
        }
        self.finish()
    }

    /// Refuses what nobody took.
    pub(crate) fn finish(mut self) -> Result<(), Error> {
        let Some(key) = self.table.keys().next().cloned() else {
            return Ok(());
        };
        self.known.sort_unstable();
        let all = self.known.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ");
        let hint = match nearest(&key, self.known.iter().copied()) {
            Some(near) => format!("did you mean `{}`? There are {all}", self.path(near)),
            None => format!("there are {all}"),
        };
        Err(Error::UnknownKey { key: self.path(&key), hint })
    }
}

/// Where and why, without the line itself: there may be a password in it.
fn told(text: &str, error: &toml::de::Error) -> String {
    let before = error.span().and_then(|span| text.get(..span.start));
    let place = before.map(|before| {
        let line = before.rsplit('\n').next().unwrap_or_default();
        format!("line {}, column {}: ", before.matches('\n').count() + 1, line.chars().count() + 1)
    });
    format!("{}{}", place.unwrap_or_default(), error.message().trim_end().replace('\n', ", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broker(text: &str) -> Result<BTreeMap<String, String>, Error> {
        Section::parse(text)?.section("broker")?.texts()
    }

    #[test]
    fn values_are_taken_by_type() {
        let mut top = Section::parse("url = 'memory://'\nbytes = 7\nwait_ms = 250\n[broker]\n'a.b' = 3").unwrap();
        assert_eq!(top.string("url").unwrap().as_deref(), Some("memory://"));
        assert_eq!(top.count("bytes").unwrap(), Some(7));
        assert_eq!(top.millis("wait_ms").unwrap(), Some(Duration::from_millis(250)));
        assert_eq!(top.string("other").unwrap(), None);
        assert_eq!(top.section("broker").unwrap().texts().unwrap(), BTreeMap::from([("a.b".into(), "3".into())]));
        top.finish().unwrap();
    }

    #[test]
    fn refusals_name_the_key_and_the_remedy() {
        let mut top = Section::parse("[reader]\nmax_bufered_bytes = 3").unwrap();
        let mut reader = top.section("reader").unwrap();
        assert_eq!(reader.count("max_buffered_bytes").unwrap(), None);
        let error = reader.finish().unwrap_err().to_string();
        assert!(error.contains("`reader.max_bufered_bytes`"), "{error}");
        assert!(error.contains("did you mean `reader.max_buffered_bytes`?"), "{error}");
        let error = Section::parse("url = 3").unwrap().string("url").unwrap_err().to_string();
        assert_eq!(error, "setting `url` cannot be 3: it is a text in quotes");
        let error = Section::parse("n = -1").unwrap().count("n").unwrap_err().to_string();
        assert_eq!(error, "setting `n` cannot be -1: it is a number from 0 up");
        let error = broker("[broker]\nnum.partitions = 3").unwrap_err().to_string();
        assert!(error.contains("\"num.partitions\" = 3"), "{error}");
        assert!(broker("broker = 3").unwrap_err().to_string().contains("write `[broker]`"));
        let error = Section::parse("url = 'x'\n[kafka]\npassword = 'secret").unwrap_err();
        assert!(matches!(error, Error::Syntax { .. }));
        let error = error.to_string();
        assert!(error.contains("line 3, column ") && !error.contains("secret"), "{error}");
    }
}
