//! Where a broker listens.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// A host, by name or number, and a port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// The host. A number of IPv6 stands without brackets.
    pub host: Arc<str>,
    /// The port.
    pub port: u16,
}

/// A text that is no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no address of a broker: {reason}; write `host`, `host:9092` or `[::1]:9092`")]
pub struct InvalidAddress {
    /// The text, cut to 64 characters.
    pub text: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl Address {
    /// Kafka's port, for an address that names none.
    pub const DEFAULT_PORT: u16 = 9092;

    /// Puts an address together.
    #[must_use]
    pub fn new(host: impl Into<Arc<str>>, port: u16) -> Self {
        Self { host: host.into(), port }
    }
}

impl FromStr for Address {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        let refused = |reason| InvalidAddress { text: text.chars().take(64).collect(), reason };
        let (host, port) = match text.strip_prefix('[').map(|rest| rest.split_once(']')) {
            Some(None) => return Err(refused("the `[` is not closed")),
            Some(Some((host, ""))) => (host, None),
            Some(Some((host, rest))) => match rest.strip_prefix(':') {
                Some(port) => (host, Some(port)),
                None => return Err(refused("after `]` comes `:` and the port")),
            },
            None => match text.split_once(':') {
                Some((_, rest)) if rest.contains(':') => {
                    return Err(refused("a number of IPv6 stands in brackets"));
                }
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            },
        };
        if host.is_empty() {
            return Err(refused("the host is missing"));
        }
        if host.bytes().any(|byte| byte.is_ascii_whitespace() || byte.is_ascii_control() || b"/@?#,".contains(&byte)) {
            return Err(refused("the host has a character that no host has"));
        }
        let port = match port {
            None => Self::DEFAULT_PORT,
            Some(port) => match port.parse() {
                Ok(port) if port > 0 => port,
                _ => return Err(refused("the port is a number from 1 to 65535")),
            },
        };
        Ok(Self::new(host, port))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_apart_and_shown() {
        for (text, host, port, shown) in [
            ("broker-1.example.org:9093", "broker-1.example.org", 9093, "broker-1.example.org:9093"),
            ("broker", "broker", 9092, "broker:9092"),
            ("127.0.0.1:1", "127.0.0.1", 1, "127.0.0.1:1"),
            ("[::1]:9092", "::1", 9092, "[::1]:9092"),
            ("[fe80::1]", "fe80::1", 9092, "[fe80::1]:9092"),
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!((&*address.host, address.port), (host, port));
            assert_eq!(address.to_string(), shown);
        }
        for text in ["", ":9092", "h:", "h:0", "h:65536", "h:x", "::1", "[::1", "[::1]9092", "a b", "u@h:1", "h/x"] {
            let error = text.parse::<Address>().unwrap_err().to_string();
            assert!(error.contains("write `host`"), "{error}");
        }
    }
}
