//! Which topics a consumer wants.

use ottla_broker_core::{TopicName, TopicPartition};

/// Topics by name or by pattern, or partitions chosen by hand.
#[derive(Clone, Debug, Default)]
pub(super) struct Wanted {
    pub(super) topics: Vec<TopicName>,
    pub(super) patterns: Vec<Pattern>,
    pub(super) partitions: Vec<TopicPartition>,
}

impl Wanted {
    pub(super) fn is_empty(&self) -> bool {
        self.topics.is_empty() && self.patterns.is_empty() && self.partitions.is_empty()
    }

    pub(super) fn matches(&self, topic: &TopicName) -> bool {
        self.topics.contains(topic) || self.patterns.iter().any(|pattern| pattern.matches(topic.as_str()))
    }
}

/// A pattern of names in which `*` stands for any text, also none, and `?` for one character. The rest is
/// literal: dots, which topics' names are full of, need no escape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(Box<str>);

impl Pattern {
    /// Takes any text.
    #[must_use]
    pub fn new(pattern: impl Into<Box<str>>) -> Self {
        Self(pattern.into())
    }

    /// Whether `name` is one of those meant. Time is at most the product of the lengths.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        let (mut pattern, mut rest) = (self.0.chars(), name.chars());
        // Where to go on if what follows the last `*` does not fit: the `*` takes one character more.
        let mut retry: Option<(std::str::Chars<'_>, std::str::Chars<'_>)> = None;
        loop {
            let before = rest.clone();
            match (pattern.next(), rest.next()) {
                (None, None) => return true,
                (Some('*'), _) => {
                    rest = before;
                    retry = Some((pattern.clone(), rest.clone()));
                }
                (Some('?'), Some(_)) => {}
                (Some(wanted), Some(found)) if wanted == found => {}
                _ => {
                    let Some((after, from)) = &mut retry else { return false };
                    if from.next().is_none() {
                        return false;
                    }
                    pattern = after.clone();
                    rest = from.clone();
                }
            }
        }
    }
}

impl From<&str> for Pattern {
    fn from(pattern: &str) -> Self {
        Self::new(pattern)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_and_question_marks() {
        for (pattern, name, expected) in [
            ("orders.*", "orders.eu", true),
            ("orders.*", "orders", false),
            ("orders.*", "ordersXeu", false),
            ("*", "anything", true),
            ("*.eu", "orders.eu.us", false),
            ("*.eu", "orders.us.eu", true),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("t?", "t1", true),
            ("t?", "t", false),
            ("t?", "t12", false),
            ("exact", "exact", true),
            ("exact*", "exact", true),
        ] {
            assert_eq!(Pattern::new(pattern).matches(name), expected, "{pattern} {name}");
        }
    }
}
