//! The broker on the memory backend: one start to the next, two on one storage, and its metadata writer.

mod admin;
mod lifecycle;
mod metadata;
mod support;
