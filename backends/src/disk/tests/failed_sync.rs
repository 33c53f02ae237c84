//! A sync that fails says nothing of what it was asked for, and one that is asked anew says nothing either.

use futures::FutureExt;
use ottla_broker_core::log::{ErrorKind, LogStorage};

use super::driven::{Driven, EPOCH, SMALL, batch};
use crate::disk::files::crash::{Call, Failure, Fault};
use crate::disk::{DiskOptions, Level};

#[test]
fn a_sync_that_fails_at_a_checkpoint_poisons_the_storage() {
    let driven = Driven::new(DiskOptions { level: Level::Os, ..SMALL });
    driven.append(1, 0, 100);
    driven.write();
    driven.files.fail(Fault::next(Call::Sync, Failure::Io));
    let (core, engine) = driven.storage.parts();
    let checkpoints = |driven: &Driven| {
        let names = crate::disk::files::Files::list(&driven.files).unwrap();
        names.into_iter().filter(|name| name.ends_with(".checkpoint")).collect::<Vec<_>>()
    };
    let before = checkpoints(&driven);
    engine.checkpoint(false).unwrap_err();
    let error = driven.log(1).append(core, EPOCH, batch(1, 100)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Poisoned, "{error}");
    // The next sync would succeed, and a checkpoint would refer to what is not there.
    engine.checkpoint(false).unwrap_err();
    driven.storage.close().now_or_never().unwrap().unwrap_err();
    assert_eq!(checkpoints(&driven), before);
}
