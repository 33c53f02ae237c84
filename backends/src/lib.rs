//! Storage backends of Ottla.
