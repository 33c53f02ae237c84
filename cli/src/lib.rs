//! What the command line `ottla` measures with, for programs that measure too: the project's benches.
//!
//! The command line itself is the binary of this package; `ottla --help` describes it.
//!
//! ```
//! use ottla_cli::measure::{Samples, figure};
//!
//! let mut rates = Samples::default();
//! rates.push(1_000_000.0);
//! rates.push(1_200_000.0);
//! rates.push(1_100_000.0);
//! assert_eq!(rates.to_string(), "1.10M (1.00M–1.20M)");
//! assert_eq!(figure(512.0), "512");
//! ```

pub mod measure;
