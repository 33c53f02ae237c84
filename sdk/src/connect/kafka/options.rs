//! The table `[kafka]`, and the parameters of a `kafka` URL, which have the same names.

use std::time::Duration;

use ottla_wire::net::Address;

use super::super::error::Error;
use super::super::url::{Url, decode};
use super::addresses;
use crate::config::{self, Section, nearest};

/// How brokers of a `kafka` URL are reached. The defaults are those of Kafka's own clients.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KafkaOptions {
    /// How long connecting to a broker may take.
    pub connect_timeout: Duration,
    /// How long a broker may take to answer; what is waited for at the broker comes on top.
    pub request_timeout: Duration,
    /// A connection without requests is closed after so long: below the ten minutes after which brokers do it.
    pub idle_timeout: Duration,
    /// The largest answer of a broker that is taken, in bytes.
    pub max_response_bytes: usize,
}

impl Default for KafkaOptions {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_mins(9),
            max_response_bytes: 256 << 20,
        }
    }
}

const NAMES: [&str; 4] = ["connect_timeout_ms", "request_timeout_ms", "idle_timeout_ms", "max_response_bytes"];

/// The table.
pub(in crate::connect) fn read(mut section: Section) -> Result<KafkaOptions, config::Error> {
    let mut options = KafkaOptions::default();
    for name in NAMES {
        let Some(number) = section.count(name)? else { continue };
        options
            .set(name, number)
            .map_err(|reason| config::Error::bad_value(format!("kafka.{name}"), number.to_string(), reason))?;
    }
    section.finish()?;
    Ok(options)
}

impl KafkaOptions {
    fn set(&mut self, name: &str, number: usize) -> Result<(), &'static str> {
        if number == 0 {
            return Err("it is a number from 1 up");
        }
        let duration = Duration::from_millis(number as u64);
        match name {
            "connect_timeout_ms" => self.connect_timeout = duration,
            "request_timeout_ms" => self.request_timeout = duration,
            "idle_timeout_ms" => self.idle_timeout = duration,
            _ => self.max_response_bytes = number,
        }
        Ok(())
    }

    /// What a URL says: its addresses, and these options with its parameters in their place.
    pub(super) fn of_url(&self, url: &Url) -> Result<(Vec<Address>, Self), Error> {
        let malformed = |reason: String| Error::Malformed { url: url.shown.clone(), reason };
        let (hosts, query) = url.rest.split_once('?').unwrap_or((&url.rest, ""));
        let addresses = addresses(url, hosts)?;
        let mut options = self.clone();
        for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            if !NAMES.contains(&name) {
                let all = NAMES.map(|name| format!("`{name}`")).join(", ");
                let hint = nearest(name, NAMES).map_or_else(String::new, |near| format!("did you mean `{near}`? "));
                return Err(malformed(format!("it has the unknown parameter `{name}`: {hint}there are {all}")));
            }
            let value = decode(value).map_err(malformed)?;
            let number = std::str::from_utf8(&value).ok().and_then(|value| value.parse().ok());
            let reason = |reason| malformed(format!("its parameter `{name}` cannot be so: {reason}"));
            let number = number.ok_or_else(|| reason("it is a number from 1 up"))?;
            options.set(name, number).map_err(reason)?;
        }
        Ok((addresses, options))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<(Vec<Address>, KafkaOptions), Error> {
        KafkaOptions::default().of_url(&Url::parse(text)?)
    }

    #[test]
    fn a_url_names_brokers_and_parameters() {
        let (addresses, options) =
            of("kafka://a,b:9093,[::1]:1/?request_timeout_ms=5000&connect_timeout_ms=70").unwrap();
        let shown: Vec<_> = addresses.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["a:9092", "b:9093", "[::1]:1"]);
        assert_eq!(options.request_timeout, Duration::from_secs(5));
        assert_eq!(options.connect_timeout, Duration::from_millis(70));
        assert_eq!(options.idle_timeout, KafkaOptions::default().idle_timeout);
    }

    #[test]
    fn what_is_wrong_with_a_url_is_named() {
        for (text, expected) in [
            ("kafka://", "it names no broker; write for example `kafka://host:9092,host2:9092`"),
            ("kafka://a,,b", "the host is missing"),
            ("kafka://a:99999", "`a:99999` is no address of a broker"),
            ("kafka://a?request_timout_ms=1", "did you mean `request_timeout_ms`?"),
            ("kafka://a?request_timeout_ms=0", "`request_timeout_ms` cannot be so: it is a number from 1 up"),
            ("kafka://a?request_timeout_ms=soon", "`request_timeout_ms` cannot be so"),
        ] {
            let error = of(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
