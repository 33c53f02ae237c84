//! One request, some of whose parts the broker is never asked about.

use ottla_broker_core::error::{Error, ErrorCode};

/// The parts of a request that are for the broker, with the place of those that were refused before it.
pub(super) struct Interleaved(Vec<Option<Error>>);

impl Interleaved {
    /// Takes the good parts out.
    pub(super) fn split<T>(parts: impl IntoIterator<Item = Result<T, Error>>) -> (Vec<T>, Self) {
        let parts = parts.into_iter();
        let mut good = Vec::with_capacity(parts.size_hint().0);
        let refused = parts.map(|part| match part {
            Ok(part) => {
                good.push(part);
                None
            }
            Err(error) => Some(error),
        });
        let refused = refused.collect();
        (good, Self(refused))
    }

    /// Whether any was refused.
    pub(super) fn any_refused(&self) -> bool {
        self.0.iter().any(Option::is_some)
    }

    /// One answer a part, in order: `answers` are about the good ones.
    pub(super) fn join<A>(
        self,
        answers: impl IntoIterator<Item = Result<A, Error>>,
    ) -> impl Iterator<Item = Result<A, Error>> {
        let mut answers = answers.into_iter();
        self.0.into_iter().map(move |refused| match refused {
            Some(error) => Err(error),
            None => answers.next().unwrap_or_else(|| Err(ErrorCode::UnknownServerError.into())),
        })
    }

    /// The same error for all that was asked of the broker.
    pub(super) fn all_refused<A>(self, error: &Error) -> impl Iterator<Item = Result<A, Error>> {
        self.join(std::iter::repeat(error.clone()).map(Err))
    }
}
