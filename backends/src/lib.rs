//! Storage backends of Ottla: implementations of the traits of [`ottla_broker_core::log`] and
//! [`ottla_broker_core::replica`].
//!
//! | feature | module | what |
//! |---|---|---|
//! | `memory` (default) | [`memory`] | everything in this process's memory, for tests, caches and simulations |
//! | `decorators` | [`decorators`] | storage that fails, is slow or counts, around any other, for tests |
//!
//! Every backend passes the suites of `ottla_broker_core::conformance`.
//!
//! ```
//! # #[cfg(feature = "memory")] {
//! let backend = ottla_backends::memory::backend();
//! assert_eq!(backend.logs.durability(), ottla_broker_core::log::Durability::Memory);
//! # }
//! ```

#[cfg(feature = "decorators")]
pub mod decorators;
#[cfg(feature = "memory")]
pub mod memory;
