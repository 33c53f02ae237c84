//! Fetch sessions (KIP-227): a client names its partitions once, and then only what changes.
//!
//! Source: Kafka's `FetchSession.scala`. A session is a cache that a client can do without: with too many of
//! them, or with one that was not used for long enough to make room, the client is told so and names all its
//! partitions again.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ottla_broker_core::TopicName;
use ottla_broker_core::env::{Env, Moment};
use ottla_broker_core::error::ErrorCode;
use ottla_broker_core::planted::is_planted;
use ottla_wire::TopicRef;
use ottla_wire::messages::{Fetch, FetchPartition, FetchRequest, FetchedPartition};
use rustc_hash::FxHashMap;

/// A session that was used within this time is not given up for another one (Kafka's
/// `min.incremental.fetch.session.eviction.ms`).
const KEPT: Duration = Duration::from_mins(2);
/// Kafka's code for a session that began with names and goes on with ids, or the other way round.
const TOPIC_ID_ERROR: ErrorCode = ErrorCode::Other(106);

/// No session, and none wanted.
const FINAL_EPOCH: i32 = -1;
/// All partitions are named; a session is wanted.
const INITIAL_EPOCH: i32 = 0;

/// A partition within a session, and what its client was told last.
#[derive(Clone, Debug)]
struct Cached {
    wanted: FetchPartition,
    high_watermark: i64,
    log_start_offset: i64,
}

impl Cached {
    const fn new(wanted: FetchPartition) -> Self {
        // Nothing was told: the first answer is news.
        Self { wanted, high_watermark: -1, log_start_offset: -1 }
    }

    /// Whether `answer` says what the client does not know; remembers what it says.
    fn is_news(&mut self, answer: &FetchedPartition) -> bool {
        let has_records = answer.records.as_ref().is_some_and(|records| !records.is_empty());
        let moved = self.high_watermark != answer.high_watermark || self.log_start_offset != answer.log_start_offset;
        self.high_watermark = answer.high_watermark;
        self.log_start_offset = answer.log_start_offset;
        // An error's watermarks are −1: what comes after it is news again.
        has_records || moved || answer.error.is_some() || is_planted("fetch-session-tells-all")
    }
}

type Partitions = BTreeMap<(TopicRef, i32), Cached>;

#[derive(Debug)]
struct Session {
    by_id: bool,
    /// What the next request must say.
    epoch: i32,
    used: Moment,
    partitions: Partitions,
}

/// All sessions of a server.
#[derive(Debug)]
pub(crate) struct Sessions {
    slots: usize,
    most_partitions: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    sessions: FxHashMap<i32, Arc<Mutex<Session>>>,
    /// Over all of them.
    partitions: usize,
}

/// A fetch that has begun.
#[derive(Debug)]
pub(crate) struct Begun {
    kind: Kind,
    by_id: bool,
    partitions: Vec<(TopicRef, FetchPartition)>,
}

#[derive(Debug)]
enum Kind {
    /// Whoever asks wants no session.
    Without,
    /// A session is wanted.
    Full,
    Incremental {
        id: i32,
        session: Arc<Mutex<Session>>,
    },
}

impl Begun {
    /// What is to be fetched.
    pub(crate) fn partitions(&self) -> &[(TopicRef, FetchPartition)] {
        &self.partitions
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The epoch after: 1 follows the greatest, so that it is never taken for the first.
const fn next_epoch(epoch: i32) -> i32 {
    if epoch == i32::MAX { 1 } else { epoch + 1 }
}

/// Whether each name is one that a topic can have. Others are told so and never remembered: they may be as
/// long as a request, and partitions are counted, not bytes.
fn has_only_names(request: &FetchRequest) -> bool {
    let is_name = |topic: &TopicRef| match topic {
        TopicRef::Name(name) => TopicName::new(&**name).is_ok(),
        TopicRef::Id(_) => true,
    };
    request.topics.iter().all(|one| is_name(&one.topic)) || is_planted("fetch-session-keeps-any-name")
}

impl Sessions {
    pub(crate) fn new(slots: usize, most_partitions: usize) -> Self {
        Self { slots, most_partitions, state: Mutex::default() }
    }

    /// What `request` comes to.
    ///
    /// # Errors
    /// `FETCH_SESSION_ID_NOT_FOUND`, `INVALID_FETCH_SESSION_EPOCH`, `FETCH_SESSION_TOPIC_ID_ERROR`: the client begins
    /// a new session.
    pub(crate) fn begin(&self, request: &FetchRequest, version: i16, env: &Env) -> Result<Begun, ErrorCode> {
        let asked = request.session();
        let by_id = version >= Fetch::IDS_FROM;
        let named = || request.partitions().map(|(topic, part)| (topic.clone(), part.clone()));
        let mut state = lock(&self.state);
        if asked.epoch == INITIAL_EPOCH || asked.epoch == FINAL_EPOCH {
            state.remove(asked.id);
            let is_wanted = asked.epoch == INITIAL_EPOCH && has_only_names(request);
            let kind = if is_wanted { Kind::Full } else { Kind::Without };
            return Ok(Begun { kind, by_id, partitions: named().collect() });
        }
        let session = state.sessions.get(&asked.id).map(Arc::clone).ok_or(ErrorCode::FetchSessionIdNotFound)?;
        let mut held = lock(&session);
        if held.epoch != asked.epoch && !is_planted("fetch-session-epoch-unchecked") {
            return Err(ErrorCode::InvalidFetchSessionEpoch);
        }
        if held.by_id != by_id {
            return Err(TOPIC_ID_ERROR);
        }
        if !has_only_names(request) {
            drop(held);
            state.remove(asked.id);
            return Err(ErrorCode::FetchSessionIdNotFound);
        }
        let before = held.partitions.len();
        for (topic, part) in named() {
            match held.partitions.get_mut(&(topic.clone(), part.partition)) {
                Some(known) => known.wanted = part,
                None => {
                    held.partitions.insert((topic, part.partition), Cached::new(part));
                }
            }
        }
        for forgotten in request.forgotten.iter().filter(|_| !is_planted("fetch-session-forgets-nothing")) {
            for partition in &forgotten.partitions {
                held.partitions.remove(&(forgotten.topic.clone(), *partition));
            }
        }
        state.partitions = (state.partitions + held.partitions.len()).saturating_sub(before);
        held.epoch = next_epoch(held.epoch);
        held.used = env.now();
        let partitions: Vec<_> =
            held.partitions.iter().map(|((topic, _), cached)| (topic.clone(), cached.wanted.clone())).collect();
        drop(held);
        if state.partitions > self.most_partitions {
            state.remove(asked.id);
            return Err(ErrorCode::FetchSessionIdNotFound);
        }
        if partitions.is_empty() {
            // Nothing is left to remember (as in Kafka).
            state.remove(asked.id);
            return Ok(Begun { kind: Kind::Without, by_id, partitions });
        }
        Ok(Begun { kind: Kind::Incremental { id: asked.id, session }, by_id, partitions })
    }

    /// What the client is told: its session's id, 0 for none, and the answers that are news to it. `answers` are in
    /// the order of [`Begun::partitions`].
    pub(crate) fn conclude(
        &self,
        begun: Begun,
        mut answers: Vec<(TopicRef, FetchedPartition)>,
        env: &Env,
    ) -> (i32, Vec<(TopicRef, FetchedPartition)>) {
        match begun.kind {
            Kind::Without => (0, answers),
            Kind::Full => {
                let mut partitions = Partitions::new();
                for ((topic, part), (_, answer)) in begun.partitions.into_iter().zip(&answers) {
                    let key = (topic, part.partition);
                    let mut cached = Cached::new(part);
                    cached.is_news(answer);
                    partitions.insert(key, cached);
                }
                (self.open(partitions, begun.by_id, env), answers)
            }
            Kind::Incremental { id, session } => {
                let mut held = lock(&session);
                answers.retain(|(topic, answer)| {
                    let key = (topic.clone(), answer.partition);
                    held.partitions.get_mut(&key).is_none_or(|cached| cached.is_news(answer))
                });
                (id, answers)
            }
        }
    }

    /// A new session's id; 0 if there is no room for one.
    fn open(&self, partitions: Partitions, by_id: bool, env: &Env) -> i32 {
        let mut state = lock(&self.state);
        let now = env.now();
        if partitions.is_empty() || self.slots == 0 {
            return 0;
        }
        if state.sessions.len() >= self.slots {
            let oldest = state.sessions.iter().map(|(id, session)| (lock(session).used, *id)).min();
            match oldest {
                Some((used, id)) if now.since(used) > KEPT => {
                    state.remove(id);
                    metrics::counter!("ottla_server_fetch_sessions_evicted_total").increment(1);
                }
                _ => return 0,
            }
        }
        if state.partitions + partitions.len() > self.most_partitions {
            return 0;
        }
        let id = loop {
            let id = i32::try_from(env.random_below(i32::MAX.unsigned_abs().into())).unwrap_or(0).saturating_add(1);
            if !state.sessions.contains_key(&id) {
                break id;
            }
        };
        state.partitions += partitions.len();
        let session = Session { by_id, epoch: 1, used: now, partitions };
        state.sessions.insert(id, Arc::new(Mutex::new(session)));
        id
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        lock(&self.state).sessions.len()
    }
}

impl State {
    fn remove(&mut self, id: i32) {
        if let Some(session) = self.sessions.remove(&id) {
            self.partitions = self.partitions.saturating_sub(lock(&session).partitions.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use ottla_wire::messages::FetchTopic;

    use super::*;

    fn request(partitions: i32, session_id: i32, session_epoch: i32) -> FetchRequest {
        let partitions =
            (0..partitions).map(|partition| FetchPartition { partition, ..FetchPartition::default() }).collect();
        let topics = vec![FetchTopic { topic: TopicRef::Name("topic".into()), partitions }];
        FetchRequest { topics, session_id, session_epoch, ..FetchRequest::default() }
    }

    /// Begins a session of `partitions` and returns its id.
    fn open(sessions: &Sessions, partitions: i32, env: &Env) -> i32 {
        let begun = sessions.begin(&request(partitions, 0, INITIAL_EPOCH), 12, env).unwrap();
        let answer = |(topic, part): &(TopicRef, FetchPartition)| {
            (topic.clone(), FetchedPartition { partition: part.partition, ..FetchedPartition::default() })
        };
        let answers = begun.partitions().iter().map(answer).collect();
        sessions.conclude(begun, answers, env).0
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_goes_for_another_only_when_it_was_not_used_for_long() {
        let env = Env::seeded(1);
        let sessions = Sessions::new(2, 1_000);
        let (one, two) = (open(&sessions, 1, &env), open(&sessions, 1, &env));
        assert!(one > 0 && two > 0 && one != two);
        assert_eq!(open(&sessions, 1, &env), 0, "both are young");
        env.sleep(KEPT).await;
        sessions.begin(&request(1, two, 1), 12, &env).unwrap();
        env.sleep(Duration::from_secs(1)).await;
        let three = open(&sessions, 1, &env);
        assert!(three > 0);
        let lost = sessions.begin(&request(1, one, 1), 12, &env).unwrap_err();
        assert_eq!(lost, ErrorCode::FetchSessionIdNotFound);
        sessions.begin(&request(1, two, 2), 12, &env).unwrap();
        assert_eq!(sessions.len(), 2);
    }

    #[test]
    fn sessions_remember_so_many_partitions_and_no_more() {
        let env = Env::seeded(1);
        let sessions = Sessions::new(10, 100);
        let one = open(&sessions, 60, &env);
        assert_eq!(open(&sessions, 60, &env), 0);
        // One that grows beyond them is given up, and leaves its room.
        let two = open(&sessions, 30, &env);
        assert_eq!(sessions.begin(&request(90, one, 1), 12, &env).unwrap_err(), ErrorCode::FetchSessionIdNotFound);
        assert!(two > 0 && open(&sessions, 60, &env) > 0);
    }

    #[test]
    fn names_that_no_topic_can_have_are_not_remembered() {
        let env = Env::seeded(1);
        let sessions = Sessions::new(10, 100);
        let mut full = request(1, 0, INITIAL_EPOCH);
        full.topics[0].topic = TopicRef::Name("x".repeat(30_000).into());
        let begun = sessions.begin(&full, 12, &env).unwrap();
        assert_eq!(begun.partitions().len(), 1, "it is answered");
        assert_eq!(sessions.conclude(begun, vec![Default::default()], &env).0, 0);
        // A session to which one is added is over: its client says all again, and hears what is wrong.
        let one = open(&sessions, 1, &env);
        let more = FetchRequest { session_id: one, session_epoch: 1, ..full };
        assert_eq!(sessions.begin(&more, 12, &env).unwrap_err(), ErrorCode::FetchSessionIdNotFound);
        assert_eq!(sessions.len(), 0);
    }

    #[test]
    fn names_and_ids_do_not_mix() {
        let env = Env::seeded(1);
        let sessions = Sessions::new(10, 100);
        let one = open(&sessions, 1, &env);
        assert_eq!(sessions.begin(&request(1, one, 1), 13, &env).unwrap_err(), TOPIC_ID_ERROR);
    }

    #[test]
    fn the_first_epoch_does_not_come_again() {
        assert_eq!((next_epoch(1), next_epoch(i32::MAX)), (2, 1));
    }
}
