//! Settings from TOML.

mod error;
mod nearest;
mod section;

pub use error::Error;
pub(crate) use nearest::nearest;
pub(crate) use section::Section;
