//! All that may be left of a run.

use super::choice::{Choice, Data, Lost, Names, Random};
use super::files::CrashFiles;
use super::medium::{Change, Event, Medium, NameChange, Pending};

/// Between two states that are kept whole, this many events are played again for each image.
const STRIDE: usize = 64;

/// Bytes that a disk writes whole.
const SECTOR: u64 = 512;

/// Bytes that an operating system writes at once.
const PAGE: u64 = 4096;

/// Up to this many changes of names are tried in every combination.
const FEW: usize = 4;

/// All that happened to a [`CrashFiles`] until the trace was taken.
#[derive(Debug)]
pub(crate) struct Trace {
    events: Vec<Event>,
    /// The medium before every [`STRIDE`]-th event.
    media: Vec<Medium>,
}

/// One crash, and what it leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct State {
    /// So many events happened before it.
    pub(crate) point: usize,
    /// What is left of what was not durable then.
    pub(crate) choice: Choice,
}

impl Trace {
    pub(super) fn new(start: Medium, events: Vec<Event>) -> Self {
        let mut medium = start;
        let mut media = vec![medium.clone()];
        for events in events.chunks_exact(STRIDE) {
            events.iter().for_each(|event| medium.advance(event));
            media.push(medium.clone());
        }
        Self { events, media }
    }

    /// The last point: all of it happened.
    pub(crate) fn end(&self) -> usize {
        self.events.len()
    }

    /// The points where a crash may leave something that it may not leave at another. In between lie those
    /// before a note: whoever crashes just after it finds the same, and must hold more.
    pub(crate) fn points(&self) -> impl Iterator<Item = usize> + '_ {
        (0..=self.end()).filter(|point| !matches!(self.events.get(*point), Some(Event::Note(_))))
    }

    /// What was noted before a point, in order.
    pub(crate) fn acked_before(&self, point: usize) -> Vec<u64> {
        let note = |event: &Event| if let Event::Note(what) = event { Some(*what) } else { None };
        self.events.iter().take(point).filter_map(note).collect()
    }

    /// What a crash at a point leaves. A point past the end is the end.
    pub(crate) fn image(&self, point: usize, choice: Choice) -> CrashFiles {
        let mut medium = self.medium(point);
        keep_data(&mut medium, choice.data);
        keep_names(&mut medium, choice.names);
        medium.forget_nameless();
        CrashFiles::boot(medium)
    }

    /// The machine after its process died at a point: it holds all that was written, and may lose it yet.
    pub(crate) fn died(&self, point: usize) -> CrashFiles {
        CrashFiles::resume(self.medium(point))
    }

    /// What a crash leaves.
    pub(crate) fn crash(&self, state: State) -> CrashFiles {
        self.image(state.point, state.choice)
    }

    /// Every crash worth trying: at every point all of [`choices`](Self::choices).
    pub(crate) fn states(&self, seeds: u64) -> impl Iterator<Item = State> + '_ {
        self.points()
            .flat_map(move |point| self.choices(point, seeds).into_iter().map(move |choice| State { point, choice }))
    }

    /// The choices that make a difference at a point, `seeds` random ones of each kind among them. The same
    /// for the same trace.
    pub(crate) fn choices(&self, point: usize, seeds: u64) -> Vec<Choice> {
        let medium = self.medium(point);
        // A seed means something else at each point.
        let mut random = Random::new(point as u64);
        let seeds: Vec<u64> = (0..seeds).map(|_| random.next()).collect();
        let data = data_choices(&medium.changes, &seeds);
        let (whole, partial) = name_choices(medium.name_changes.len(), &seeds);
        let mut choices = Vec::new();
        for names in whole {
            choices.extend(data.iter().map(|data| Choice { data: *data, names }));
        }
        // The product of all would be mostly the same thing again.
        for names in partial {
            choices.extend(data.iter().take(2).map(|data| Choice { data: *data, names }));
        }
        choices
    }

    fn medium(&self, point: usize) -> Medium {
        let point = point.min(self.end());
        let mut medium = self.media.get(point / STRIDE).cloned().unwrap_or_default();
        let from = point / STRIDE * STRIDE;
        self.events.iter().take(point).skip(from).for_each(|event| medium.advance(event));
        medium
    }
}

/// The choices of data that differ. The first two are the extremes.
fn data_choices(changes: &[Pending], seeds: &[u64]) -> Vec<Data> {
    if changes.is_empty() {
        return vec![Data::All];
    }
    let mut choices = vec![Data::Nothing, Data::All, Data::ZeroTail];
    if let Some((position, bytes)) = last_write(changes) {
        for kept in tears(position, bytes) {
            choices.extend([Lost::Old, Lost::Zeros, Lost::First].map(|lost| Data::Torn { kept, lost }));
        }
    }
    choices.extend(seeds.iter().map(|seed| Data::Random(*seed)));
    choices
}

/// Names: those to try with all choices of data, and those to try with the extremes.
fn name_choices(changes: usize, seeds: &[u64]) -> (Vec<Names>, Vec<Names>) {
    match changes {
        0 => (vec![Names::All], Vec::new()),
        1 => (vec![Names::Nothing, Names::All], Vec::new()),
        2..=FEW => (vec![Names::Nothing, Names::All], (1..(1 << changes) - 1).map(Names::Only).collect()),
        _ => {
            let lone = (0..changes.min(64)).map(|change| Names::Only(1 << change));
            let lacking = (0..changes.min(64)).map(|change| Names::Only(!(1 << change)));
            let random = seeds.iter().map(|seed| Names::Random(*seed));
            (vec![Names::Nothing, Names::All], lone.chain(lacking).chain(random).collect())
        }
    }
}

/// Position and length of the last write that is not durable.
fn last_write(changes: &[Pending]) -> Option<(u64, u64)> {
    changes.iter().rev().find_map(|pending| match &pending.change {
        Change::Write { position, bytes } => Some((*position, bytes.len() as u64)),
        Change::Grow(_) => None,
    })
}

/// How many bytes of a write a tear may keep: up to the first and the last boundary of a sector and of a page,
/// half, one, and all but one.
fn tears(position: u64, bytes: u64) -> Vec<u64> {
    let end = position.saturating_add(bytes);
    let first = |unit: u64| (position / unit).saturating_add(1).saturating_mul(unit).saturating_sub(position);
    let last = |unit: u64| (end.saturating_sub(1) / unit * unit).saturating_sub(position);
    let mut tears = vec![first(SECTOR), last(SECTOR), first(PAGE), last(PAGE), bytes / 2, 1, bytes.saturating_sub(1)];
    tears.retain(|kept| (1..bytes).contains(kept));
    tears.sort_unstable();
    tears.dedup();
    tears
}

/// What a crash takes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cut {
    /// Something was on its way to the medium.
    pub(crate) half_done: bool,
    /// Bytes of writes that were not durable, or not begun: so many at most.
    pub(crate) lost_bytes: u64,
}

pub(super) fn cut(mut medium: Medium, events: &[Event], moment: usize, choice: Choice) -> (CrashFiles, Cut) {
    events.iter().take(moment).for_each(|event| medium.advance(event));
    let later: u64 = events.iter().skip(moment).map(|event| event.written()).sum();
    let pending: u64 = medium.changes.iter().map(|pending| pending.change.bytes()).sum();
    let whole = choice.data == Data::All;
    let half_done = !(medium.changes.is_empty() && medium.name_changes.is_empty());
    keep_data(&mut medium, choice.data);
    keep_names(&mut medium, choice.names);
    medium.forget_nameless();
    (CrashFiles::boot(medium), Cut { half_done, lost_bytes: later + if whole { 0 } else { pending } })
}

fn keep_data(medium: &mut Medium, data: Data) {
    let changes = std::mem::take(&mut medium.changes);
    let last = changes.iter().rposition(|pending| matches!(pending.change, Change::Write { .. }));
    let mut random = Random::new(if let Data::Random(seed) = data { seed } else { 0 });
    for (index, pending) in changes.iter().enumerate() {
        match data {
            Data::Nothing => {}
            Data::Torn { kept, lost } if Some(index) == last => tear(medium, pending, kept, lost),
            Data::All | Data::Torn { .. } => medium.apply(pending.inode, &pending.change),
            Data::ZeroTail => medium.apply(pending.inode, &Change::Grow(pending.change.end())),
            Data::Random(_) => match random.below(4) {
                0 => {}
                1 => {
                    let sectors = pending.change.bytes() / SECTOR + 1;
                    let lost = match random.below(3) {
                        0 => Lost::Old,
                        1 => Lost::Zeros,
                        _ => Lost::First,
                    };
                    let kept = random.below(sectors).saturating_add(1) * SECTOR;
                    let aligned = kept.saturating_sub(pending.change.position() % SECTOR);
                    tear(medium, pending, aligned, lost);
                }
                _ => medium.apply(pending.inode, &pending.change),
            },
        }
    }
}

/// Applies a write but for the part that a tear lost. A growth is whole, or in the same way not there.
fn tear(medium: &mut Medium, pending: &Pending, kept: u64, lost: Lost) {
    let Change::Write { position, bytes } = &pending.change else {
        return medium.apply(pending.inode, &pending.change);
    };
    let kept = usize::try_from(kept).unwrap_or(usize::MAX).min(bytes.len());
    let (Some(first), Some(others)) = (bytes.get(..kept), bytes.get(kept..)) else { return };
    let middle = position.saturating_add(kept as u64);
    let write = |position, part| Change::Write { position, bytes: bytes.slice_ref(part) };
    match lost {
        Lost::Old => medium.apply(pending.inode, &write(*position, first)),
        Lost::Zeros => {
            medium.apply(pending.inode, &write(*position, first));
            medium.clear(pending.inode, middle, others.len() as u64);
        }
        Lost::First => medium.apply(pending.inode, &write(middle, others)),
    }
}

fn keep_names(medium: &mut Medium, names: Names) {
    let changes: Vec<NameChange> = std::mem::take(&mut medium.name_changes);
    let mut random = Random::new(if let Names::Random(seed) = names { seed } else { 0 });
    for (index, change) in changes.iter().enumerate() {
        let kept = match names {
            Names::Nothing => false,
            Names::All => true,
            Names::Only(set) => index < 64 && set & (1 << index) != 0,
            Names::Random(_) => random.below(2) == 0,
        };
        if kept {
            medium.apply_name(change);
        }
    }
}
