//! Suites of Ottla that cross crates.
