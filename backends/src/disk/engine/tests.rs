//! What the writer does with a group that it holds already.

use futures::FutureExt;
use ottla_broker_core::log::ErrorKind;

use crate::disk::tests::driven::{Driven, SMALL};
use crate::disk::{DiskOptions, Level};

const OS: DiskOptions = DiskOptions { level: Level::Os, ..SMALL };

#[test]
fn a_group_that_was_taken_before_the_storage_was_poisoned_is_not_acknowledged() {
    let driven = Driven::new(OS);
    let ticket = driven.submit(1, 0, 100);
    let (core, engine) = driven.storage.parts();
    let Some(crate::engine::Work::Group(group)) = core.queue.try_take() else { panic!("a group waits") };
    engine.poison("a test said so", std::io::Error::other("a test"));
    engine.write(group, false);
    assert_eq!(ticket.now_or_never().unwrap().unwrap_err().kind(), ErrorKind::Poisoned);
}
