use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

use super::{Lock, LockError, NAME};

const DIRECTORY: &str = "OTTLA_TEST_LOCK_DIRECTORY";

fn owner(error: LockError) -> Option<u32> {
    match error {
        LockError::Held { owner, .. } => owner,
        LockError::Io { source, .. } => panic!("not held: {source}"),
    }
}

#[test]
fn a_second_opening_in_one_process_is_refused_until_the_first_is_gone() {
    let home = tempfile::tempdir().unwrap();
    let lock = Lock::exclusive(home.path()).unwrap();
    let error = Lock::exclusive(home.path()).unwrap_err();
    assert!(error.to_string().ends_with(&format!("is in use by process {}", std::process::id())), "{error}");
    assert_eq!(owner(error), Some(std::process::id()));
    assert!(Lock::shared(home.path()).is_err());
    drop(lock);
    assert!(Lock::shared(home.path()).is_ok());
    drop(Lock::exclusive(home.path()).unwrap());
}

#[test]
fn checkers_share_a_directory_and_keep_writers_out() {
    let home = tempfile::tempdir().unwrap();
    assert!(Lock::shared(home.path()).unwrap().is_none(), "nobody ever wrote there");
    assert!(!home.path().join(NAME).exists(), "a check writes nothing");
    drop(Lock::exclusive(home.path()).unwrap());
    let one = Lock::shared(home.path()).unwrap().unwrap();
    let other = Lock::shared(home.path()).unwrap().unwrap();
    drop(one);
    owner(Lock::exclusive(home.path()).unwrap_err());
    drop(other);
    let _lock = Lock::exclusive(home.path()).unwrap();
    owner(Lock::shared(home.path()).unwrap_err());
}

#[test]
fn what_a_foreign_lock_file_says_is_not_believed() {
    let home = tempfile::tempdir().unwrap();
    let file = std::fs::File::create_new(home.path().join(NAME)).unwrap();
    file.lock().unwrap();
    for text in ["", "no number\n", "99999999999999999999", "\u{fe}"] {
        std::os::unix::fs::FileExt::write_all_at(&file, text.as_bytes(), 0).unwrap();
        assert_eq!(owner(Lock::exclusive(home.path()).unwrap_err()), None, "{text:?}");
    }
}

#[test]
fn a_directory_that_is_not_there_is_an_error_with_its_path() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("absent");
    let error = Lock::exclusive(&path).unwrap_err();
    assert!(matches!(error, LockError::Io { .. }) && error.to_string().contains("absent"), "{error}");
}

/// The other process of the test below: holds the lock until somebody closes its input, or kills it.
#[test]
#[ignore = "the other process of `another_process_is_refused_and_its_death_frees_the_lock`"]
fn holder() {
    let Some(directory) = std::env::var_os(DIRECTORY) else { return };
    let _lock = Lock::exclusive(directory.as_ref()).unwrap();
    println!("\nheld");
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

#[test]
fn another_process_is_refused_and_its_death_frees_the_lock() {
    let home = tempfile::tempdir().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["disk::files::lock::tests::holder", "--exact", "--ignored", "--nocapture"])
        .env(DIRECTORY, home.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap() == "held"), "the child never held the lock");
    assert_eq!(owner(Lock::exclusive(home.path()).unwrap_err()), Some(child.id()));
    assert!(Lock::shared(home.path()).is_err());
    child.kill().unwrap();
    child.wait().unwrap();
    drop(Lock::exclusive(home.path()).unwrap());
}
