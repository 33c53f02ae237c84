//! The table `[kafka]`, and the parameters of a `kafka` URL, which have the same names.

use std::time::Duration;

use ottla_broker_core::api::ScramMechanism;
use ottla_wire::net::{Address, Login, Mechanism};

use super::super::error::Error;
use super::super::url::{Url, decode};
use super::{addresses, tls};
use crate::config::{self, Section, nearest};

/// How brokers of a `kafka` URL are reached. The defaults are those of Kafka's own clients.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KafkaOptions {
    /// Who the client is, if the brokers ask for it. A user and a password in the URL come first.
    pub login: Option<Login>,
    /// How connections are encrypted; `None` is not at all.
    #[cfg(feature = "kafka-tls")]
    pub tls: Option<tls::TlsOptions>,
    /// How long connecting to a broker may take.
    pub connect_timeout: Duration,
    /// How long a broker may take to answer; what is waited for at the broker comes on top. Produce requests have the
    /// producer's own `request_timeout` in its place.
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
            #[cfg(feature = "kafka-tls")]
            tls: None,
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
    let mut asked = tls::Asked::default();
    if let Some(on) = section.flag("tls")? {
        asked.switch(on);
    }
    for name in tls::NAMES {
        if let Some(value) = section.string(name)? {
            asked.take(name, value);
        }
    }
    options.secure(asked).map_err(|reason| config::Error::bad_value("kafka.tls", "so", reason))?;
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

    /// Puts what was asked about TLS in the place of what was set before.
    fn secure(&mut self, asked: tls::Asked) -> Result<(), String> {
        #[cfg(feature = "kafka-tls")]
        {
            self.tls = asked.apply(self.tls.take())?;
            Ok(())
        }
        #[cfg(not(feature = "kafka-tls"))]
        asked.check().map_err(str::to_owned)
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
        let names = || NAMES.into_iter().chain(["sasl", "tls"]).chain(tls::NAMES);
        let parameters = || query.split('&').filter(|parameter| !parameter.is_empty());
        let addresses = addresses(url, hosts);
        // Then it may be a password that was cut in two, of which no error tells.
        let known = parameters().all(|one| names().any(|name| one.split('=').next() == Some(name)));
        if query.contains('@') && (addresses.is_err() || !known) {
            return Err(malformed("in a user and a password, `?` is written `%3F`, and `@` is `%40`".to_owned()));
        }
        let addresses = addresses?;
        let mut asked = tls::Asked::default();
        for parameter in parameters() {
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
            let value = decode(value).map_err(malformed)?;
            let value =
                String::from_utf8(value).map_err(|_| malformed(format!("its parameter `{name}` is no text")))?;
            if name == "tls" {
                asked.switch(match &*value {
                    "true" => true,
                    "false" => false,
                    _ => return Err(malformed("its parameter `tls` is `true` or `false`".to_owned())),
                });
                continue;
            }
            if tls::NAMES.contains(&name) {
                asked.take(name, value);
                continue;
            }
            if !NAMES.contains(&name) {
                let all = names().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
                let hint = nearest(name, names()).map_or_else(String::new, |near| format!("did you mean `{near}`? "));
                return Err(malformed(format!("it has the unknown parameter `{name}`: {hint}there are {all}")));
            }
            let number = value.parse().ok();
            let reason = |reason| malformed(format!("its parameter `{name}` cannot be so: {reason}"));
            let number = number.ok_or_else(|| reason("it is a number from 1 up"))?;
            options.set(name, number).map_err(reason)?;
        }
        options.secure(asked).map_err(|reason| malformed(format!("its parameters cannot be so: {reason}")))?;
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
    fn a_password_that_was_cut_in_two_is_not_told() {
        for text in
            ["kafka://me:secret?x@h", "kafka://me:9?secret@h", "kafka://me:secret?tls_ca=x@h", "kafka://a?secret=@"]
        {
            let error = of(text).unwrap_err().to_string();
            assert!(error.contains("`?` is written `%3F`") && !error.contains("secret"), "{text}: {error}");
        }
        // It may be in a path.
        #[cfg(feature = "kafka-tls")]
        assert!(of("kafka://a?tls_ca=/x@y").is_ok());
        assert_eq!(of("kafka://me:se/cret@h").unwrap().1.login.unwrap().password.as_ref(), "se/cret");
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
            ("kafka://a?tls=yes", "`tls` is `true` or `false`"),
            ("kafka://a?tls_kay=x", "did you mean `tls_key`?"),
            #[cfg(not(feature = "kafka-tls"))]
            ("kafka://a?tls_ca=x", "needs the feature `kafka-tls`"),
            #[cfg(feature = "kafka-tls")]
            ("kafka://a?tls=false&tls_ca=x", "`tls` is `false`, and `tls_ca` is for connections with TLS"),
            #[cfg(feature = "kafka-tls")]
            ("kafka://a?tls_key=x", "a `tls_certificate` and a `tls_key`"),
        ] {
            let error = of(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[cfg(feature = "kafka-tls")]
    #[test]
    fn a_url_and_a_table_say_how_connections_are_encrypted() {
        let file = |path: &str| tls::Pem::File(path.into());
        let tls = of("kafka://a?tls=true").unwrap().1.tls.unwrap();
        assert_eq!(tls, tls::TlsOptions::default());
        assert_eq!(of("kafka://a?tls=false").unwrap().1.tls, None);
        // What is named for TLS is never passed over.
        let tls = of("kafka://a?tls_ca=/a%20b").unwrap().1.tls.unwrap();
        assert_eq!(tls.ca, Some(file("/a b")));
        let table = "[kafka]\ntls_ca = \"ca\"\ntls_certificate = \"c\"\ntls_key = \"k\"\ntls_server_name = \"n\"\n";
        let table = read(Section::parse(table).unwrap().section("kafka").unwrap()).unwrap();
        let set = table.tls.clone().unwrap();
        assert_eq!((set.ca.clone(), set.server_name.as_deref()), (Some(file("ca")), Some("n")));
        let own = set.certificate.clone().unwrap();
        assert_eq!((own.chain, own.key), (file("c"), file("k")));
        // The URL comes first, piece by piece.
        let both = |text| table.of_url(&Url::parse(text).unwrap()).unwrap().1.tls;
        assert_eq!(both("kafka://a"), Some(set.clone()));
        assert_eq!(both("kafka://a?tls=false"), None);
        let both = both("kafka://a?tls_key=k2").unwrap();
        assert_eq!((both.ca, both.certificate.unwrap().key), (set.ca, file("k2")));
        let shown = format!("{:?}", tls::Pem::Text("secret".into()));
        assert!(!shown.contains("secret"), "{shown}");
        for (table, expected) in [
            ("tls = \"yes\"", "`true` or `false`"),
            ("tls = false\ntls_ca = \"ca\"", "`tls` is `false`"),
            ("tls_certificate = \"c\"", "a `tls_certificate` and a `tls_key`"),
        ] {
            let section = Section::parse(&format!("[kafka]\n{table}")).unwrap().section("kafka").unwrap();
            let error = read(section).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
