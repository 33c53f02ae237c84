use std::io::{ErrorKind, IoSlice};
use std::sync::Arc;

use super::RealFiles;
use crate::disk::files::{File, Files};

fn read(file: &Arc<dyn File>, position: u64, bytes: usize) -> Vec<u8> {
    let mut buffer = vec![0xee; bytes];
    let filled = file.read_at(position, &mut buffer).unwrap();
    buffer.truncate(filled);
    buffer
}

fn write(file: &Arc<dyn File>, position: u64, bytes: &[u8]) {
    file.write_at(position, &mut [IoSlice::new(bytes)]).unwrap();
}

#[test]
fn a_directory_is_created_with_its_parents() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("a/b/c");
    assert_eq!(RealFiles::existing(&path).unwrap_err().kind(), ErrorKind::NotFound);
    assert!(!home.path().join("a").exists());
    RealFiles::open(&path).unwrap().create("one", 0).unwrap();
    assert_eq!(RealFiles::open(&path).unwrap().list().unwrap(), ["one"]);
}

#[test]
fn a_file_in_place_of_the_directory_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("file");
    std::fs::File::create_new(&path).unwrap();
    let error = RealFiles::open(&path).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotADirectory);
    assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
    assert!(RealFiles::open(&path.join("below")).is_err());
}

#[test]
fn room_reads_as_zeros_and_writes_grow_the_file() {
    let home = tempfile::tempdir().unwrap();
    let files = RealFiles::open(home.path()).unwrap();
    let file = files.create("journal", 10_000).unwrap();
    assert_eq!(file.size().unwrap(), 10_000);
    assert_eq!(read(&file, 9_990, 100), [0; 10]);
    write(&file, 9_998, b"over");
    file.sync().unwrap();
    files.sync_names().unwrap();
    assert_eq!(file.size().unwrap(), 10_002);
    let again = files.open("journal", false).unwrap();
    assert_eq!(read(&again, 9_997, 100), b"\0over");
    assert!(again.write_at(0, &mut [IoSlice::new(b"x")]).is_err());
    assert_eq!(read(&again, 10_002, 4), b"");
    assert_eq!(read(&again, 1 << 40, 4), b"");
}

#[test]
fn a_file_that_gets_no_room_is_not_left_behind() {
    let home = tempfile::tempdir().unwrap();
    let files = RealFiles::open(home.path()).unwrap();
    // More than any file system has, and than any file may have.
    assert!(files.create("huge", u64::MAX / 2).is_err());
    assert_eq!(files.list().unwrap(), [""; 0]);
}

#[test]
fn many_parts_with_empty_ones_between_are_written_in_order() {
    let home = tempfile::tempdir().unwrap();
    let files = RealFiles::open(home.path()).unwrap();
    let file = files.create("parts", 0).unwrap();
    let bytes: Vec<[u8; 3]> = (0..5_000_u32).map(|i| [i as u8, (i >> 8) as u8, 7]).collect();
    let mut parts = vec![IoSlice::new(b""); 1_500];
    for part in &bytes {
        parts.push(IoSlice::new(part));
        parts.push(IoSlice::new(b""));
    }
    parts.extend(vec![IoSlice::new(b""); 1_500]);
    file.write_at(11, &mut parts).unwrap();
    assert_eq!(file.size().unwrap(), 11 + 15_000);
    assert_eq!(read(&file, 11, 20_000), bytes.concat());
    file.write_at(0, &mut []).unwrap();
    file.write_at(1 << 20, &mut [IoSlice::new(b"")]).unwrap();
    assert_eq!(file.size().unwrap(), 11 + 15_000);
}

#[test]
fn names_are_created_once_renamed_over_and_removed_under_an_open_handle() {
    let home = tempfile::tempdir().unwrap();
    let files = RealFiles::open(home.path()).unwrap();
    let old = files.create("b", 0).unwrap();
    write(&old, 0, b"old");
    let new = files.create("a", 0).unwrap();
    write(&new, 0, b"new");
    assert_eq!(files.create("a", 0).unwrap_err().kind(), ErrorKind::AlreadyExists);
    assert_eq!(files.list().unwrap(), ["a", "b"]);
    files.rename("a", "b").unwrap();
    assert_eq!(files.list().unwrap(), ["b"]);
    assert_eq!(read(&files.open("b", false).unwrap(), 0, 9), b"new");
    assert_eq!(read(&old, 0, 9), b"old");
    files.remove("b").unwrap();
    assert_eq!(read(&new, 0, 9), b"new");
    write(&new, 3, b"er");
    assert_eq!(read(&new, 0, 9), b"newer");
    assert_eq!(files.open("b", true).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(files.remove("b").unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(files.rename("b", "c").unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn names_that_lead_elsewhere_are_refused_and_directories_are_not_listed() {
    let home = tempfile::tempdir().unwrap();
    let files = RealFiles::open(&home.path().join("log")).unwrap();
    files.create("here", 0).unwrap();
    std::fs::create_dir(home.path().join("log/lost+found")).unwrap();
    for name in ["", ".", "..", "../up", "/tmp", "a/b", "a\\b", "a\0b"] {
        assert_eq!(files.create(name, 0).unwrap_err().kind(), ErrorKind::InvalidInput, "{name:?}");
        assert_eq!(files.open(name, false).unwrap_err().kind(), ErrorKind::InvalidInput, "{name:?}");
        assert_eq!(files.remove(name).unwrap_err().kind(), ErrorKind::InvalidInput, "{name:?}");
        assert_eq!(files.rename("here", name).unwrap_err().kind(), ErrorKind::InvalidInput, "{name:?}");
        assert_eq!(files.rename(name, "there").unwrap_err().kind(), ErrorKind::InvalidInput, "{name:?}");
    }
    assert_eq!(files.list().unwrap(), ["here"]);
}
