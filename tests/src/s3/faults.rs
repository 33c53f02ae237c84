//! Faults, by rate or for the next request; every draw follows from the seed.

use std::collections::{BTreeMap, VecDeque};
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::pause::{Hold, Pauses};
use super::plan::{Draw, Plan};
use super::request::{Kind, Request};

/// What goes wrong with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// 500 `InternalError`, without effect.
    InternalError,
    /// 500 `InternalError`, and yet the effect came.
    InternalErrorAfter,
    /// 503 `SlowDown`, without effect.
    SlowDown,
    /// 409 `ConditionalRequestConflict`, without effect: for writes with a condition only.
    Conflict,
    /// The connection is reset, without effect.
    ResetBefore,
    /// The effect comes, then the connection is reset.
    ResetAfter,
    /// The effect comes, then the connection ends in good order, as a proxy that is restarted ends it. Some clients
    /// take this for a request that never left, and repeat it.
    ClosedAfter,
    /// The connection is reset, and the effect comes later: see [`Faults::late`].
    Late,
    /// No answer comes, the connection stays, and the effect comes later: see [`Faults::late`].
    Unanswered,
    /// Part of the body is sent, then the connection ends: for GETs with a body only.
    Truncated,
}

impl Fault {
    /// All faults.
    pub const ALL: [Self; 10] = [
        Self::InternalError,
        Self::InternalErrorAfter,
        Self::SlowDown,
        Self::Conflict,
        Self::ResetBefore,
        Self::ResetAfter,
        Self::ClosedAfter,
        Self::Late,
        Self::Unanswered,
        Self::Truncated,
    ];

    fn fits(self, request: &Request) -> bool {
        match self {
            Self::Conflict => {
                let writes = !matches!(request.kind, Kind::Get | Kind::Head | Kind::List);
                writes && request.is_conditional()
            }
            Self::Truncated => request.kind == Kind::Get,
            _ => true,
        }
    }
}

/// How long requests of a kind take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Latency {
    /// From the arrival of the last byte to the answer; the effect comes at a drawn moment between.
    pub fixed: Duration,
    /// One request in so many is slower; 0 for none.
    pub slow_one_in: u64,
    /// How many times slower it is.
    pub slow_times: u32,
    /// Bytes per second of one request's bodies; 0 for no limit.
    pub bytes_per_second: u64,
}

impl Latency {
    /// The same for every request.
    #[must_use]
    pub const fn fixed(fixed: Duration) -> Self {
        Self { fixed, slow_one_in: 0, slow_times: 1, bytes_per_second: 0 }
    }

    /// One request in `one_in` takes `times` as long.
    #[must_use]
    pub const fn with_slow(self, one_in: u64, times: u32) -> Self {
        Self { slow_one_in: one_in, slow_times: times, ..self }
    }

    /// A limit on the bytes per second of one request.
    #[must_use]
    pub const fn with_bandwidth(self, bytes_per_second: u64) -> Self {
        Self { bytes_per_second, ..self }
    }

    /// How long so many bytes are on their way.
    pub(super) fn transfer(&self, bytes: usize) -> Duration {
        let nanos = (bytes as u64).saturating_mul(1_000_000_000).checked_div(self.bytes_per_second);
        Duration::from_nanos(nanos.unwrap_or_default())
    }
}

/// A fault for one request to come.
#[derive(Debug)]
struct Once {
    kind: Kind,
    key: String,
    fault: Fault,
}

#[derive(Debug)]
struct State {
    seed: u64,
    rates: BTreeMap<(Kind, Fault), f64>,
    latencies: BTreeMap<Kind, Latency>,
    once: VecDeque<Once>,
    late: RangeInclusive<Duration>,
    /// Requests seen, by kind: the index of the next.
    seen: BTreeMap<Kind, u64>,
}

/// Handle to what a server does wrong; may be changed while requests run. Clones are one handle.
///
/// The n-th request of a kind meets what seed, kind and n say, whatever other kinds do.
#[derive(Clone, Debug)]
pub struct Faults {
    state: Arc<Mutex<State>>,
    pub(super) pauses: Arc<Pauses>,
}

impl Faults {
    pub(super) fn new(seed: u64) -> Self {
        let late = Duration::from_millis(2)..=Duration::from_millis(50);
        let (rates, latencies, once, seen) = Default::default();
        let state = State { seed, rates, latencies, once, late, seen };
        Self { state: Arc::new(Mutex::new(state)), pauses: Arc::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Draws anew from `seed`, from the first request of each kind on.
    pub fn seed(&self, seed: u64) {
        let mut state = self.lock();
        state.seed = seed;
        state.seen.clear();
    }

    /// From now on `share` (0 to 1) of the requests of this kind meet the fault. A request meets one fault at
    /// most; rates of one kind that add up to more than 1 leave nothing for the last of [`Fault::ALL`].
    pub fn rate(&self, kind: Kind, fault: Fault, share: f64) {
        self.lock().rates.insert((kind, fault), share.clamp(0.0, 1.0));
    }

    /// [`Faults::rate`] for every kind. Where a fault does not fit a request, the request goes well.
    pub fn rate_of_all(&self, fault: Fault, share: f64) {
        for kind in Kind::ALL {
            self.rate(kind, fault, share);
        }
    }

    /// The next request of this kind meets the fault. Of several such calls each takes one request, in turn.
    pub fn once(&self, kind: Kind, fault: Fault) {
        self.once_at(kind, "", fault);
    }

    /// The next request of this kind whose key contains `key` meets the fault.
    pub fn once_at(&self, kind: Kind, key: &str, fault: Fault) {
        self.lock().once.push_back(Once { kind, key: key.to_owned(), fault });
    }

    /// Faults of [`Faults::once`] that no request has met yet.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.lock().once.len()
    }

    /// How long requests of this kind take.
    pub fn latency(&self, kind: Kind, latency: Latency) {
        self.lock().latencies.insert(kind, latency);
    }

    /// [`Faults::latency`] for every kind.
    pub fn latency_of_all(&self, latency: Latency) {
        for kind in Kind::ALL {
            self.latency(kind, latency);
        }
    }

    /// How long after its connection the effect of a [`Fault::Late`] or [`Fault::Unanswered`] comes: drawn from `delay`.
    pub fn late(&self, delay: RangeInclusive<Duration>) {
        self.lock().late = delay;
    }

    /// No rates, no latencies and nothing for the next requests any more. What is held stays held.
    pub fn clear(&self) {
        let mut state = self.lock();
        state.rates.clear();
        state.latencies.clear();
        state.once.clear();
    }

    /// Holds every request of the client with this access key, from now on, until it is released. A request whose
    /// client gives up meanwhile is carried out all the same when it is released: so does a zombie's late write.
    pub fn pause(&self, access_key: &str, hold: Hold) {
        self.pauses.pause(access_key, hold);
    }

    /// Lets go what [`Faults::pause`] held.
    pub fn release(&self, access_key: &str) {
        self.pauses.release(access_key);
    }

    /// Lets every client go.
    pub fn release_all(&self) {
        self.pauses.release_all();
    }

    /// Requests of this client that are held now.
    #[must_use]
    pub fn held(&self, access_key: &str) -> usize {
        self.pauses.held(access_key)
    }

    /// Waits until at least `count` requests of this client are held.
    pub async fn until_held(&self, access_key: &str, count: usize) {
        self.pauses.until(|pauses| pauses.held(access_key) >= count).await;
    }

    /// What the next request meets.
    pub(super) fn plan(&self, request: &Request) -> Plan {
        let mut state = self.lock();
        let index = state.seen.entry(request.kind).or_default();
        let mut draw = Draw::new(request.kind, *index);
        *index += 1;
        draw.mix(state.seed);
        let fits =
            |once: &Once| once.kind == request.kind && request.key.contains(&once.key) && once.fault.fits(request);
        let once = state.once.iter().position(fits).and_then(|at| state.once.remove(at));
        // Every request draws the same number of times, so that a change of rates moves no other draw.
        let share = draw.share();
        let drawn = state.drawn(request, share);
        let latency = state.latencies.get(&request.kind).copied().unwrap_or_default();
        Plan::new(&mut draw, once.map(|once| once.fault).or(drawn), latency, &state.late, request.body.len())
    }
}

impl State {
    fn drawn(&self, request: &Request, share: f64) -> Option<Fault> {
        let mut upto = 0.0;
        for fault in Fault::ALL {
            upto += self.rates.get(&(request.kind, fault)).copied().unwrap_or_default();
            if share < upto {
                return fault.fits(request).then_some(fault);
            }
        }
        None
    }
}
