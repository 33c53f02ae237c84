//! From "everybody keeps what they have" to balanced, with few moves.
//!
//! Balanced means that no *chain* makes shares more even: `a` passes a partition to someone, who passes
//! one on, … to `b`, who had two less than `a`. Without such a chain the sum of squares is the least
//! possible (Harvey, Ladner, Lovász, Tamir: "Semi-matchings for bipartite graphs and load balancing",
//! 2006). Single passes do nearly all of it in `O(n log n)`; chains finish what remains.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use super::board::{Board, ClassNumber, Place};

/// How often single passes go over all classes before chains take over: one finds nearly everything,
/// and chains find whatever is left.
const SWEEPS: usize = 4;

/// Gives every loose partition to whoever wants it and has least; those that few want come first, as they
/// have the least choice.
pub(super) fn fill(board: &mut Board<'_>) {
    let mut order: Vec<usize> = (0..board.classes.len()).collect();
    order.sort_by_key(|class| board.classes.get(*class).map_or(0, |class| class.members.len()));
    for at in order {
        let Some(class) = board.classes.get_mut(at) else { continue };
        let loose = std::mem::take(&mut class.loose);
        if loose.is_empty() {
            continue;
        }
        let members = std::mem::take(&mut class.members);
        let mut least: BinaryHeap<_> = members.iter().map(|place| Reverse((board.load(*place), *place))).collect();
        for number in loose {
            let Some(mut top) = least.peek_mut() else { break };
            let Reverse((load, place)) = *top;
            board.give(place, number_of(at), number);
            *top = Reverse((load + 1, place));
        }
        if let Some(class) = board.classes.get_mut(at) {
            class.members = members;
        }
    }
}

/// Moves partitions until no chain helps: first only those that were loose, then, if that was not enough,
/// what was kept.
///
/// The order makes the second round of a cooperative rebalance quiet. What the first withheld is loose
/// then, it has a place in the even division that the first found, and so moving loose partitions alone
/// gets there; after which no chain is left that could take a kept one.
pub(super) fn level(board: &mut Board<'_>) {
    level_movable(board);
    board.unpin();
    level_movable(board);
}

fn level_movable(board: &mut Board<'_>) {
    for _ in 0..SWEEPS {
        let mut moved = false;
        for class in 0..board.classes.len() {
            moved |= sweep(board, class);
        }
        if !moved {
            break;
        }
    }
    Chains::new(board).run(board);
}

fn number_of(at: usize) -> ClassNumber {
    ClassNumber::try_from(at).unwrap_or(ClassNumber::MAX)
}

/// Within one class, passes from whoever has most to whoever has least while they are two apart.
fn sweep(board: &mut Board<'_>, at: usize) -> bool {
    let class = number_of(at);
    let Some(members) = board.classes.get_mut(at).map(|class| std::mem::take(&mut class.members)) else { return false };
    let (mut lowest, mut highest) = (u32::MAX, 0);
    for place in &members {
        let load = board.load(*place);
        lowest = lowest.min(load);
        if load > highest && board.movable(*place, class) > 0 {
            highest = load;
        }
    }
    let mut moved = false;
    if highest >= lowest.saturating_add(2) {
        let mut least: BinaryHeap<_> = members.iter().map(|place| Reverse((board.load(*place), *place))).collect();
        let mut most: BinaryHeap<_> = members.iter().map(|place| (board.load(*place), Reverse(*place))).collect();
        // An entry is stale once its load has changed; a fresh one was pushed then.
        while let (Some(&(high, Reverse(from))), Some(&Reverse((low, to)))) = (most.peek(), least.peek()) {
            if high != board.load(from) || board.movable(from, class) == 0 {
                most.pop();
            } else if low != board.load(to) {
                least.pop();
            } else if high < low + 2 {
                break;
            } else {
                board.pass(from, class, to);
                moved = true;
                for place in [from, to] {
                    most.push((board.load(place), Reverse(place)));
                    least.push(Reverse((board.load(place), place)));
                }
            }
        }
    }
    if let Some(class) = board.classes.get_mut(at) {
        class.members = members;
    }
    moved
}

/// The search for chains. From whoever has most, breadth first; where it finds nobody with two less,
/// all whom it reached are *settled*: what they can pass on stays among them, so no later chain gains
/// by entering. Hence every search either evens something or settles someone for good.
struct Chains {
    settled: Vec<bool>,
    /// The search in which a member, a class, was last reached.
    member_seen: Vec<u32>,
    class_seen: Vec<u32>,
    /// From whom, and by which class, a member was reached.
    reached_by: Vec<(Place, ClassNumber)>,
    search: u32,
}

impl Chains {
    fn new(board: &Board<'_>) -> Self {
        let members = board.loads.len();
        Self {
            settled: vec![false; members],
            member_seen: vec![0; members],
            class_seen: vec![0; board.classes.len()],
            reached_by: vec![(0, 0); members],
            search: 0,
        }
    }

    fn run(mut self, board: &mut Board<'_>) {
        let mut most: BinaryHeap<(u32, Reverse<Place>)> =
            (0..).zip(&board.loads).map(|(place, load)| (*load, Reverse(place))).collect();
        while let Some((load, Reverse(from))) = most.pop() {
            // Nobody can have two less than one.
            if load < 2 {
                break;
            }
            if load != board.load(from) || self.settled.get(from as usize).copied().unwrap_or(true) {
                continue;
            }
            if let Some(to) = self.find(board, from, load) {
                self.shift(board, from, to);
                most.push((board.load(from), Reverse(from)));
                most.push((board.load(to), Reverse(to)));
            }
        }
    }

    /// The nearest member with at least two less than `load`; settles all that were reached if there is none.
    fn find(&mut self, board: &Board<'_>, from: Place, load: u32) -> Option<Place> {
        self.search += 1;
        let mut reached = vec![from];
        let mut queue = VecDeque::from([from]);
        if let Some(seen) = self.member_seen.get_mut(from as usize) {
            *seen = self.search;
        }
        while let Some(giver) = queue.pop_front() {
            let hand = board.hands.get(giver as usize).into_iter().flat_map(|hand| hand.keys().copied());
            for class in hand.filter(|class| board.movable(giver, *class) > 0) {
                let Some(seen) = self.class_seen.get_mut(class as usize).filter(|seen| **seen != self.search) else {
                    continue;
                };
                *seen = self.search;
                for &taker in board.classes.get(class as usize).into_iter().flat_map(|class| &class.members) {
                    let at = taker as usize;
                    let (Some(seen), Some(by)) = (self.member_seen.get_mut(at), self.reached_by.get_mut(at)) else {
                        continue;
                    };
                    if *seen == self.search || self.settled.get(at).copied().unwrap_or(true) {
                        continue;
                    }
                    *seen = self.search;
                    *by = (giver, class);
                    if board.load(taker) + 2 <= load {
                        return Some(taker);
                    }
                    reached.push(taker);
                    queue.push_back(taker);
                }
            }
        }
        for place in reached {
            if let Some(settled) = self.settled.get_mut(place as usize) {
                *settled = true;
            }
        }
        None
    }

    /// Passes along the chain just found as much as evens its ends.
    fn shift(&self, board: &mut Board<'_>, from: Place, to: Place) {
        let mut links = Vec::new();
        let mut taker = to;
        while taker != from {
            let Some(&(giver, class)) = self.reached_by.get(taker as usize) else { return };
            links.push((giver, class, taker));
            taker = giver;
        }
        let even = (board.load(from) - board.load(to)) / 2;
        let times = links.iter().map(|(giver, class, _)| board.movable(*giver, *class)).fold(even, u32::min);
        for (giver, class, taker) in links {
            for _ in 0..times {
                board.pass(giver, class, taker);
            }
        }
    }
}
