//! Why a codec refused.

use std::sync::Arc;

/// A codec refused a value or bytes: which codec, and why.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{codec}: {message}")]
pub struct Error {
    /// The codec, by its name.
    pub codec: &'static str,
    /// What it did not like.
    pub message: String,
    /// The other library's error that `message` quotes, if there was one.
    pub cause: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error of the codec called `codec`.
    pub fn new(codec: &'static str, message: impl Into<String>) -> Self {
        Self { codec, message: message.into(), cause: None }
    }

    /// An error of the codec called `codec`, for which another library's error is the reason.
    pub fn from_source(codec: &'static str, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self { codec, message: source.to_string(), cause: Some(Arc::new(source)) }
    }
}
