//! A record as a line of JSON.

use std::borrow::Cow;

use ottla::Message;
use serde::{Deserialize, Deserializer, Serialize};

use super::data::Data;

/// All that a record has. `produce` reads what `consume` prints; of that, topic and offset are where it came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RecordLine<'a> {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) topic: Option<Cow<'a, str>>,
    #[serde(default)]
    pub(crate) partition: Option<i32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) offset: Option<i64>,
    /// In ms since 1970; −1 for none.
    #[serde(default)]
    pub(crate) timestamp: Option<i64>,
    #[serde(default, deserialize_with = "data", bound(deserialize = ""))]
    pub(crate) key: Option<Data<'a>>,
    /// It has to be said, so that nothing becomes a tombstone by a slip of the pen.
    #[serde(deserialize_with = "data", bound(deserialize = ""))]
    pub(crate) value: Option<Data<'a>>,
    #[serde(default, bound(deserialize = ""))]
    pub(crate) headers: Vec<HeaderLine<'a>>,
}

/// One of its headers. Their order is kept, and a name may come more than once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HeaderLine<'a> {
    #[serde(deserialize_with = "name", bound(deserialize = ""))]
    pub(crate) name: Data<'a>,
    #[serde(deserialize_with = "data", bound(deserialize = ""))]
    pub(crate) value: Option<Data<'a>>,
}

fn name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Data<'static>, D::Error> {
    Data::deserialize(deserializer)
}

fn data<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Data<'static>>, D::Error> {
    Option::<Data<'static>>::deserialize(deserializer)
}

impl<'a> RecordLine<'a> {
    /// The message as it is.
    pub(crate) fn of(message: &'a Message) -> Self {
        Self {
            topic: Some(Cow::Borrowed(message.topic().as_str())),
            partition: Some(message.partition()),
            offset: Some(message.offset().0),
            timestamp: Some(message.timestamp_ms()),
            key: message.key().map(|key| Data::borrowed(key)),
            value: message.value().map(|value| Data::borrowed(value)),
            headers: message
                .headers()
                .refs()
                .map(|header| HeaderLine { name: Data::borrowed(header.key), value: header.value.map(Data::borrowed) })
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Result<RecordLine<'static>, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    fn owned(bytes: Vec<u8>) -> Data<'static> {
        Data(Cow::Owned(bytes))
    }

    fn any_data() -> impl Strategy<Value = Data<'static>> {
        prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..20).prop_map(owned),
            "\\PC{0,10}".prop_map(|text: String| owned(text.into_bytes())),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_record_comes_back(
            partition in proptest::option::of(0_i32..),
            timestamp in proptest::option::of(any::<i64>()),
            key in proptest::option::of(any_data()),
            value in proptest::option::of(any_data()),
            headers in proptest::collection::vec((any_data(), proptest::option::of(any_data())), 0..4),
        ) {
            let headers = headers.into_iter().map(|(name, value)| HeaderLine { name, value }).collect();
            let record = RecordLine { topic: Some("t".into()), partition, offset: None, timestamp, key, value, headers };
            let text = serde_json::to_string(&record).unwrap();
            prop_assert!(!text.contains('\n'));
            prop_assert_eq!(parse(&text).unwrap(), record);
        }
    }

    #[test]
    fn what_is_not_said_is_null_but_a_value() {
        let record = parse(r#"{"value": "v"}"#).unwrap();
        assert_eq!((record.key, record.partition, record.timestamp), (None, None, None));
        assert_eq!(parse(r#"{"key": "k", "value": null}"#).unwrap().value, None);
        for (text, expected) in [
            (r#"{"key": "k"}"#, "missing field `value`"),
            (r#"{"value": 3}"#, "{\"base64\""),
            (r#"{"value": {"a": "b"}}"#, "there is `a`"),
            (r#"{"value": {"base64": "!"}}"#, "no base64"),
            (r#"{"value": {}}"#, "{\"base64\""),
            (r#"{"value": {"base64": "", "x": 1}}"#, "{\"base64\""),
            (r#"{"vlaue": "v"}"#, "unknown field `vlaue`"),
            (r#"{"value": "v", "headers": [{"name": "n"}]}"#, "missing field `value`"),
            ("3", "expected struct"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
