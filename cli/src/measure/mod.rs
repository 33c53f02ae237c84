//! Measuring: what was seen, its spread, CPU time, and the limits of the machine in the same run.
//!
//! A time on a shared machine says little; a ratio to a limit taken in the same run says much. So whoever measures runs
//! its limit and its cases in turn, several times, and prints the median with the least and the greatest.

mod figure;
mod limits;
mod network;
mod samples;
mod watch;

pub use figure::{bytes, figure, time};
pub use limits::{append, append_latencies, check_bytes, copy_and_check};
pub use network::{ping_pong, stream};
pub use samples::Samples;
pub use watch::{Resident, Spent, Watch, cpu_time, cpu_time_of, resident};
