//! Answers that stand in the order of their questions, and those that do not; and errors with their words.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use ottla_broker_core::error::{Error, ErrorCode};
use ottla_broker_core::planted::is_planted;

/// The longest message that an error takes over the wire, in bytes: it is for people, and a text has 32,767 at most.
const WORDS: usize = 2_000;

/// Answers in the order of the request.
pub(crate) struct InOrder<I>(I);

impl<T, I: Iterator<Item = Result<T, Error>>> InOrder<I> {
    pub(crate) fn new(answers: impl IntoIterator<IntoIter = I>) -> Self {
        Self(answers.into_iter())
    }

    /// The next one; `UNKNOWN_SERVER_ERROR` if there are too few.
    pub(crate) fn next(&mut self) -> Result<T, Error> {
        self.0.next().unwrap_or_else(|| Err(ErrorCode::UnknownServerError.into()))
    }
}

/// Answers by what they are about, to be taken out in the order of the request.
pub(crate) struct Keyed<K, P>(BTreeMap<K, P>);

impl<K: Ord + fmt::Debug, P> Keyed<K, P> {
    pub(crate) fn new(answers: impl IntoIterator<Item = (K, P)>) -> Self {
        Self(answers.into_iter().collect())
    }

    /// The answer about one of them.
    ///
    /// # Errors
    /// `UNKNOWN_SERVER_ERROR` if the server has said nothing about it.
    pub(crate) fn take(&mut self, key: &K) -> Result<P, Error> {
        self.0
            .remove(key)
            .ok_or_else(|| Error::new(ErrorCode::UnknownServerError, format!("the broker said nothing about {key:?}")))
    }
}

/// An error's words, as messages carry them.
pub(crate) fn words(error: &Error) -> Option<Arc<str>> {
    let message = error.message.as_str();
    let mut end = message.len().min(if is_planted("words-not-cut") { usize::MAX } else { WORDS });
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    message.get(..end).map(Arc::from)
}

/// The error about something, with the broker's own words if it has any.
pub(crate) fn told(code: ErrorCode, about: impl fmt::Display, message: Option<&str>) -> Error {
    Error::new(code, format!("{about}: {}", message.filter(|text| !text.is_empty()).unwrap_or(code.text())))
}

/// What an answer with an error code comes to.
pub(crate) fn outcome(error: Option<ErrorCode>, about: impl fmt::Display, message: Option<&str>) -> Result<(), Error> {
    error.map_or(Ok(()), |code| Err(told(code, about, message)))
}
