//! A real disk that is full: a small mount of its own, where the machine lets a test have one.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use ottla_broker_core::env::Env;
use ottla_broker_core::log::{Error, ErrorKind, LogStorage, OpenPartition, PartitionLog, PartitionReader, TrimBase};
use ottla_broker_core::record::Batch;
use ottla_broker_core::{LeaderEpoch, Offset};

use super::crash::workload::{batch, keys};
use crate::disk::{DiskBackend, DiskOptions, OpenError, check};

/// Says to the process that it has mounts of its own, and where the directory for them is.
const NAMESPACE: &str = "OTTLA_FULL_NAMESPACE";
const NAME: &str = "disk::tests::full::a_real_disk_that_is_full_loses_nothing_and_goes_on_when_there_is_room";
const SIZE: &str = "size=24m";
/// More than a checkpoint and the least journal file take, and less than a whole one.
const NEARLY_FULL: u64 = 700 << 10;

fn options() -> DiskOptions {
    DiskOptions { journal_bytes: 4 << 20, file_bytes: 1 << 20, tail_bytes: 0, ..DiskOptions::default() }
}

/// A file system in memory, for as long as this lives.
struct Mount(PathBuf);

impl Mount {
    /// `Err`: why the machine does not let this process have one.
    fn new(at: &Path) -> Result<Self, String> {
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", SIZE, "ottla-full"]).arg(at).output();
        let mount = mount.map_err(|error| format!("there is no `mount`: {error}"))?;
        if mount.status.success() {
            return Ok(Self(at.to_owned()));
        }
        Err(String::from_utf8_lossy(&mount.stderr).trim().to_owned())
    }

    fn free(&self) -> u64 {
        let found = rustix::fs::statvfs(&self.0).unwrap();
        found.f_bavail * found.f_frsize
    }

    /// Fills it up to so many bytes with something that is none of ours.
    fn fill_up_to(&self, free: u64) {
        self.empty();
        let bytes = self.free().saturating_sub(free);
        let mut ballast = fs::OpenOptions::new().create(true).truncate(true).write(true).open(self.ballast()).unwrap();
        ballast.write_all(&vec![7; usize::try_from(bytes).unwrap()]).unwrap();
    }

    fn empty(&self) {
        let _ = fs::remove_file(self.ballast());
    }

    fn ballast(&self) -> PathBuf {
        self.0.join("ballast")
    }

    fn log(&self) -> PathBuf {
        self.0.join("log")
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // Also where a test failed and its storage still has files open: they end with the process.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// Runs this test once more, in a process that may mount what it likes and whose mounts end with it.
fn in_a_namespace(directory: &Path) -> Result<(), String> {
    let may = Command::new("unshare").args(["--mount", "--map-root-user", "true"]).stderr(Stdio::null()).status();
    if !may.is_ok_and(|status| status.success()) {
        return Err("nor namespaces of its own".to_owned());
    }
    let inside = Command::new("unshare")
        .args(["--mount", "--map-root-user"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", NAME, "--nocapture"])
        .env(NAMESPACE, directory)
        .status()
        .unwrap();
    assert!(inside.success(), "in a namespace of its own: {inside}");
    Ok(())
}

#[tokio::test]
async fn a_real_disk_that_is_full_loses_nothing_and_goes_on_when_there_is_room() {
    let directory = tempfile::tempdir().unwrap();
    if let Some(inside) = std::env::var_os(NAMESPACE) {
        match Mount::new(Path::new(&inside)) {
            Ok(mount) => run(&mount).await,
            Err(refused) => eprintln!("skipped: no small file system can be mounted here ({refused})"),
        }
        return;
    }
    match Mount::new(directory.path()) {
        Ok(mount) => run(&mount).await,
        Err(refused) => {
            if let Err(nor) = in_a_namespace(directory.path()) {
                eprintln!("skipped: no small file system can be mounted here ({refused}; {nor})");
            }
        }
    }
}

/// Two partitions, and how far each is written and trimmed.
struct Bench {
    backend: DiskBackend,
    logs: Vec<Arc<dyn PartitionLog>>,
    readers: Vec<Arc<dyn PartitionReader>>,
    epoch: LeaderEpoch,
}

/// What lies at an offset.
fn expected(partition: usize, base: Offset, epoch: LeaderEpoch) -> Batch {
    batch(base, 1, 30_000 + 977 * (base.0 as usize % 13), epoch, (base.0 as u64) << 1 | partition as u64)
}

impl Bench {
    async fn open(mount: &Mount, epoch: i32) -> Result<Self, OpenError> {
        let backend = DiskBackend::open(mount.log(), options(), &Env::system()).await?;
        let mut readers = Vec::new();
        let mut bench = Self { backend, logs: Vec::new(), readers: Vec::new(), epoch: LeaderEpoch(epoch) };
        bench.reopen().await;
        for log in &bench.logs {
            readers.push(bench.backend.logs().open_reader(log.id()).await.unwrap());
        }
        bench.readers = readers;
        Ok(bench)
    }

    /// After an append was refused a log has to be opened anew, as the broker does.
    async fn reopen(&mut self) {
        self.epoch = LeaderEpoch(self.epoch.0 + 1);
        let wanted: Vec<_> =
            keys().into_iter().take(2).map(|key| OpenPartition { id: key.id, epoch: self.epoch }).collect();
        let opened = self.backend.logs().open_many(&wanted).await;
        self.logs = opened.into_iter().map(|log| log.unwrap()).collect();
    }

    fn ends(&self) -> Vec<Offset> {
        self.logs.iter().map(|log| log.bounds_cell().get().durable_end).collect()
    }

    async fn append(&self, partition: usize) -> Result<(), Error> {
        let log = &self.logs[partition];
        let end = log.bounds_cell().get().end;
        log.append(expected(partition, end, self.epoch))?.await
    }

    /// Writes until there is no room; says how far each partition was acknowledged.
    async fn write_until_full(&self) -> Vec<Offset> {
        for round in 0.. {
            let before = self.ends();
            let refused = match self.append(round % 2).await {
                Ok(()) => continue,
                Err(refused) => refused,
            };
            assert_eq!(refused.kind(), ErrorKind::Full, "{refused:?}");
            assert!(refused.to_string().contains("no room"), "it says what is wrong: {refused}");
            assert_eq!(self.ends(), before, "what was refused is not there");
            assert!(round > 100, "24 MiB take more than {round} batches");
            break;
        }
        self.ends()
    }

    /// Everything from `starts` up to `ends` is there, from the medium.
    async fn holds(&self, starts: &[Offset], ends: &[Offset]) {
        for (partition, reader) in self.readers.iter().enumerate() {
            let bounds = reader.bounds_cell().get();
            assert_eq!((bounds.start, bounds.durable_end), (starts[partition], ends[partition]));
            let mut from = starts[partition];
            while from < ends[partition] {
                for batch in reader.read(from, ends[partition], 200_000).await.unwrap() {
                    assert_eq!(batch, expected(partition, from, batch.leader_epoch()));
                    from = batch.next_offset();
                }
            }
        }
    }

    /// Appends until one is taken: the background gives the room back, and looks at a full disk again now and then.
    async fn append_when_there_is_room(&mut self, partition: usize) {
        let env = Env::system();
        let goes_on = async {
            while let Err(refused) = self.append(partition).await {
                assert_eq!(refused.kind(), ErrorKind::Full, "{refused:?}");
                env.sleep(Duration::from_millis(5)).await;
                self.reopen().await;
            }
        };
        env.timeout(Duration::from_secs(20), goes_on).await.expect("there is room, and nothing is taken");
    }

    async fn close(self) {
        // The last checkpoint may find no room: what was acknowledged is in the journal.
        if let Err(error) = self.backend.logs().close().await {
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
            assert!(error.to_string().contains("the next opening reads the journal"), "{error}");
        }
    }
}

async fn run(mount: &Mount) {
    let zero = [Offset::ZERO; 2];
    let mut bench = Bench::open(mount, 0).await.unwrap();
    let ends = bench.write_until_full().await;
    bench.holds(&zero, &ends).await;

    // Not a byte is left, and it begins anew: that is told, and nothing is lost.
    bench.close().await;
    mount.fill_up_to(0);
    match Bench::open(mount, 100).await.err().expect("without a byte there is no checkpoint") {
        OpenError::Log { source, .. } => {
            assert_eq!(source.kind(), ErrorKind::Full, "{source:?}");
            assert!(source.to_string().contains("give room back"), "{source}");
        }
        other => panic!("{other:?}"),
    }
    let report = check(&mount.log()).unwrap();
    assert!(report.is_sound(), "{report}");

    // Room for a checkpoint, and for no journal file: it opens, is read, and takes no records.
    mount.fill_up_to(NEARLY_FULL);
    bench = Bench::open(mount, 200).await.unwrap();
    bench.holds(&zero, &ends).await;
    let refused = bench.append(0).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Full, "{refused:?}");
    bench.holds(&zero, &ends).await;
    bench.reopen().await;

    // What gives room back is taken, and then records are.
    let starts: Vec<_> = ends.iter().map(|end| Offset(end.0 - 10)).collect();
    for (log, start) in bench.logs.iter().zip(&starts) {
        log.trim_prefix(*start, TrimBase { start: *start, ..TrimBase::default() }).await.unwrap();
    }
    for round in 0..40 {
        bench.append_when_there_is_room(round % 2).await;
    }
    let ends: Vec<_> = ends.iter().map(|end| Offset(end.0 + 20)).collect();
    bench.holds(&starts, &ends).await;
    bench.close().await;

    mount.empty();
    bench = Bench::open(mount, 1_000_000).await.unwrap();
    bench.holds(&starts, &ends).await;
    bench.append(0).await.unwrap();
    bench.close().await;
    println!("a full disk of 24 MiB: {ends:?} written");
}
