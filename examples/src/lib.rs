//! What the example programs share. Each program is one file in `src/bin` and shows one thing.

pub mod generator;
