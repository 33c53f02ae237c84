//! A directory of the local disk, durable by default.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let directory = std::env::temp_dir().join(format!("ottla-disk-doc-{}", std::process::id()));
//! use ottla_backends::disk::{DiskBackend, DiskOptions, check};
//! use ottla_broker_core::env::Env;
//! use ottla_broker_core::log::LogStorage;
//!
//! let backend = DiskBackend::open(&directory, DiskOptions::default(), &Env::system()).await?;
//! // `backend.backend()` is what a broker takes.
//! backend.logs().close().await?;
//! drop(backend);
//!
//! let report = check(&directory)?;
//! assert!(report.is_sound(), "{report}");
//! # std::fs::remove_dir_all(&directory)?;
//! # Ok(())
//! # }
//! ```
//!
//! One process at a time has a directory open; a second one is told so at once, and the lock of a process that died
//! holds nobody up. Partitions' records, snapshots and the cluster's metadata lie in the same files, under the same rules.
//! [`mod@format`] draws the files byte by byte.
//!
//! # How it works
//!
//! ```text
//!  append ─► group ─► one chunk in the journal, one sync ─► tickets resolve
//!                          │ half of the journal's budget is full
//!                          ▼
//!            compactor: the live batches of the oldest journal files, sorted by log, as one segment
//!                          │ durable
//!                          ▼
//!            checkpoint: the index as of now ─► the files that it does not name are removed or used again
//! ```
//!
//! - What is pending of all partitions when the writer is free becomes one *chunk*: one write and one sync, however
//!   many partitions and producers. A lone append does not wait for company.
//! - A journal file that is nearly all one log's is *adopted* as it is: bulk loads are written once, and everything
//!   else at most twice, unless what is around it is deleted: a segment of which less than half is live is sorted anew.
//! - The newest batches of all logs stay in memory, within one budget; a consumer that keeps up reads nothing from disk.
//! - Whoever reads what is not in memory any more is read ahead of, in large pieces, on threads that check what they
//!   read; who else comes by shares the pieces. This has a budget of its own: it takes nothing from the newest batches.
//! - Retention deletes files once none of their batches is part of a log; a batch that is deleted before its journal file
//!   was sorted is never written again.
//!
//! # Recovery
//!
//! Every chunk has the number after that of the chunk before it, the writer's incarnation (which grows with each opening),
//! and the number below which all was durable when it was written. An opening
//!
//! 1. reads the newest checkpoint; it was written beside, synced and renamed, so that there is always a whole one;
//! 2. follows the chain of chunks from where the checkpoint ends, in its file and the next ones, and applies each chunk
//!    that is whole. Chunks of another incarnation or with another number are what a file held before it was used again;
//! 3. looks, where the chain breaks, for a later chunk or file that says that the missing one had been durable. If there
//!    is one, this is damage: the opening fails, names the file and the byte, and changes nothing. If there is none,
//!    what is missing was being written when all ended, and was never acknowledged: it is dropped;
//! 4. syncs what it recovered, removes what a crash left half-done, and writes a checkpoint under a new incarnation, so
//!    that what was dropped cannot come back.
//!
//! A changed bit within a sorted or checkpointed file does not keep the log from opening: it is found by whoever reads
//! those batches, always, and told as `Corrupt`; it is never served. The compactor leaves such batches where they are.
//! [`check`](check()) finds it beforehand.
//!
//! # What an acknowledgement means
//!
//! | [`Level`] | the bytes are | a process that dies | a machine that dies |
//! |---|---|---|---|
//! | `Fsync` (default) | on the medium, and so is the file's name | loses nothing | loses nothing |
//! | `Os` | in the page cache | loses nothing | loses what was written since the last sync |
//!
//! At either level all that a checkpoint refers to is synced before the checkpoint is. At `Os` the operating system writes
//! when it sees fit; once eight journal files wait for it the background syncs them, and the writer waits only when there
//! are twice as many. What a machine's death takes away there is the end of the log, never something in its middle.
//! After a failed write or sync nothing more is acknowledged (`Poisoned`) until the directory is opened anew: a second
//! sync that succeeds says nothing of the pages of the first. On a full disk records are refused (`Full`), and taken again
//! when there is room; trims and removals, which give room back, go through.
//!
//! # What it takes
//!
//! | what | how much | set by |
//! |---|---|---|
//! | threads | 2, and 2 more once something is read from disk | |
//! | file handles | 256 for reading at most, 2 for writing, 2 for the directory | |
//! | memory: newest batches | 64 MiB | [`tail_bytes`](DiskOptions::tail_bytes) |
//! | memory: waiting to be written | 32 MiB | [`pending_bytes`](DiskOptions::pending_bytes) |
//! | memory: read from disk, and read ahead | 16 MiB, and as much again in buffers that are used again; besides what readers hold | [`cold_bytes`](DiskOptions::cold_bytes) |
//! | memory: index | 48 bytes for each 64 KiB of a sorted log; for each log and chunk in the journal | |
//! | memory: compactor | some 10 MiB while it works, and the journal's index once more | |
//! | disk | the log; up to 512 MiB of it in the journal; one journal file ahead, and 4 kept to be used again | [`journal_bytes`](DiskOptions::journal_bytes), [`file_bytes`](DiskOptions::file_bytes) |
//! | disk, while the compactor works | half of the journal once more | |

mod backend;
mod buffers;
pub mod check;
mod checkpoints;
mod compact;
mod counts;
mod engine;
mod files;
pub mod format;
mod journal;
mod options;
mod pool;
mod recover;
mod shelf;
mod storage;
#[cfg(feature = "testing")]
pub mod testing;
#[cfg(test)]
mod tests;

pub use backend::{DiskBackend, OpenError};
pub use check::check;
pub use counts::DiskStats;
pub use options::{DiskOptions, Level};
pub use storage::DiskStorage;
