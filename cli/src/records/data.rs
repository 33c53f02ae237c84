//! Keys and values in JSON: any bytes, without loss.

use std::borrow::Cow;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ottla_broker_core::planted::is_planted;
use serde::de::{self, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Bytes. In JSON they are a text where they are UTF-8, and `{"base64": "…"}` where they are not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Data<'a>(pub(crate) Cow<'a, [u8]>);

impl<'a> Data<'a> {
    pub(crate) const fn borrowed(bytes: &'a [u8]) -> Self {
        Self(Cow::Borrowed(bytes))
    }
}

/// In the standard alphabet, padded.
pub(crate) fn to_base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// # Errors
/// What is wrong with it.
pub(crate) fn from_base64(text: &[u8]) -> Result<Vec<u8>, String> {
    STANDARD.decode(text).map_err(|error| format!("it is no base64: {error}"))
}

impl Serialize for Data<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(&self.0) {
            Ok(text) => serializer.serialize_str(text),
            Err(_) if is_planted("json-replaces-bytes") => serializer.serialize_str(&String::from_utf8_lossy(&self.0)),
            Err(_) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("base64", &to_base64(&self.0))?;
                map.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for Data<'static> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Seen)
    }
}

struct Seen;

impl<'de> Visitor<'de> for Seen {
    type Value = Data<'static>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, null, or {\"base64\": \"…\"}")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Data(Cow::Owned(text.as_bytes().to_owned())))
    }

    fn visit_string<E: de::Error>(self, text: String) -> Result<Self::Value, E> {
        Ok(Data(Cow::Owned(text.into_bytes())))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let found = map.next_entry::<String, String>()?;
        let Some((name, text)) = found else {
            return Err(de::Error::invalid_length(0, &self));
        };
        if name != "base64" || map.next_key::<String>()?.is_some() {
            return Err(de::Error::custom(format!("expected {{\"base64\": \"…\"}}, and there is `{name}`")));
        }
        from_base64(text.as_bytes()).map(|bytes| Data(Cow::Owned(bytes))).map_err(de::Error::custom)
    }
}
