//! What a newer release wrote is told, and not dropped as if it were torn.

use std::io::IoSlice;
use std::sync::Arc;

use ottla_broker_core::Offset;
use ottla_broker_core::log::ErrorKind;
use uuid::Uuid;

use super::driven::{Driven, SMALL, key};
use crate::disk::check::check_files;
use crate::disk::files::Files;
use crate::disk::files::crash::{Choice, CrashFiles};
use crate::disk::format::journal_name;
use crate::disk::storage::{DiskStorage, Runner};
use crate::engine::HEADER_BYTES;

#[test]
fn a_chunk_of_a_newer_version_is_told_and_kept() {
    let driven = Driven::new(SMALL);
    driven.append(1, 0, 100);
    driven.write();
    let (number, about) = driven.storage.parts().1.shelf.all()[0];
    driven.append(1, 1, 100);
    driven.write();
    let image = driven.files.crash(Choice::NOTHING);
    // The last chunk is acknowledged, and of version 2.
    set_version(&image, &journal_name(number), about.bytes, 2);
    let files: Arc<dyn Files> = Arc::new(image.clone());
    let error = DiskStorage::open(files, SMALL, Uuid::nil(), None, Runner::Caller).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.to_string().contains("version 2"), "{error}");
    let report = check_files(Arc::new(image.clone()), "here".as_ref()).unwrap();
    assert!(!report.is_sound() && report.to_string().contains("version 2"), "{report}");
    // The release that knows it finds everything.
    set_version(&image, &journal_name(number), about.bytes, 1);
    let next = Driven::over(image, SMALL);
    assert_eq!(next.storage.parts().0.get(key(1)).unwrap().bounds().end, Offset(2));
}

fn set_version(files: &CrashFiles, name: &str, position: u64, version: u16) {
    let file = files.open(name, true).unwrap();
    let mut header = [0; HEADER_BYTES];
    assert_eq!(file.read_at(position, &mut header).unwrap(), HEADER_BYTES);
    assert_eq!(&header[..4], b"OTCH");
    header[4..6].copy_from_slice(&version.to_be_bytes());
    let crc = crc32c::crc32c(&header[..60]);
    header[60..].copy_from_slice(&crc.to_be_bytes());
    file.write_at(position, &mut [IoSlice::new(&header)]).unwrap();
}
