//! The table `[object-store]`.

use std::fmt;
use std::time::Duration;

use ottla_backends::bucket::BucketOptions;
use ottla_broker_core::planted::is_planted;

use crate::config::{self, Section};

/// How the log in a bucket is reached and kept.
///
/// What is not said here about the store itself comes from the environment, by the names that its other tools use:
/// `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_REGION`, `AWS_ENDPOINT_URL` and so on for `s3://`,
/// `GOOGLE_APPLICATION_CREDENTIALS` for `gs://`, `AZURE_STORAGE_ACCOUNT_NAME`, `AZURE_STORAGE_ACCOUNT_KEY` for
/// `az://`; or from the machine that this runs on, where the store knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectStoreOptions {
    /// Where the store is, if not at its maker's: `https://…`, or `http://…` for one without TLS.
    pub endpoint: Option<String>,
    /// The region of an `s3://` bucket.
    pub region: Option<String>,
    /// The key's name for `s3://`; the account for `az://`.
    pub access_key_id: Option<String>,
    /// The key for it.
    pub secret_access_key: Option<Secret>,
    /// Where an `s3://` bucket stands in the address of a request; by default in the path.
    pub addressing: Option<Addressing>,
    /// How the log is kept. Its owner is this host and process by default.
    pub log: BucketOptions,
}

/// Where the bucket stands in the address of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Addressing {
    /// `https://endpoint/bucket/key`.
    Path,
    /// `https://bucket.endpoint/key`.
    VirtualHosted,
}

/// A text that is not shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Hides it.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if is_planted("secret-shown") { &self.0 } else { "***" })
    }
}

impl Default for ObjectStoreOptions {
    fn default() -> Self {
        let log = BucketOptions { owner: owner(), ..BucketOptions::default() };
        Self { endpoint: None, region: None, access_key_id: None, secret_access_key: None, addressing: None, log }
    }
}

/// This host and process, as others are told about it.
fn owner() -> String {
    let process = std::process::id();
    #[cfg(unix)]
    let host = rustix::system::uname().nodename().to_str().unwrap_or_default().to_owned();
    #[cfg(not(unix))]
    let host = std::env::var("COMPUTERNAME").unwrap_or_default();
    if host.is_empty() { format!("process {process}") } else { format!("process {process} on {host}") }
}

impl ObjectStoreOptions {
    /// The first difference from what is wanted, in words. No secret is told.
    pub(super) fn difference(&self, wanted: &Self) -> Option<String> {
        let pairs = self.values().into_iter().zip(wanted.values());
        let different = pairs.into_iter().find(|(there, here)| there != here);
        if let Some(((name, there), (_, here))) = different {
            return Some(format!("`object-store.{name}` is `{there}` there and `{here}` here"));
        }
        (self.secret_access_key != wanted.secret_access_key)
            .then(|| "`object-store.secret_access_key` is another one there".to_owned())
    }

    fn values(&self) -> Vec<(&'static str, String)> {
        let Self { endpoint, region, access_key_id, secret_access_key: _, addressing, log } = self;
        let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "not set".to_owned());
        let millis = |duration: Duration| duration.as_millis().to_string();
        let addressing = match addressing {
            None => "not set",
            Some(Addressing::Path) => "path",
            Some(Addressing::VirtualHosted) => "virtual_hosted",
        };
        vec![
            ("endpoint", text(endpoint)),
            ("region", text(region)),
            ("access_key_id", text(access_key_id)),
            ("addressing", addressing.to_owned()),
            ("owner", log.owner.clone()),
            ("take_over", log.take_over.to_string()),
            ("renew_every_ms", millis(log.renew_every)),
            ("stale_after_ms", millis(log.stale_after)),
            ("puts_per_second", log.puts_per_second.to_string()),
            ("group_bytes", log.group_bytes.to_string()),
            ("in_flight", log.in_flight.to_string()),
            ("pending_bytes", log.pending_bytes.to_string()),
            ("tail_bytes", log.tail_bytes.to_string()),
            ("journal_bytes", log.journal_bytes.to_string()),
            ("journal_objects", log.journal_objects.to_string()),
            ("request_timeout_ms", millis(log.request_timeout)),
            ("give_up_after_ms", millis(log.give_up_after)),
        ]
    }
}

/// The table.
pub(in crate::connect) fn read(mut section: Section) -> Result<ObjectStoreOptions, config::Error> {
    let mut options = ObjectStoreOptions {
        endpoint: section.string("endpoint")?,
        region: section.string("region")?,
        access_key_id: section.string("access_key_id")?,
        secret_access_key: section.secret("secret_access_key")?.map(Secret),
        addressing: section
            .choice("addressing", &[("path", Addressing::Path), ("virtual_hosted", Addressing::VirtualHosted)])?,
        ..ObjectStoreOptions::default()
    };
    let log = &mut options.log;
    if let Some(owner) = section.string("owner")? {
        log.owner = owner;
    }
    log.take_over = section.flag("take_over")?.unwrap_or(log.take_over);
    log.renew_every = section.millis("renew_every_ms")?.unwrap_or(log.renew_every);
    log.stale_after = section.millis("stale_after_ms")?.unwrap_or(log.stale_after);
    if let Some(puts) = section.count("puts_per_second")? {
        log.puts_per_second = u32::try_from(puts).unwrap_or(u32::MAX);
    }
    log.group_bytes = section.count("group_bytes")?.unwrap_or(log.group_bytes);
    log.in_flight = section.count("in_flight")?.unwrap_or(log.in_flight);
    log.pending_bytes = section.count("pending_bytes")?.unwrap_or(log.pending_bytes);
    log.tail_bytes = section.count("tail_bytes")?.unwrap_or(log.tail_bytes);
    log.journal_bytes = section.count("journal_bytes")?.map_or(log.journal_bytes, |bytes| bytes as u64);
    log.journal_objects = section.count("journal_objects")?.unwrap_or(log.journal_objects);
    log.request_timeout = section.millis("request_timeout_ms")?.unwrap_or(log.request_timeout);
    log.give_up_after = section.millis("give_up_after_ms")?.unwrap_or(log.give_up_after);
    section.finish()?;
    check(&options)?;
    Ok(options)
}

/// Refuses what cannot be.
pub(in crate::connect) fn check(options: &ObjectStoreOptions) -> Result<(), config::Error> {
    let bad = |name: &str, value: String, reason: String| {
        Err(config::Error::bad_value(format!("object-store.{name}"), value, reason))
    };
    if let Some(endpoint) = &options.endpoint
        && !["http://", "https://"].iter().any(|scheme| endpoint.len() > scheme.len() && endpoint.starts_with(scheme))
    {
        return bad("endpoint", format!("\"{endpoint}\""), "it begins with `https://` or `http://`".to_owned());
    }
    match (&options.access_key_id, &options.secret_access_key) {
        (Some(_), None) => {
            return bad("access_key_id", "set".to_owned(), "`secret_access_key` is not set with it".to_owned());
        }
        (None, Some(_)) => {
            return bad("secret_access_key", "set".to_owned(), "`access_key_id` is not set with it".to_owned());
        }
        _ => {}
    }
    let log = &options.log;
    if log.owner.trim().is_empty() {
        return bad("owner", "empty".to_owned(), "others are told who has the prefix".to_owned());
    }
    for (name, value) in [
        ("puts_per_second", u64::from(log.puts_per_second)),
        ("group_bytes", log.group_bytes as u64),
        ("in_flight", log.in_flight as u64),
        ("pending_bytes", log.pending_bytes as u64),
        ("journal_bytes", log.journal_bytes),
        ("journal_objects", log.journal_objects as u64),
        ("renew_every_ms", log.renew_every.as_millis() as u64),
        ("request_timeout_ms", log.request_timeout.as_millis() as u64),
    ] {
        if value == 0 {
            return bad(name, "0".to_owned(), "it is at least 1".to_owned());
        }
    }
    let millis = |duration: Duration| duration.as_millis().to_string();
    // One renewal may be late or lost.
    if log.stale_after < log.renew_every * 2 {
        let reason = format!("it is at least twice `renew_every_ms`, which is {}", millis(log.renew_every));
        return bad("stale_after_ms", millis(log.stale_after), reason);
    }
    if log.give_up_after < log.request_timeout {
        let reason = format!("it is at least `request_timeout_ms`, which is {}", millis(log.request_timeout));
        return bad("give_up_after_ms", millis(log.give_up_after), reason);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(text: &str) -> Result<ObjectStoreOptions, String> {
        Section::parse(&format!("[object-store]\n{text}"))
            .and_then(|mut top| read(top.section("object-store")?))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn the_table_is_read() {
        assert_eq!(options("").unwrap(), ObjectStoreOptions::default());
        assert!(options("").unwrap().log.owner.contains(&std::process::id().to_string()));
        let read = options(
            "endpoint = 'http://127.0.0.1:9000'\nregion = 'eu'\naccess_key_id = 'me'\nsecret_access_key = 'hush'\n\
             addressing = 'virtual_hosted'\nowner = 'orders'\ntake_over = true\nrenew_every_ms = 1000\n\
             stale_after_ms = 2000\nputs_per_second = 3\ngroup_bytes = 4\nin_flight = 5\npending_bytes = 6\n\
             tail_bytes = 0\njournal_bytes = 8\njournal_objects = 9\nrequest_timeout_ms = 10\ngive_up_after_ms = 11",
        );
        let mut log = BucketOptions { owner: "orders".to_owned(), take_over: true, ..BucketOptions::default() };
        (log.renew_every, log.stale_after) = (Duration::from_secs(1), Duration::from_secs(2));
        (log.puts_per_second, log.group_bytes, log.in_flight) = (3, 4, 5);
        (log.pending_bytes, log.tail_bytes, log.journal_bytes, log.journal_objects) = (6, 0, 8, 9);
        (log.request_timeout, log.give_up_after) = (Duration::from_millis(10), Duration::from_millis(11));
        let expected = ObjectStoreOptions {
            endpoint: Some("http://127.0.0.1:9000".to_owned()),
            region: Some("eu".to_owned()),
            access_key_id: Some("me".to_owned()),
            secret_access_key: Some(Secret::new("hush")),
            addressing: Some(Addressing::VirtualHosted),
            log,
        };
        assert_eq!(read.unwrap(), expected);
        assert!(!format!("{expected:?}").contains("hush"));
    }

    #[test]
    fn what_cannot_be_names_the_setting() {
        for (text, expected) in [
            ("puts_per_secnd = 3", "did you mean `object-store.puts_per_second`?"),
            ("puts_per_second = 0", "`object-store.puts_per_second` cannot be 0"),
            ("group_bytes = 0", "`object-store.group_bytes` cannot be 0"),
            ("in_flight = 0", "`object-store.in_flight` cannot be 0"),
            ("pending_bytes = 0", "`object-store.pending_bytes` cannot be 0"),
            ("journal_bytes = 0", "`object-store.journal_bytes` cannot be 0"),
            ("journal_objects = 0", "`object-store.journal_objects` cannot be 0"),
            ("renew_every_ms = 0", "`object-store.renew_every_ms` cannot be 0"),
            ("request_timeout_ms = 0", "`object-store.request_timeout_ms` cannot be 0"),
            ("stale_after_ms = 9999", "at least twice `renew_every_ms`, which is 5000"),
            ("give_up_after_ms = 1", "at least `request_timeout_ms`, which is 10000"),
            ("endpoint = 'localhost:9000'", "`https://` or `http://`"),
            ("owner = ' '", "`object-store.owner` cannot be empty"),
            ("take_over = 'yes'", "`true` or `false`"),
            ("addressing = 'host'", "\"path\", \"virtual_hosted\""),
            ("access_key_id = 'me'", "`secret_access_key` is not set"),
            ("secret_access_key = 'hush'", "`access_key_id` is not set"),
            ("secret_access_key = 12345", "it is a text in quotes"),
        ] {
            let error = options(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
            assert!(!error.contains("hush") && !error.contains("12345"), "{text}: {error}");
        }
    }

    #[test]
    fn a_difference_is_named_and_a_secret_is_not() {
        let one = options("access_key_id = 'me'\nsecret_access_key = 'hush'").unwrap();
        let two = options("access_key_id = 'me'\nsecret_access_key = 'other'").unwrap();
        let difference = one.difference(&two).unwrap();
        assert_eq!(difference, "`object-store.secret_access_key` is another one there");
        let difference = options("").unwrap().difference(&options("in_flight = 7").unwrap()).unwrap();
        assert_eq!(difference, "`object-store.in_flight` is `4` there and `7` here");
        assert_eq!(one.difference(&one.clone()), None);
    }
}
