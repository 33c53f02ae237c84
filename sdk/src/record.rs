//! A record to be sent.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use ottla_broker_core::TopicName;

/// The name of a topic as a caller has it at hand. Making one from a `&'static str`, an `Arc<str>` or a
/// [`TopicName`] copies no text; it is checked when the record is enqueued.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Topic(Text);

#[derive(Clone)]
enum Text {
    Static(&'static str),
    Shared(Arc<str>),
    Name(TopicName),
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Text {}

impl std::hash::Hash for Text {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl Text {
    fn as_str(&self) -> &str {
        match self {
            Self::Static(text) => text,
            Self::Shared(text) => text,
            Self::Name(name) => name.as_str(),
        }
    }
}

impl Topic {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Debug for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<&'static str> for Topic {
    fn from(name: &'static str) -> Self {
        Self(Text::Static(name))
    }
}

impl From<String> for Topic {
    fn from(name: String) -> Self {
        Self(Text::Shared(Arc::from(name)))
    }
}

impl From<Arc<str>> for Topic {
    fn from(name: Arc<str>) -> Self {
        Self(Text::Shared(name))
    }
}

impl From<&Arc<str>> for Topic {
    fn from(name: &Arc<str>) -> Self {
        Self(Text::Shared(Arc::clone(name)))
    }
}

impl From<TopicName> for Topic {
    fn from(name: TopicName) -> Self {
        Self(Text::Name(name))
    }
}

impl From<&TopicName> for Topic {
    fn from(name: &TopicName) -> Self {
        Self(Text::Name(name.clone()))
    }
}

/// One header of a [`Record`]: a name, and a value that may be null.
pub type RecordHeader = (Cow<'static, str>, Option<Bytes>);

/// A record to be sent: where to, and what.
///
/// ```
/// use ottla::Record;
///
/// let record = Record::to("user_email_updated").key("user-7").value("new@example.com").header("trace", "4f1c");
/// assert_eq!(record.topic().as_str(), "user_email_updated");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a record does nothing until a producer sends it"]
pub struct Record {
    pub(crate) topic: Topic,
    pub(crate) partition: Option<i32>,
    pub(crate) timestamp_ms: Option<i64>,
    pub(crate) key: Option<Bytes>,
    pub(crate) value: Option<Bytes>,
    pub(crate) headers: Vec<RecordHeader>,
}

impl Record {
    /// A record for `topic`, with neither key nor value.
    pub fn to(topic: impl Into<Topic>) -> Self {
        Self { topic: topic.into(), partition: None, timestamp_ms: None, key: None, value: None, headers: Vec::new() }
    }

    /// A record that says that `key` is gone: its value is null, and compaction removes the key.
    pub fn tombstone(topic: impl Into<Topic>, key: impl Into<Bytes>) -> Self {
        Self::to(topic).key(key)
    }

    /// Sets the key: records of one key go to one partition, in order.
    pub fn key(mut self, key: impl Into<Bytes>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// Sets the value. Without this it is null, which is not the same as empty.
    pub fn value(mut self, value: impl Into<Bytes>) -> Self {
        self.value = Some(value.into());
        self
    }

    /// Adds a header. Order is kept, and a name may come more than once.
    pub fn header(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<Bytes>) -> Self {
        self.headers.push((name.into(), Some(value.into())));
        self
    }

    /// Adds a header whose value is null.
    pub fn null_header(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.headers.push((name.into(), None));
        self
    }

    /// Chooses the partition, whatever the partitioner says. One that the topic does not have is an
    /// error when the record is enqueued.
    pub fn partition(mut self, partition: i32) -> Self {
        self.partition = Some(partition);
        self
    }

    /// Sets the time of the event, in ms since 1970. Without this it is the time of enqueueing.
    pub fn timestamp_ms(mut self, timestamp_ms: i64) -> Self {
        self.timestamp_ms = Some(timestamp_ms);
        self
    }

    /// Where to.
    #[must_use]
    pub const fn topic(&self) -> &Topic {
        &self.topic
    }

    /// The partition, if one was chosen.
    #[must_use]
    pub const fn chosen_partition(&self) -> Option<i32> {
        self.partition
    }

    /// The key, if any.
    #[must_use]
    pub const fn key_bytes(&self) -> Option<&Bytes> {
        self.key.as_ref()
    }

    /// The value, unless null.
    #[must_use]
    pub const fn value_bytes(&self) -> Option<&Bytes> {
        self.value.as_ref()
    }

    /// The headers, in order.
    #[must_use]
    pub fn headers(&self) -> &[RecordHeader] {
        &self.headers
    }

    /// What the record takes of a producer's
    /// [`max_unacked_bytes`](crate::producer::ProducerBuilder::max_unacked_bytes): its key, value and
    /// headers, uncompressed, and a fixed overhead for each.
    #[must_use]
    pub fn reserved_bytes(&self) -> usize {
        // The overhead is a bound on the record's own framing in a batch: 5 lengths and a timestamp.
        const OVERHEAD: usize = 40;
        const HEADER_OVERHEAD: usize = 10;
        let mut bytes = OVERHEAD;
        bytes += self.key.as_ref().map_or(0, Bytes::len);
        bytes += self.value.as_ref().map_or(0, Bytes::len);
        for (name, value) in &self.headers {
            bytes += HEADER_OVERHEAD + name.len() + value.as_ref().map_or(0, Bytes::len);
        }
        bytes
    }
}
