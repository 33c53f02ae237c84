//! What the machine can do at least as much of: its memory, and its disk.
#![expect(clippy::disallowed_methods, reason = "whoever measures the raw disk opens a file on it, and reads the clock")]

use std::fs::File;
use std::hint::black_box;
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use super::samples::Samples;

/// As a cache sees it.
const CHUNK: usize = 64 << 10;

/// Records of `size` bytes a second, each copied once, with one CRC-32C over the copies, by one core: what a log that
/// keeps and checks what it is given must do at least.
#[must_use]
pub fn copy_and_check(size: usize, records: u64) -> f64 {
    let record = vec![7_u8; size];
    let mut chunk = Vec::with_capacity(CHUNK.max(size));
    let start = Instant::now();
    let mut sum = 0_u32;
    for _ in 0..records {
        if chunk.len() + size > chunk.capacity() {
            sum ^= crc32c::crc32c(&chunk);
            chunk.clear();
        }
        chunk.extend_from_slice(black_box(&record));
    }
    black_box(sum ^ crc32c::crc32c(&chunk));
    records as f64 / start.elapsed().as_secs_f64().max(1e-9)
}

/// Records of `size` bytes a second under a CRC-32C, by one core: what whoever reads a log and checks it must do at least.
#[must_use]
pub fn check_bytes(size: usize, records: u64) -> f64 {
    let per_chunk = (CHUNK / size.max(1)).max(1);
    let chunk = vec![7_u8; per_chunk * size];
    let rounds = (records / per_chunk as u64).max(1);
    let start = Instant::now();
    for _ in 0..rounds {
        black_box(crc32c::crc32c(black_box(&chunk)));
    }
    (rounds * per_chunk as u64) as f64 / start.elapsed().as_secs_f64().max(1e-9)
}

/// Bytes a second of plain appends of `chunk` bytes to a new file in `directory`, each one synced if `synced` is, `total`
/// bytes in all.
///
/// # Errors
/// What the operating system says.
pub fn append(directory: &Path, total: u64, chunk: usize, synced: bool) -> io::Result<f64> {
    let (written, took) = appends(directory, total, chunk, synced, |_| {})?;
    Ok(written as f64 / took.as_secs_f64().max(1e-9))
}

/// How long each of `count` appends of `chunk` bytes to a new file in `directory` takes, in seconds, with its sync if
/// `synced` is.
///
/// # Errors
/// What the operating system says.
pub fn append_latencies(directory: &Path, count: u64, chunk: usize, synced: bool) -> io::Result<Samples> {
    let mut latencies = Samples::default();
    appends(directory, count * chunk.max(1) as u64, chunk, synced, |took| latencies.push(took.as_secs_f64()))?;
    Ok(latencies)
}

fn appends(
    directory: &Path,
    total: u64,
    chunk: usize,
    synced: bool,
    mut tell: impl FnMut(Duration),
) -> io::Result<(u64, Duration)> {
    let path = directory.join("raw");
    let buffer = vec![7_u8; chunk.max(1)];
    let mut file = File::create(&path)?;
    let start = Instant::now();
    let (mut written, mut before) = (0, Duration::ZERO);
    while written < total {
        file.write_all(&buffer)?;
        if synced {
            file.sync_data()?;
        }
        written += buffer.len() as u64;
        let now = start.elapsed();
        tell(now - before);
        before = now;
    }
    let took = start.elapsed();
    drop(file);
    std::fs::remove_file(path)?;
    Ok((written, took))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_limit_is_a_rate() {
        for size in [1, 100, 1 << 20] {
            assert!(copy_and_check(size, 10) > 0.0 && check_bytes(size, 10) > 0.0);
        }
        let directory = tempfile::tempdir().unwrap();
        for synced in [false, true] {
            assert!(append(directory.path(), 10_000, 4096, synced).unwrap() > 0.0);
            assert_eq!(append_latencies(directory.path(), 5, 100, synced).unwrap().len(), 5);
        }
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0, "a raw file was left");
    }
}
