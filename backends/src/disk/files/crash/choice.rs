//! What a crash may leave of what was not yet durable.

/// What a crash leaves of what was not yet durable. What was, stays whatever the choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    /// Of the files' bytes and sizes.
    pub(crate) data: Data,
    /// Of the directory's entries. Independent of the data: a file whose data is durable may have no name,
    /// and a name may be durable that leads to nothing.
    pub(crate) names: Names,
}

/// What is left of writes, and of room that was made, since the last sync of their files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Data {
    /// Nothing.
    Nothing,
    /// Everything: it was a process that died, not a machine.
    All,
    /// Everything but of the last write: of that the first `kept` bytes.
    Torn {
        /// Bytes.
        kept: u64,
        /// What became of the others.
        lost: Lost,
    },
    /// The sizes, with zeros for the bytes they grew by; nothing else.
    ZeroTail,
    /// Any writes, whole or torn at multiples of 512 bytes, by this seed.
    Random(u64),
}

/// What became of the part of a torn write that was not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lost {
    /// The old bytes are there; where there were none, the file ends.
    Old,
    /// The file is as long as it should be, with zeros in place.
    Zeros,
    /// The other way around: the *first* `kept` bytes are lost (the old ones are there), the others written.
    /// Disks do not write in order.
    First,
}

/// Which creations, renames and removals since the last sync of the names took effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Names {
    /// None.
    Nothing,
    /// All.
    All,
    /// The `i`-th if bit `i` is set; the 65th and later not.
    Only(u64),
    /// Any, by this seed.
    Random(u64),
}

impl Choice {
    /// A power cut that loses all that it may lose.
    pub(crate) const NOTHING: Self = Self { data: Data::Nothing, names: Names::Nothing };

    /// The death of the process: what it wrote is there.
    pub(crate) const ALL: Self = Self { data: Data::All, names: Names::All };

    /// Anything, by a seed.
    pub(crate) const fn random(seed: u64) -> Self {
        // The two draw from different streams.
        Self { data: Data::Random(seed), names: Names::Random(!seed) }
    }
}

/// A stream of numbers by a seed (SplitMix64).
#[derive(Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Below `bound`, which is not zero.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }
}
