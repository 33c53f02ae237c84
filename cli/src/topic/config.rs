//! `-c name=value`.

use std::str::FromStr;

/// A topic's config with its value, by Kafka's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Config {
    pub(super) name: String,
    pub(super) value: String,
}

impl FromStr for Config {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('=') {
            Some((name, value)) if !name.trim().is_empty() => {
                Ok(Self { name: name.trim().to_owned(), value: value.trim().to_owned() })
            }
            _ => Err("write a config's name and value, as in `retention.ms=86400000`"),
        }
    }
}
