use std::collections::BTreeSet;
use std::io::{ErrorKind, IoSlice};
use std::sync::Arc;

use proptest::prelude::*;

use super::{Call, Choice, CrashFiles, Data, Failure, Fault, Lost, Names, Trace};
use crate::disk::files::{File, Files};

fn write(file: &Arc<dyn File>, position: u64, bytes: &[u8]) {
    file.write_at(position, &mut [IoSlice::new(bytes)]).unwrap();
}

/// All of a file. None where there is no such name.
fn read(files: &CrashFiles, name: &str) -> Option<Vec<u8>> {
    let file = files.open(name, false).ok()?;
    let mut buffer = vec![0xee; file.size().unwrap() as usize + 1];
    let filled = file.read_at(0, &mut buffer).unwrap();
    assert_eq!(filled + 1, buffer.len());
    buffer.truncate(filled);
    Some(buffer)
}

/// A durable file of `bytes`.
fn durable(files: &CrashFiles, name: &str, bytes: &[u8]) -> Arc<dyn File> {
    let file = files.create(name, 0).unwrap();
    write(&file, 0, bytes);
    file.sync().unwrap();
    files.sync_names().unwrap();
    file
}

/// What a file may be at the end of a trace, over all choices.
fn outcomes(trace: &Trace, name: &str) -> BTreeSet<Option<Vec<u8>>> {
    trace.choices(trace.end(), 50).into_iter().map(|choice| read(&trace.image(trace.end(), choice), name)).collect()
}

fn data(data: Data) -> Choice {
    Choice { data, names: Names::All }
}

#[test]
fn what_is_synced_survives_every_choice_at_every_later_point() {
    let files = CrashFiles::new();
    let file = durable(&files, "a", b"durable");
    let from = files.trace().end();
    for round in 0..40 {
        write(&file, 7 + round, &[round as u8; 3_000]);
        let other = files.create(&format!("b{round}"), 10_000).unwrap();
        write(&other, 0, b"other");
        other.sync().unwrap();
    }
    let trace = files.trace();
    let mut tried = 0;
    for state in trace.states(2).filter(|state| state.point >= from).step_by(7) {
        let image = trace.crash(state);
        assert!(read(&image, "a").unwrap().starts_with(b"durable"), "{state:?}");
        tried += 1;
    }
    assert!(tried > 100, "{tried}");
}

#[test]
fn data_that_is_not_synced_may_be_lost_kept_torn_or_zeros() {
    let files = CrashFiles::new();
    let file = durable(&files, "a", &[1; 1_000]);
    write(&file, 500, &[2; 10_000]);
    let trace = files.trace();
    let at = |choice| read(&trace.image(trace.end(), choice), "a").unwrap();
    let joined = |parts: &[(u8, usize)]| parts.iter().flat_map(|(byte, n)| vec![*byte; *n]).collect::<Vec<u8>>();

    assert_eq!(at(data(Data::Nothing)), [1; 1_000]);
    assert_eq!(at(data(Data::All)), joined(&[(1, 500), (2, 10_000)]));
    assert_eq!(at(data(Data::ZeroTail)), joined(&[(1, 1_000), (0, 9_500)]));
    let torn = |kept, lost| at(data(Data::Torn { kept, lost }));
    assert_eq!(torn(12, Lost::Old), joined(&[(1, 500), (2, 12), (1, 488)]));
    assert_eq!(torn(3_596, Lost::Old), joined(&[(1, 500), (2, 3_596)]));
    assert_eq!(torn(3_596, Lost::Zeros), joined(&[(1, 500), (2, 3_596), (0, 6_404)]));
    assert_eq!(torn(12, Lost::First), joined(&[(1, 512), (2, 9_988)]));

    let tears: BTreeSet<u64> = trace
        .choices(trace.end(), 0)
        .into_iter()
        .filter_map(|choice| if let Data::Torn { kept, .. } = choice.data { Some(kept) } else { None })
        .collect();
    // One byte, the first and the last sector and page, half, all but one.
    assert_eq!(tears, [1, 12, 3_596, 5_000, 7_692, 9_740, 9_999].into());
}

#[test]
fn only_the_last_write_is_torn_and_random_choices_reach_every_subset() {
    let files = CrashFiles::new();
    let file = durable(&files, "a", b"...");
    for (position, byte) in [b"x", b"y", b"z"].into_iter().enumerate() {
        write(&file, position as u64, byte);
    }
    let trace = files.trace();
    let all: BTreeSet<Vec<u8>> = (0..500)
        .map(|seed| read(&trace.image(trace.end(), data(Data::Random(seed))), "a").unwrap())
        .filter(|bytes| !bytes.contains(&0))
        .collect();
    let subsets = ["...", "x..", ".y.", "..z", "xy.", "x.z", ".yz", "xyz"].map(|text| text.as_bytes().to_vec());
    assert_eq!(all, subsets.into());
}

#[test]
fn a_name_is_durable_only_after_a_sync_of_the_names_whatever_its_data() {
    let files = CrashFiles::new();
    let file = files.create("a", 0).unwrap();
    write(&file, 0, b"data");
    assert_eq!(outcomes(&files.trace(), "a").first(), Some(&None));
    assert!(outcomes(&files.trace(), "a").contains(&Some(Vec::new())), "a name without its data");
    file.sync().unwrap();
    assert_eq!(outcomes(&files.trace(), "a"), [None, Some(b"data".to_vec())].into());
    files.sync_names().unwrap();
    assert_eq!(outcomes(&files.trace(), "a"), [Some(b"data".to_vec())].into());
    files.remove("a").unwrap();
    assert_eq!(outcomes(&files.trace(), "a"), [None, Some(b"data".to_vec())].into());
    files.sync_names().unwrap();
    assert_eq!(outcomes(&files.trace(), "a"), [None].into());
}

#[test]
fn a_rename_is_one_change_and_may_be_durable_without_the_data() {
    let files = CrashFiles::new();
    durable(&files, "now", b"old");
    let file = files.create("next", 0).unwrap();
    files.sync_names().unwrap();
    write(&file, 0, b"new");
    files.rename("next", "now").unwrap();
    let unsynced = outcomes(&files.trace(), "now");
    assert!(unsynced.contains(&Some(b"old".to_vec())) && unsynced.contains(&Some(b"new".to_vec())));
    assert!(unsynced.contains(&Some(Vec::new())), "the new name leads to a file without its data");
    assert!(!unsynced.contains(&None), "a rename never leaves the name without a file");

    file.sync().unwrap();
    let trace = files.trace();
    assert_eq!(outcomes(&trace, "now"), [Some(b"old".to_vec()), Some(b"new".to_vec())].into());
    let undone = trace.image(trace.end(), Choice::NOTHING);
    assert_eq!(undone.list().unwrap(), ["next", "now"]);
    assert_eq!(read(&undone, "next").unwrap(), b"new");
    assert_eq!(trace.image(trace.end(), Choice::ALL).list().unwrap(), ["now"]);
}

#[test]
fn changes_of_names_are_independent_of_each_other() {
    let files = CrashFiles::new();
    files.create("a", 0).unwrap();
    files.create("b", 0).unwrap();
    files.rename("a", "c").unwrap();
    let trace = files.trace();
    let choices = trace.choices(trace.end(), 0);
    let lists: BTreeSet<Vec<String>> =
        choices.iter().map(|choice| trace.image(trace.end(), *choice).list().unwrap()).collect();
    let expected = ["", "a", "b", "a b", "c", "b c"].map(|names| names.split_whitespace().map(str::to_owned).collect());
    assert_eq!(lists, expected.into());
}

#[test]
fn a_failed_sync_gives_its_data_up_and_the_next_one_succeeds_without_it() {
    let files = CrashFiles::new();
    let file = durable(&files, "a", b"0000");
    write(&file, 0, b"11");
    files.fail(Fault::next(Call::Sync, Failure::Io));
    assert_eq!(file.sync().unwrap_err().raw_os_error(), Some(rustix::io::Errno::IO.raw_os_error()));
    write(&file, 1, b"22");
    file.sync().unwrap();
    assert_eq!(read(&files, "a").unwrap(), b"1220", "who asks the page cache sees nothing of it");
    // The lost byte may be there or not; what was written and synced later is never covered by it.
    assert_eq!(outcomes(&files.trace(), "a"), [Some(b"0220".to_vec()), Some(b"1220".to_vec())].into());
    assert_eq!(read(&files.crash(Choice::NOTHING), "a").unwrap(), b"0220");
}

#[test]
fn the_nth_call_fails_and_only_on_the_named_files() {
    let files = CrashFiles::new();
    files.fail(Fault::next(Call::Create, Failure::NoSpace).after(1).times(2).on("x"));
    files.create("a", 0).unwrap();
    files.create("x1", 0).unwrap();
    assert_eq!(files.create("x2", 0).unwrap_err().kind(), ErrorKind::StorageFull);
    files.create("b", 0).unwrap();
    assert!(files.create("x3", 0).is_err());
    files.create("x4", 0).unwrap();
    assert_eq!(files.list().unwrap(), ["a", "b", "x1", "x4"]);
    assert_eq!(files.calls(Call::Create), 6);

    files.fail(Fault::next(Call::SyncNames, Failure::Io).times(u64::MAX));
    assert!(files.sync_names().is_err() && files.sync_names().is_err());
    assert_eq!(files.crash(Choice::NOTHING).list().unwrap(), [""; 0]);
    files.heal();
    files.sync_names().unwrap();
    assert_eq!(files.crash(Choice::NOTHING).list().unwrap().len(), 4);
}

#[test]
fn a_write_that_fails_has_written_half() {
    let files = CrashFiles::new();
    let file = durable(&files, "a", b"");
    files.fail(Fault::next(Call::Write, Failure::Io));
    assert!(file.write_at(0, &mut [IoSlice::new(b"abc"), IoSlice::new(b"def")]).is_err());
    assert_eq!(read(&files, "a").unwrap(), b"abc");
    assert_eq!(outcomes(&files.trace(), "a").last().unwrap().as_deref(), Some(&b"abc"[..]));
}

#[test]
fn a_full_disk_refuses_files_and_cuts_writes_and_removal_gives_room_back() {
    let files = CrashFiles::new();
    files.set_capacity(Some(100));
    assert_eq!(files.create("big", 101).unwrap_err().kind(), ErrorKind::StorageFull);
    let a = files.create("a", 60).unwrap();
    write(&a, 0, &[1; 60]);
    let b = files.create("b", 0).unwrap();
    let error = b.write_at(0, &mut [IoSlice::new(&[2; 41])]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StorageFull);
    assert_eq!(b.size().unwrap(), 40);
    write(&a, 0, &[3; 60]);
    files.remove("a").unwrap();
    assert!(files.create("c", 1).is_err(), "an open handle keeps the room");
    assert_eq!(a.size().unwrap(), 60);
    drop(a);
    files.create("c", 60).unwrap();
    assert!(b.write_at(40, &mut [IoSlice::new(b"x")]).is_err());
}

#[test]
fn a_flipped_bit_is_there_now_and_after_a_crash() {
    let files = CrashFiles::new();
    let file = durable(&files, "a", b"aaaa");
    write(&file, 2, b"bb");
    files.flip_bit("a", 1, 0).unwrap();
    files.flip_bit("a", 3, 0).unwrap();
    assert_eq!(read(&files, "a").unwrap(), b"a`bc");
    assert_eq!(read(&files.crash(Choice::ALL), "a").unwrap(), b"a`bc");
    assert_eq!(read(&files.crash(Choice::NOTHING), "a").unwrap(), b"a`a`");
    assert_eq!(files.flip_bit("a", 4, 0).unwrap_err().kind(), ErrorKind::UnexpectedEof);
    assert_eq!(files.flip_bit("b", 0, 0).unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn notes_are_in_order_with_everything_else_and_images_can_crash_again() {
    let files = CrashFiles::new();
    let file = durable(&files, "a", b"");
    for note in 0..100_u8 {
        write(&file, u64::from(note), &[note]);
        file.sync().unwrap();
        files.note(u64::from(note));
    }
    let trace = files.trace();
    for point in trace.points() {
        let image = trace.image(point, Choice::NOTHING);
        let acked = trace.acked_before(point);
        // Recovery dies as well, and is again recovered from.
        if let Some(bytes) = read(&image, "a") {
            write(&image.open("a", true).unwrap(), 0, b"lost");
            assert_eq!(read(&image.crash(Choice::NOTHING), "a").unwrap(), bytes);
        }
        let bytes = read(&image, "a").unwrap_or_default();
        assert!(bytes.len() >= acked.len(), "point {point}: {} of {}", bytes.len(), acked.len());
    }
    assert_eq!(trace.acked_before(trace.end()), (0..100).collect::<Vec<u64>>());
    assert_eq!(read(&files, "a").unwrap().len(), 100, "the run itself goes on");
}

#[test]
fn handles_outlive_names_and_read_only_ones_do_not_write() {
    let files = CrashFiles::new();
    let file = durable(&files, "a", b"here");
    files.remove("a").unwrap();
    let mut buffer = [0; 8];
    assert_eq!(file.read_at(2, &mut buffer).unwrap(), 2);
    write(&file, 4, b"!");
    let again = durable(&files, "a", b"other");
    assert_eq!((file.size().unwrap(), again.size().unwrap()), (5, 5));
    assert_eq!(read(&files, "a").unwrap(), b"other");
    assert!(files.open("a", false).unwrap().write_at(0, &mut [IoSlice::new(b"x")]).is_err());
    assert_eq!(files.create("a", 0).unwrap_err().kind(), ErrorKind::AlreadyExists);
    assert_eq!(files.create("a/b", 0).unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[test]
fn room_costs_nothing_until_it_is_written() {
    let files = CrashFiles::new();
    let file = files.create("a", 1 << 40).unwrap();
    write(&file, 1 << 39, b"x");
    let mut buffer = [7; 3];
    let image = files.crash(Choice::ALL);
    assert_eq!(image.open("a", false).unwrap().read_at((1 << 39) - 1, &mut buffer).unwrap(), 3);
    assert_eq!(buffer, [0, b'x', 0]);
    assert_eq!(image.open("a", false).unwrap().size().unwrap(), 1 << 40);
}

/// Something that a process does.
#[derive(Clone, Debug)]
enum Step {
    Create(u8),
    Write(u8, u16, u16),
    Sync(u8),
    Rename(u8, u8),
    Remove(u8),
    SyncNames,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (0..4_u8).prop_map(Step::Create),
        6 => (0..4_u8, 0..9_000_u16, 0..6_000_u16).prop_map(|(file, at, bytes)| Step::Write(file, at, bytes)),
        2 => (0..4_u8).prop_map(Step::Sync),
        1 => (0..4_u8, 0..4_u8).prop_map(|(from, to)| Step::Rename(from, to)),
        1 => (0..4_u8).prop_map(Step::Remove),
        1 => Just(Step::SyncNames),
    ]
}

/// Does it where it can be done.
fn run(files: &CrashFiles, step: &Step, value: u8) {
    match step {
        Step::Create(name) => drop(files.create(&name.to_string(), 5_000)),
        Step::Write(name, at, bytes) => {
            if let Ok(file) = files.open(&name.to_string(), true) {
                write(&file, u64::from(*at), &vec![value; usize::from(*bytes)]);
            }
        }
        Step::Sync(name) => drop(files.open(&name.to_string(), true).map(|file| file.sync())),
        Step::Rename(from, to) => drop(files.rename(&from.to_string(), &to.to_string())),
        Step::Remove(name) => drop(files.remove(&name.to_string())),
        Step::SyncNames => files.sync_names().unwrap(),
    }
}

fn whole(files: &CrashFiles) -> Vec<(String, Vec<u8>)> {
    files.list().unwrap().into_iter().map(|name| (name.clone(), read(files, &name).unwrap())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_dead_process_loses_nothing_a_synced_machine_neither_and_a_seed_says_all(
        steps in prop::collection::vec(step(), 1..90),
        seed in any::<u64>(),
    ) {
        let files = CrashFiles::new();
        let mut seen = Vec::new();
        for (index, step) in steps.iter().enumerate() {
            run(&files, step, index as u8 + 1);
            seen.push((files.trace().end(), whole(&files)));
        }
        let trace = files.trace();
        for (point, seen) in seen {
            prop_assert_eq!(whole(&trace.image(point, Choice::ALL)), seen);
            prop_assert_eq!(
                whole(&trace.image(point, Choice::random(seed))),
                whole(&trace.image(point, Choice::random(seed)))
            );
        }
        prop_assert!(trace.states(3).eq(trace.states(3)));
        // Whatever is synced is there when everything else is lost.
        for name in files.list().unwrap() {
            files.open(&name, true).unwrap().sync().unwrap();
        }
        files.sync_names().unwrap();
        prop_assert_eq!(whole(&files.crash(Choice::NOTHING)), whole(&files));
        prop_assert_eq!(whole(&files.crash(Choice::random(seed))), whole(&files));
    }
}
