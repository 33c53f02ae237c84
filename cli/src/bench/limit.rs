//! What the machine could do at most, measured right after.

use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::path::Path;

use ottla::{Client, Durability};
use ottla_cli::measure::{append, append_latencies, bytes, check_bytes, copy_and_check, ping_pong, stream};

use crate::connect::names_brokers;
use crate::place::{directory_of, first_host};

/// What a phase is compared with.
#[derive(Debug)]
pub(super) enum Limit {
    /// So many records a second.
    Rate { what: String, per_second: f64 },
    /// So long for one record.
    Latency { what: String, seconds: f64 },
    /// Why there is none.
    NotMeasured(String),
}

/// Enough to be steady, and not so much that a disk or a cache is filled.
const LEAST: u64 = 64 << 20;
const MOST: u64 = 512 << 20;

/// What surrounds the value of a lone record on its way: a request's header, a batch's, and the record's.
const AROUND: usize = 150;

/// Group commits of a storage, and their bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Written {
    groups: u64,
    bytes: u64,
}

impl Written {
    /// So far; nothing where no disk is under the client.
    #[cfg_attr(not(feature = "disk"), allow(clippy::match_single_binding, reason = "nothing counts then"))]
    pub(super) fn by(client: &Client) -> Self {
        match client.storage_stats() {
            #[cfg(feature = "disk")]
            Some(ottla::connect::StorageStats::Disk(stats)) => {
                Self { groups: stats.groups, bytes: stats.journal_bytes }
            }
            _ => Self::default(),
        }
    }

    pub(super) const fn since(self, earlier: Self) -> Self {
        Self { groups: self.groups.saturating_sub(earlier.groups), bytes: self.bytes.saturating_sub(earlier.bytes) }
    }

    fn average(self) -> usize {
        usize::try_from(self.bytes.checked_div(self.groups).unwrap_or(0)).unwrap_or(usize::MAX)
    }
}

/// What was done, as far as a limit depends on it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Done<'a> {
    pub(super) url: &'a str,
    pub(super) records: u64,
    pub(super) size: usize,
    pub(super) durability: Option<Durability>,
    pub(super) written: Written,
}

impl Done<'_> {
    /// Of producing. Blocks.
    pub(super) fn producing(self) -> Limit {
        if names_brokers(self.url) {
            return self.over_network();
        }
        match self.durability {
            Some(Durability::Memory) => Limit::Rate {
                what: "one copy and one CRC-32C of the bytes, by one core".to_owned(),
                per_second: copy_and_check(self.size, self.enough()),
            },
            Some(Durability::Fsync | Durability::OsBuffer) => self.over_disk(),
            Some(Durability::ObjectStore) => {
                Limit::NotMeasured("what a store takes at most would have to be paid for".to_owned())
            }
            _ => Limit::NotMeasured("it is not known what the log lies on".to_owned()),
        }
    }

    /// Of consuming. Blocks.
    pub(super) fn consuming(self) -> Limit {
        if names_brokers(self.url) {
            return self.over_network();
        }
        // What was just written is in memory, and so is compared with memory.
        Limit::Rate {
            what: "one CRC-32C over the bytes, by one core".to_owned(),
            per_second: check_bytes(self.size, self.enough()),
        }
    }

    /// Of a lone record. Blocks.
    pub(super) fn lone(self) -> Limit {
        let count = self.records.clamp(100, 1_000);
        if names_brokers(self.url) {
            return network(self.url, |address| {
                let there_and_back = ping_pong(address, count, self.size + AROUND)?;
                Ok(Limit::Latency {
                    what: format!(
                        "{} over a TCP connection within this host and back",
                        bytes((self.size + AROUND) as f64)
                    ),
                    seconds: there_and_back.median(),
                })
            });
        }
        match self.durability {
            Some(Durability::Memory) => Limit::NotMeasured("it is a call within this process".to_owned()),
            Some(level @ (Durability::Fsync | Durability::OsBuffer)) => {
                let (chunk, synced) = (self.written.average(), level == Durability::Fsync);
                beside(self.url, |directory| {
                    let what = format!("plain appends of {}{}", bytes(chunk as f64), with_sync(synced));
                    Ok(Limit::Latency { what, seconds: append_latencies(directory, count, chunk, synced)?.median() })
                })
            }
            _ => Limit::NotMeasured("a request to a store would have to be paid for".to_owned()),
        }
    }

    /// As many records as make a steady figure.
    fn enough(self) -> u64 {
        let size = self.size as u64;
        self.records.clamp(LEAST / size, (MOST / size).max(1))
    }

    fn over_disk(self) -> Limit {
        let (chunk, synced) = (self.written.average(), self.durability == Some(Durability::Fsync));
        if chunk == 0 {
            return Limit::NotMeasured("it is not known what the storage wrote".to_owned());
        }
        beside(self.url, |directory| {
            let total = self.written.bytes.clamp(chunk as u64, MOST);
            let rate = append(directory, total, chunk, synced)?;
            Ok(Limit::Rate {
                what: format!("plain appends of {}{}", bytes(chunk as f64), with_sync(synced)),
                // Of the very bytes that were written: compressed, and with what stands around the values.
                per_second: rate * self.records as f64 / self.written.bytes as f64,
            })
        })
    }

    fn over_network(self) -> Limit {
        network(self.url, |address| {
            let total = (self.enough() * self.size as u64).clamp(LEAST, MOST);
            let rate = stream(address, total, 64 << 10)?;
            Ok(Limit::Rate {
                what: "the same bytes over a TCP connection within this host, to a peer that drops them".to_owned(),
                per_second: rate / self.size as f64,
            })
        })
    }
}

const fn with_sync(synced: bool) -> &'static str {
    if synced { ", each with a sync" } else { ", without a sync" }
}

/// On the disk that the log is on.
fn beside(url: &str, measure: impl FnOnce(&Path) -> io::Result<Limit>) -> Limit {
    let Some(directory) = directory_of(url) else {
        return Limit::NotMeasured("it is not known where the log lies".to_owned());
    };
    let parent = directory.parent().unwrap_or(&directory);
    let measured =
        tempfile::Builder::new().prefix("ottla-bench-").tempdir_in(parent).and_then(|place| measure(place.path()));
    measured.unwrap_or_else(|error| {
        Limit::NotMeasured(format!("there can be no plain file in {} to compare with: {error}", parent.display()))
    })
}

/// To a peer on the host of the broker, if that is this one.
fn network(url: &str, measure: impl FnOnce(IpAddr) -> io::Result<Limit>) -> Limit {
    let Some(host) = first_host(url) else {
        return Limit::NotMeasured("it is not known where the brokers are".to_owned());
    };
    let found = (host.0.as_str(), host.1).to_socket_addrs().map(|mut found| found.next());
    let Ok(Some(address)) = found else {
        return Limit::NotMeasured(format!("`{}` is no longer found", host.0));
    };
    match measure(address.ip()) {
        Ok(limit) => limit,
        Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => Limit::NotMeasured(format!(
            "{} is another host, where nothing takes bytes for their own sake: a tool such as iperf3 on both says more",
            host.0
        )),
        Err(error) => Limit::NotMeasured(format!("there can be no connection to compare with: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn done(url: &str, durability: Durability) -> Done<'_> {
        let written = Written { groups: 10, bytes: 1_000 };
        Done { url, records: 10, size: 100, durability: Some(durability), written }
    }

    #[test]
    fn each_place_has_its_limit() {
        let home = tempfile::tempdir().unwrap();
        let url = crate::place::url_of(home.path().join("log").to_str().unwrap()).unwrap();
        for (done, expected) in [
            (done("memory://", Durability::Memory), "CRC-32C"),
            (done(&url, Durability::OsBuffer), "appends of 100 B, without a sync"),
            (done(&url, Durability::Fsync), "each with a sync"),
            (done("kafka://127.0.0.1:1", Durability::Unknown), "TCP"),
        ] {
            for limit in [done.producing(), done.lone()] {
                match limit {
                    Limit::Rate { what, per_second: figure } | Limit::Latency { what, seconds: figure } => {
                        assert!(what.contains(expected) && figure > 0.0, "{what}: {figure}");
                    }
                    Limit::NotMeasured(reason) => assert!(reason.contains("within this process"), "{reason}"),
                }
            }
            assert!(matches!(done.consuming(), Limit::Rate { per_second, .. } if per_second > 0.0));
        }
        assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0, "something was left");
    }

    #[test]
    fn what_is_not_measured_is_said() {
        for (done, expected) in [
            (done("s3://bucket/log", Durability::ObjectStore), "paid"),
            // Documentation's addresses are nobody's (RFC 5737).
            (done("kafka://192.0.2.1:9092", Durability::Unknown), "another host"),
            (done("file:///no/such/place/log", Durability::Fsync), "/no/such/place"),
        ] {
            assert!(matches!(done.producing(), Limit::NotMeasured(reason) if reason.contains(expected)), "{expected}");
        }
    }
}
