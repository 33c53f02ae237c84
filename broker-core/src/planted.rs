//! Known bugs that a test build can put back, to see that a test catches each.
//!
//! Compiled to `false` unless the feature `planted-bugs` is on; then the environment variable
//! `OTTLA_PLANTED_BUG` names the one bug of this process. The catalogue, with the test that catches
//! each, is `tests/planted.toml`; `tests/planted` plants them one by one.

/// Whether the bug called `name` is planted in this process.
#[cfg(feature = "planted-bugs")]
#[must_use]
pub fn is_planted(name: &str) -> bool {
    static NAME: std::sync::OnceLock<Option<String>> = std::sync::OnceLock::new();
    NAME.get_or_init(|| std::env::var("OTTLA_PLANTED_BUG").ok()).as_deref() == Some(name)
}

/// Whether the bug called `name` is planted in this process: never, without the feature `planted-bugs`.
#[cfg(not(feature = "planted-bugs"))]
#[inline(always)]
#[must_use]
pub const fn is_planted(_name: &str) -> bool {
    false
}
