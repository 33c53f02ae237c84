//! What is served, and how: the command line, the environment and the file together.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ottla_server::{Limits, Mechanism};

use super::args::Args;
use super::file::File;
use crate::connect::{Context, names_brokers, read};
use crate::error::Error;
use crate::setting::Setting;

/// Where Kafka's clients look first.
const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9092);
const SHUTDOWN: Duration = Duration::from_secs(10);
const MECHANISMS: [Mechanism; 3] = [Mechanism::ScramSha256, Mechanism::ScramSha512, Mechanism::Plain];

/// All that was decided before anything is opened. Without `Debug`: passwords and keys are in no log.
pub(super) struct Options {
    pub(super) url: String,
    pub(super) listen: SocketAddr,
    /// Host, and port if it is another.
    pub(super) advertise: Option<(String, Option<u16>)>,
    pub(super) metrics: Option<SocketAddr>,
    pub(super) tls: Option<Pem>,
    pub(super) mechanisms: Vec<Mechanism>,
    pub(super) first_user: Option<(String, String)>,
    pub(super) limits: Limits,
    pub(super) shutdown: Duration,
}

/// The texts of certificates and keys.
#[cfg_attr(not(feature = "tls"), expect(dead_code, reason = "without TLS nobody uses them"))]
pub(super) struct Pem {
    pub(super) chain: String,
    pub(super) key: String,
    pub(super) clients: Option<String>,
}

impl Options {
    /// What the command line says, else the environment, else the file. What is the broker's or the disk's is set in
    /// `context`.
    ///
    /// # Errors
    /// [`Error::Usage`] and [`Error::File`].
    pub(super) fn new(args: Args, context: &mut Context) -> Result<Self, Error> {
        let file = match context.server() {
            None => File::default(),
            Some(table) => table.clone().try_into().map_err(|error: toml::de::Error| {
                Error::Usage(format!("in the table `[server]`: {}", error.to_string().trim_end()))
            })?,
        };
        let Args { place, listen, advertise, metrics, durability, node_id, auto_create_topics, access, limits: flags } =
            args;
        let url = match place {
            Some(url) => url,
            None => context.url()?.to_owned(),
        };
        if names_brokers(&url) {
            let message = "`kafka://` names brokers, which serve already: name the log, as in `ottla serve file:///var/lib/app/log`";
            return Err(Error::Usage(message.to_owned()));
        }
        if let Some(durability) = durability {
            context.set(Setting::new(&["disk", "durability"], durability.name()))?;
        }
        if let Some(id) = node_id.or(file.node_id) {
            context.set(Setting::new(&["broker", "broker.id"], i64::from(id)))?;
        }
        if let Some(create) = auto_create_topics.or(file.auto_create_topics) {
            context.set(Setting::new(&["broker", "auto.create.topics.enable"], create))?;
        }
        let mut limits = file.limits.limits();
        for (to, flag, file) in [
            (&mut limits.connections, flags.max_connections, file.max_connections),
            (&mut limits.frame_bytes, flags.max_request_bytes, file.max_request_bytes),
            (&mut limits.request_bytes, flags.max_buffered_bytes, file.max_buffered_bytes),
        ] {
            *to = flag.or(file).unwrap_or(*to);
        }
        let mechanisms = mechanisms(&access.sasl.or(file.sasl).unwrap_or_default())?;
        let first_user = first_user(
            access.first_user.or(file.first_user),
            access.first_password_file.or(file.first_password_file),
            !mechanisms.is_empty(),
        )?;
        Ok(Self {
            url,
            listen: listen.or(file.listen).unwrap_or(LISTEN),
            advertise: advertise.or(file.advertise).map(|text| advertised(&text)).transpose()?,
            metrics: metrics.or(file.metrics),
            tls: pem(
                access.tls_cert.or(file.tls_cert),
                access.tls_key.or(file.tls_key),
                access.tls_client_ca.or(file.tls_client_ca),
            )?,
            mechanisms,
            first_user,
            limits,
            shutdown: flags.shutdown_ms.or(file.shutdown_ms).map_or(SHUTDOWN, Duration::from_millis),
        })
    }
}

fn mechanisms(names: &[String]) -> Result<Vec<Mechanism>, Error> {
    let one = |name: &String| {
        let found = MECHANISMS.into_iter().find(|known| known.name().eq_ignore_ascii_case(name.trim()));
        found.ok_or_else(|| {
            let all = MECHANISMS.map(|known| known.name()).join(", ");
            Error::Usage(format!("`{name}` is no way to log in (`--sasl`): there are {all}"))
        })
    };
    names.iter().map(one).collect()
}

/// A host, with a port or without.
fn advertised(text: &str) -> Result<(String, Option<u16>), Error> {
    let wrong = || {
        Error::Usage(format!(
            "`{text}` is no address for clients (`--advertise`): write `log.example.org`, perhaps with `:9092`"
        ))
    };
    let is_address = |host: &str| host.parse::<std::net::Ipv6Addr>().is_ok();
    // An address of IPv6 stands in brackets if there is a port.
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, rest)) if is_address(host) => (host, rest),
        Some(_) => return Err(wrong()),
        None if is_address(text) => (text, ""),
        None => text.find(':').and_then(|colon| text.split_at_checked(colon)).unwrap_or((text, "")),
    };
    let port = match port.strip_prefix(':') {
        Some(port) => Some(port.parse().ok().filter(|port| *port != 0).ok_or_else(wrong)?),
        None if port.is_empty() => None,
        None => return Err(wrong()),
    };
    if host.is_empty() || host.contains(|c: char| c.is_whitespace() || "/[]@,".contains(c)) {
        return Err(wrong());
    }
    Ok((host.to_owned(), port))
}

fn pem(cert: Option<PathBuf>, key: Option<PathBuf>, clients: Option<PathBuf>) -> Result<Option<Pem>, Error> {
    match (cert, key, clients) {
        (None, None, None) => Ok(None),
        (Some(cert), Some(key), clients) => {
            Ok(Some(Pem { chain: read(cert)?, key: read(key)?, clients: clients.map(read).transpose()? }))
        }
        _ => Err(Error::Usage("TLS needs a certificate (`--tls-cert`) and its key (`--tls-key`)".to_owned())),
    }
}

fn first_user(name: Option<String>, file: Option<PathBuf>, sasl: bool) -> Result<Option<(String, String)>, Error> {
    let usage = |message: &str| Err(Error::Usage(message.to_owned()));
    let Some(name) = name else {
        return match file {
            None => Ok(None),
            Some(_) => usage("there is a password for a first user, and no `--first-user`"),
        };
    };
    if !sasl {
        return usage("a first user is for log-ins, and nobody is asked to log in: say `--sasl` too");
    }
    let password = match file {
        Some(file) => read(file)?.trim_end_matches(['\r', '\n']).to_owned(),
        None => match std::env::var("OTTLA_FIRST_PASSWORD") {
            Ok(password) => password,
            Err(_) => {
                return usage(
                    "the first user has no password: name a file with `--first-password-file`, or set OTTLA_FIRST_PASSWORD",
                );
            }
        },
    };
    if password.is_empty() {
        return usage("the first user's password is empty");
    }
    Ok(Some((name, password)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_for_clients_are_taken_apart() {
        for (text, expected) in [
            ("log.example.org", ("log.example.org", None)),
            ("log:9093", ("log", Some(9093))),
            ("::1", ("::1", None)),
            ("[::1]:9", ("::1", Some(9))),
            ("[fe80::2]", ("fe80::2", None)),
        ] {
            let found = advertised(text);
            assert!(matches!(&found, Ok((host, port)) if (host.as_str(), *port) == expected), "{text}: {found:?}");
        }
        for text in [
            "",
            ":9092",
            "log:",
            "log:0",
            "log:70000",
            "a b",
            "http://log:9092",
            "me@log",
            "a,b",
            "x:y:9",
            "[log]:9",
            "[::1]9",
        ] {
            assert!(advertised(text).is_err(), "{text}");
        }
    }
}
