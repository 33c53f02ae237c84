//! The table `[kafka]`, and the parameters of a `kafka` URL, which have the same names.

use std::time::Duration;

use ottla_broker_core::api::ScramMechanism;
use ottla_wire::net::{Address, Login, Mechanism};

use super::super::error::Error;
use super::super::url::{Url, decode};
use super::addresses;
use crate::config::{self, Section, nearest};

/// How brokers of a `kafka` URL are reached. The defaults are those of Kafka's own clients.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KafkaOptions {
    /// Who the client is, if the brokers ask for it. A user and a password in the URL come first.
    pub login: Option<Login>,
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
            login: None,
            connect_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_mins(9),
            max_response_bytes: 256 << 20,
        }
    }
}

const NAMES: [&str; 4] = ["connect_timeout_ms", "request_timeout_ms", "idle_timeout_ms", "max_response_bytes"];

/// It tells the password to nobody, and brokers of every kind have it.
const DEFAULT_MECHANISM: Mechanism = Mechanism::Scram(ScramMechanism::Sha256);

/// The table.
pub(in crate::connect) fn read(mut section: Section) -> Result<KafkaOptions, config::Error> {
    let mut options = KafkaOptions::default();
    let words = Mechanism::ALL.map(|mechanism| (mechanism.name(), mechanism));
    let mechanism = section.choice("sasl", &words)?;
    let (user, password) = (section.string("user")?, section.secret("password")?);
    options.login = match (mechanism, user, password) {
        (mechanism, Some(user), Some(password)) => Some(Login {
            mechanism: mechanism.unwrap_or(DEFAULT_MECHANISM),
            user: user.into(),
            password: password.into(),
        }),
        (None, None, None) => None,
        _ => {
            let reason = "who logs in has a `user` and a `password`";
            return Err(config::Error::bad_value("kafka", "so", reason));
        }
    };
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
        let mut options = self.clone();
        let hosts = match hosts.rsplit_once('@') {
            None => hosts,
            Some((who, hosts)) => {
                let Some((user, password)) = who.split_once(':').filter(|(user, _)| !user.is_empty()) else {
                    return Err(malformed("before the `@` stand a user and a password: `user:password@`".to_owned()));
                };
                let text = |text| {
                    let bytes = decode(text).map_err(malformed)?;
                    String::from_utf8(bytes).map_err(|_| malformed("its user or password is no text".to_owned()))
                };
                let (user, password) = (text(user)?.into(), text(password)?.into());
                let mechanism = self.login.as_ref().map_or(DEFAULT_MECHANISM, |login| login.mechanism);
                options.login = Some(Login { mechanism, user, password });
                hosts
            }
        };
        let addresses = addresses(url, hosts)?;
        for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            if name == "sasl" {
                let found = Mechanism::ALL.into_iter().find(|known| known.name().eq_ignore_ascii_case(value));
                let Some(mechanism) = found else {
                    let all = Mechanism::ALL.map(|mechanism| format!("`{}`", mechanism.name())).join(", ");
                    return Err(malformed(format!("its parameter `sasl` is one of {all}")));
                };
                let Some(login) = &mut options.login else {
                    return Err(malformed("its parameter `sasl` needs `user:password@` before the hosts".to_owned()));
                };
                login.mechanism = mechanism;
                continue;
            }
            if !NAMES.contains(&name) {
                let all = NAMES.map(|name| format!("`{name}`")).join(", ") + " and `sasl`";
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
    fn a_url_says_who_logs_in() {
        let login = of("kafka://m%40e:p%3a@a,b").unwrap().1.login.unwrap();
        assert_eq!((&*login.user, &*login.password, login.mechanism), ("m@e", "p:", DEFAULT_MECHANISM));
        let login = of("kafka://me:x@a?sasl=plain").unwrap().1.login.unwrap();
        assert_eq!(login.mechanism, Mechanism::Plain);
        assert_eq!(of("kafka://a").unwrap().1.login, None);
    }

    #[test]
    fn what_is_wrong_with_a_url_is_named() {
        for (text, expected) in [
            ("kafka://", "it names no broker; write for example `kafka://host:9092,host2:9092`"),
            ("kafka://a,,b", "the host is missing"),
            ("kafka://a:99999", "`a:99999` is no address of a broker"),
            ("kafka://a?request_timout_ms=1", "did you mean `request_timeout_ms`?"),
            ("kafka://a?sasl=plain", "needs `user:password@`"),
            ("kafka://me:x@a?sasl=kerberos", "one of `PLAIN`, `SCRAM-SHA-256`, `SCRAM-SHA-512`"),
            ("kafka://me@a", "a user and a password"),
            ("kafka://a?request_timeout_ms=0", "`request_timeout_ms` cannot be so: it is a number from 1 up"),
            ("kafka://a?request_timeout_ms=soon", "`request_timeout_ms` cannot be so"),
        ] {
            let error = of(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
