//! What is known about one config.

use std::fmt;

use super::error::Error;

/// What a config belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Each topic may have its own value.
    Topic,
    /// The broker.
    Broker,
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Topic => "topic",
            Self::Broker => "broker",
        })
    }
}

/// Which values a config takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A whole number within bounds, both inclusive.
    Number {
        /// The least.
        min: i64,
        /// The greatest.
        max: i64,
    },
    /// `true` or `false`.
    Bool,
    /// One of a few words.
    Choice {
        /// Those that are taken.
        allowed: &'static [&'static str],
        /// Those of Kafka's that are not, each with the reason.
        refused: &'static [(&'static str, &'static str)],
    },
    /// Some of a few words, with commas between them.
    List {
        /// Those that are taken.
        allowed: &'static [&'static str],
        /// Those of Kafka's that are not, each with the reason.
        refused: &'static [(&'static str, &'static str)],
    },
    /// Any text that is not empty.
    Text,
}

/// One row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Definition {
    /// Kafka's name.
    pub name: &'static str,
    /// What it belongs to.
    pub scope: Scope,
    /// For a topic config: the broker config that gives its default.
    pub broker_name: Option<&'static str>,
    /// Which values it takes.
    pub kind: Kind,
    /// The value while nobody set it; empty if there is none.
    pub default: &'static str,
    /// Whether it is fixed when the broker starts.
    pub read_only: bool,
    /// What it does.
    pub documentation: &'static str,
}

impl Definition {
    /// Checks `value`, which was given under `name` (the config's own, or its broker-level one).
    ///
    /// # Errors
    /// [`Error::Invalid`] with the range, or [`Error::Unsupported`] with the reason.
    pub fn check(&self, value: &str) -> Result<(), Error> {
        match self.kind {
            Kind::Number { .. } => self.number(value).map(drop),
            Kind::Bool => self.boolean(value).map(drop),
            Kind::Choice { allowed, refused } => self.check_word(value, value, allowed, refused),
            Kind::List { allowed, refused } => {
                value.split(',').try_for_each(|word| self.check_word(value, word.trim(), allowed, refused))
            }
            Kind::Text if value.trim().is_empty() => Err(self.invalid(value)),
            Kind::Text => Ok(()),
        }
    }

    /// One word of `value`.
    fn check_word(
        &self,
        value: &str,
        word: &str,
        allowed: &[&str],
        refused: &[(&str, &'static str)],
    ) -> Result<(), Error> {
        if allowed.contains(&word) {
            return Ok(());
        }
        match refused.iter().find(|(known, _)| *known == word) {
            Some((_, reason)) => Err(Error::Unsupported { name: self.name.to_owned(), value: cut(value), reason }),
            None => Err(self.invalid(value)),
        }
    }

    /// `value` as the number that it says.
    ///
    /// # Errors
    /// [`Error::Invalid`] if it is none, or out of range.
    pub fn number(&self, value: &str) -> Result<i64, Error> {
        let (min, max) = match self.kind {
            Kind::Number { min, max } => (min, max),
            _ => (i64::MIN, i64::MAX),
        };
        match value.trim().parse::<i64>() {
            Ok(number) if (min..=max).contains(&number) => Ok(number),
            _ => Err(self.invalid(value)),
        }
    }

    /// `value` as a truth value.
    ///
    /// # Errors
    /// [`Error::Invalid`] unless it is `true` or `false`.
    pub fn boolean(&self, value: &str) -> Result<bool, Error> {
        match value.trim() {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(self.invalid(value)),
        }
    }

    fn invalid(&self, value: &str) -> Error {
        let allowed = match self.kind {
            Kind::Number { min, max: i64::MAX } => format!("it is a whole number of at least {min}"),
            Kind::Number { min, max } => format!("it is a whole number from {min} to {max}"),
            Kind::Bool => "it is `true` or `false`".to_owned(),
            Kind::Choice { allowed: [only], .. } | Kind::List { allowed: [only], .. } => {
                format!("the only one is `{only}`")
            }
            Kind::Choice { allowed, .. } => format!("it is one of `{}`", allowed.join("`, `")),
            Kind::List { allowed, .. } => {
                format!("it is some of `{}`, with commas between them", allowed.join("`, `"))
            }
            Kind::Text => "it is a text that is not empty".to_owned(),
        };
        Error::Invalid { name: self.name, value: cut(value), allowed }
    }
}

/// Hostile input does not make a long message.
pub(super) fn cut(value: &str) -> String {
    value.chars().take(64).collect()
}
