//! The format of a chunk.
