//! The catalogue of planted bugs.

use serde::Deserialize;

/// `planted.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalogue {
    /// Its entries.
    pub bug: Vec<Bug>,
}

/// A known bug that a switch in the code puts back, and the test that must then fail.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bug {
    /// The name in `is_planted("…")`.
    pub name: String,
    /// The rule that it breaks.
    pub breaks: String,
    /// The package of the test.
    pub package: String,
    /// The full path of the test within its binary.
    pub test: String,
}

impl Catalogue {
    /// The catalogue that is part of this crate.
    ///
    /// # Errors
    /// When the file does not parse; the message says where.
    pub fn load() -> Result<Self, toml::de::Error> {
        toml::from_str(include_str!("../planted.toml"))
    }
}
