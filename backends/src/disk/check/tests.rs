//! A sound log is told sound, whatever was done to it; a changed bit is found wherever it is; nothing is written.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use futures::FutureExt;
use ottla_broker_core::Offset;
use ottla_broker_core::env::Env;
use ottla_broker_core::log::{LogStorage, TrimBase};

use super::{LogName, Report, check, check_files};
use crate::disk::files::Files;
use crate::disk::files::crash::{Choice, CrashFiles};
use crate::disk::format::{Checkpoint, FileKind, Name, checkpoint_name};
use crate::disk::tests::driven::{Driven, EPOCH, SMALL, key};
use crate::disk::{DiskBackend, DiskOptions, OpenError};
use crate::engine::Saved;

fn checked(files: &CrashFiles) -> Report {
    check_files(Arc::new(files.clone()), Path::new("here")).unwrap()
}

/// Journal, adopted journal and segment, trimmed, truncated and removed logs.
fn full() -> Driven {
    let driven = Driven::new(SMALL);
    for offset in 0..30 {
        for partition in 1..=3 {
            driven.append(partition, offset, 700);
        }
        driven.write();
    }
    driven.append(4, 0, 300 << 10);
    driven.write();
    let core = driven.storage.parts().0;
    driven.log(1).trim(core, EPOCH, Offset(12), TrimBase::default()).unwrap();
    driven.log(2).truncate(core, EPOCH, Offset(20)).unwrap();
    driven.fill(9);
    driven.storage.parts().1.compact().unwrap();
    for offset in 20..40 {
        driven.append(2, offset, 700);
        driven.append(3, offset + 10, 700);
        driven.write();
    }
    driven.log(2).truncate(core, EPOCH, Offset(33)).unwrap();
    core.get(key(9)).unwrap().remove(core).unwrap();
    driven.write();
    driven
}

fn close(driven: &Driven) {
    driven.storage.close().now_or_never().unwrap().unwrap();
}

#[test]
fn a_closed_log_is_told_as_it_is() {
    let driven = full();
    close(&driven);
    let report = checked(&driven.files);
    assert!(report.is_sound() && report.clean, "{report}");
    assert!(report.torn.is_empty() && report.orphans.is_empty() && report.foreign.is_empty(), "{report}");
    let ranges: Vec<_> = report.logs.iter().map(|log| (log.name, log.start.0, log.end.0, log.batches)).collect();
    let name = |partition| LogName::Records(key(partition).id);
    // An extent is kept while a part of it is: more batches than offsets, where some were trimmed.
    assert_eq!(ranges[0].0, name(1));
    assert_eq!((ranges[0].1, ranges[0].2), (12, 30));
    assert!(ranges[0].3 >= 18, "{report}");
    assert_eq!(ranges[1..], [(name(2), 0, 33, 33), (name(3), 0, 50, 50), (name(4), 0, 1, 1)]);
    assert!(report.files.iter().any(|file| file.kind == super::FileKind::Segment && file.live > 0), "{report}");
    let text = report.to_string();
    for word in ["journal files", "segment files", "offsets 12 to 30", "live", "\nsound"] {
        assert!(text.contains(word), "`{word}` is in {text}");
    }
}

#[test]
fn a_log_that_was_not_closed_is_told_with_what_an_opening_replays() {
    let driven = full();
    // Written but never synced, let alone acknowledged: a part of it may be there.
    let image = driven.files.crash(Choice::ALL);
    let report = checked(&image);
    assert!(report.is_sound() && !report.clean, "{report}");
    assert_eq!(report.replayed, 21, "{report}");
    assert_eq!(report.logs.len(), 4, "{report}");
    let next = Driven::over(image, SMALL);
    assert_eq!(next.storage.parts().0.get(key(3)).unwrap().bounds().end, Offset(50));
}

#[test]
fn a_last_chunk_that_is_torn_is_told_and_is_no_damage() {
    let driven = full();
    let image = driven.files.crash(Choice::ALL);
    let (number, about) = driven
        .storage
        .parts()
        .1
        .shelf
        .all()
        .into_iter()
        .rfind(|(_, about)| about.kind == crate::disk::format::FileKind::Journal && about.bytes > 0)
        .unwrap();
    // In the last chunk: it holds a truncation and a removal.
    image.flip_bit(&crate::disk::shelf::name(number, about.kind), about.bytes - 9, 0).unwrap();
    let report = checked(&image);
    assert!(report.is_sound(), "{report}");
    assert_eq!(report.torn.len(), 1, "{report}");
    assert_eq!(report.replayed, 20, "{report}");
    assert!(report.to_string().contains("an opening drops"));
}

#[test]
fn a_changed_bit_is_found_wherever_it_is() {
    let driven = full();
    close(&driven);
    let sound = checked(&driven.files);
    let shelf: BTreeMap<_, _> = driven.storage.parts().1.shelf.all().into_iter().collect();
    let mut kinds = BTreeMap::new();
    for name in driven.files.list().unwrap() {
        let end = match Name::parse(&name) {
            Name::Journal(number) | Name::Segment(number) => shelf[&number].bytes,
            Name::Checkpoint(_) => driven.files.open(&name, false).unwrap().size().unwrap(),
            _ => continue,
        };
        // Whole chunks end anywhere, and the next begins at a multiple of 8: what lies between is never read.
        let mut found = 0_u64;
        let mut tried = 0_u64;
        for byte in (0..end).step_by(if end > 100_000 { 4_999 } else { 397 }) {
            driven.files.flip_bit(&name, byte, (byte % 8) as u8).unwrap();
            let report = checked(&driven.files);
            driven.files.flip_bit(&name, byte, (byte % 8) as u8).unwrap();
            tried += 1;
            found += u64::from(!report.is_sound());
            if report.is_sound() {
                assert!(is_padding(&driven, &name, byte), "{name}, byte {byte}: {report}");
            } else {
                let place = report.damage.iter().any(|damage| damage.to_string().contains(&name));
                let checkpoint = matches!(Name::parse(&name), Name::Checkpoint(_));
                assert!(place || checkpoint, "the damage is named: {report}");
            }
        }
        assert!(found > 0 && found * 10 >= tried * 9, "{name}: {found} of {tried}");
        *kinds.entry(name.rsplit('.').next().unwrap().to_owned()).or_insert(0) += found;
    }
    assert_eq!(kinds.keys().collect::<Vec<_>>(), ["checkpoint", "journal", "segment"]);
    assert_eq!(checked(&driven.files), sound, "all bits are back");
}

/// Whether a byte lies between two chunks.
fn is_padding(driven: &Driven, name: &str, byte: u64) -> bool {
    use crate::disk::format::FILE_HEADER_BYTES;
    use crate::engine::{HEADER_BYTES, Header};
    let file = driven.files.open(name, false).unwrap();
    let mut position = FILE_HEADER_BYTES as u64;
    let mut raw = [0; HEADER_BYTES];
    while file.read_at(position, &mut raw).unwrap() == HEADER_BYTES
        && let Ok(header) = Header::parse(&raw)
    {
        let end = position + header.total_bytes();
        position = end.next_multiple_of(8);
        if (end..position).contains(&byte) {
            return true;
        }
    }
    false
}

#[test]
fn damage_is_told_with_its_file_its_byte_and_its_offset() {
    let driven = full();
    close(&driven);
    let extent = driven.storage.parts().0.get(key(3)).unwrap().extents()[0];
    let kind = driven.storage.parts().1.shelf.all().iter().find(|(number, _)| *number == extent.file).unwrap().1.kind;
    assert_eq!(kind, FileKind::Segment);
    let name = crate::disk::shelf::name(extent.file, kind);
    driven.files.flip_bit(&name, extent.position + 100, 1).unwrap();
    let report = checked(&driven.files);
    let damage = &report.damage[0];
    assert_eq!(damage.file.as_deref(), Some(&*name), "{report}");
    assert_eq!(damage.position, Some(extent.position), "{report}");
    assert_eq!(damage.log, Some(LogName::Records(key(3).id)), "{report}");
    assert_eq!(damage.offset, Some(extent.base), "{report}");
    assert!(report.to_string().ends_with("DAMAGED"));
}

#[test]
fn what_is_missing_cut_or_not_ours_is_told() {
    let driven = full();
    close(&driven);
    let (number, about) =
        driven.storage.parts().1.shelf.all().into_iter().find(|(_, about)| about.kind == FileKind::Segment).unwrap();
    let name = crate::disk::shelf::name(number, about.kind);
    let files = &driven.files;
    for (other, bytes) in
        [("notes.txt", 3), ("00000000000000000099.segment", 9), ("00000000000000000099.journal.tmp", 0)]
    {
        files.create(other, bytes).unwrap();
    }
    let report = checked(files);
    assert!(report.is_sound(), "{report}");
    assert_eq!(report.foreign, ["notes.txt"]);
    assert_eq!(report.orphans, ["00000000000000000099.journal.tmp", "00000000000000000099.segment"]);
    files.remove(&name).unwrap();
    let report = checked(files);
    assert!(!report.is_sound() && report.to_string().contains(&name), "{report}");
    files.create(&name, 5_000).unwrap();
    let report = checked(files);
    assert!(report.damage.iter().any(|damage| damage.what.contains("5000 bytes")), "{report}");
}

fn contents(directory: &Path) -> BTreeMap<String, (Vec<u8>, std::time::SystemTime)> {
    let entries = std::fs::read_dir(directory).unwrap().map(Result::unwrap);
    entries
        .map(|entry| {
            let modified = entry.metadata().unwrap().modified().unwrap();
            #[expect(clippy::disallowed_methods, reason = "the test looks from outside")]
            let bytes = std::fs::read(entry.path()).unwrap();
            (entry.file_name().into_string().unwrap(), (bytes, modified))
        })
        .collect()
}

#[tokio::test]
async fn a_directory_is_checked_only_when_nobody_has_it_open_and_is_not_changed() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path();
    let options = DiskOptions { journal_bytes: 8 << 20, file_bytes: 1 << 20, ..DiskOptions::default() };
    let backend = DiskBackend::open(place, options, &Env::system()).await.unwrap();
    backend.backend().metadata.append_at(0, vec!["command".into()]).await.unwrap();
    let error = check(place).unwrap_err();
    assert!(matches!(error, OpenError::InUse { .. }), "{error}");
    // As a process that was killed leaves it, with its lock gone.
    backend.logs().close().await.unwrap();
    drop(backend);
    let before = contents(place);
    let report = check(place).unwrap();
    assert!(report.is_sound() && report.clean, "{report}");
    assert!(report.logs.iter().any(|log| log.name == LogName::Metadata(0) && log.batches > 0), "{report}");
    assert!(report.to_string().contains("cluster metadata"), "{report}");
    assert_eq!(contents(place), before, "nothing was written");
    let error = check(&place.join("nowhere")).unwrap_err();
    assert!(matches!(error, OpenError::Directory { .. }), "{error}");
}

/// With checksums that are good: as a bug would write it.
#[test]
fn an_index_that_is_not_the_data_s_is_told() {
    type Change = (&'static str, fn(&mut Saved));
    let driven = full();
    close(&driven);
    let (number, bytes) = crate::disk::checkpoints::newest(&driven.files).unwrap().unwrap();
    let good = Checkpoint::decode(&bytes).unwrap();
    let name = checkpoint_name(number);
    let changes: [Change; 6] = [
        ("ends too early", |log| log.extents.last_mut().unwrap().next.0 -= 1),
        ("begins elsewhere", |log| log.extents[0].position += 1),
        ("is too short", |log| log.extents[0].bytes -= 1),
        ("begins with another offset", |log| log.extents[0].base.0 += 1),
        ("has another time", |log| log.extents[0].max_timestamp += 1),
        ("is in another file", |log| log.extents[0].file = log.extents.last().unwrap().file),
    ];
    for (what, change) in changes {
        let mut bad = good.clone();
        let log = bad.logs.iter_mut().find(|log| log.key == key(3)).unwrap();
        assert!(log.extents.len() > 1 && log.extents[0].file != log.extents.last().unwrap().file);
        change(log);
        let before = log.extents.clone();
        driven.files.remove(&name).unwrap();
        crate::disk::checkpoints::save(&driven.files, &name, &bad.encode()).unwrap();
        let report = checked(&driven.files);
        let told = report.damage.iter().any(|damage| damage.log == Some(LogName::Records(key(3).id)));
        assert!(told, "{what}: {report} {before:?}");
    }
}

#[test]
fn nothing_at_all_is_sound() {
    let report = checked(&CrashFiles::new());
    assert!(report.is_sound() && report.checkpoint.is_none(), "{report}");
    assert!(report.to_string().contains("nothing was stored yet"), "{report}");
}
