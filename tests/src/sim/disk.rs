//! The disk of a seed: the disk backend over files that can crash, in some seeds.
//!
//! It draws from a stream of its own, and not in every seed: what earlier seeds found in memory, they find again.

use ottla::connect::{DiskOptions, Level};
use ottla::testing::World;

use super::cast::stream;

/// Four seeds of sixteen have one; none of those that found something before there were any.
pub(super) fn draw(world: &World) -> Option<DiskOptions> {
    if ![1, 7, 8, 14].contains(&(world.seed() % 16)) {
        return None;
    }
    let chance = stream(world, 2_000);
    let file_bytes = *chance.pick(&[32 << 10, 64 << 10]);
    Some(DiskOptions {
        // What was acknowledged is durable: nothing of it may be lost.
        level: Level::Fsync,
        file_bytes,
        journal_bytes: file_bytes * chance.between(2, 4),
        tail_bytes: *chance.pick(&[0, 4 << 10, 1 << 20]),
        group_bytes: *chance.pick(&[1, 2 << 10, 1 << 20]),
        ..DiskOptions::default()
    })
}
