//! The broker on the memory backend: one start to the next, two on one storage, and its metadata writer.

mod admin;
mod chaos;
mod copying;
mod lifecycle;
mod limits;
mod metadata;
mod support;
mod time;
