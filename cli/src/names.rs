//! Names on the command line.

use ottla::TopicName;

/// # Errors
/// Why no topic can have that name.
pub(crate) fn topic(text: &str) -> Result<TopicName, String> {
    TopicName::new(text).map_err(|error| error.to_string())
}
