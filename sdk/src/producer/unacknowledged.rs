//! What a producer had not delivered when it ended.

use std::fmt;

/// Records of one partition that had no acknowledgement when their producer was closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unacknowledged {
    /// Where they were to go.
    pub topic: String,
    /// `None` if the topic's partitions were not known yet.
    pub partition: Option<i32>,
    /// How many.
    pub records: u64,
}

impl fmt::Display for Unacknowledged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.partition {
            Some(partition) => write!(f, "{} for {}-{partition}", self.records, self.topic),
            None => write!(f, "{} for topic `{}`", self.records, self.topic),
        }
    }
}

/// A message names so many partitions and counts the others: a producer may write to thousands.
const NAMED: usize = 8;

pub(super) fn list(all: &[Unacknowledged]) -> String {
    let mut named: Vec<String> = all.iter().take(NAMED).map(ToString::to_string).collect();
    if let Some(others) = all.len().checked_sub(NAMED).filter(|others| *others > 0) {
        named.push(format!("the rest for {others} more partitions"));
    }
    named.join(", ")
}
