//! Example programs of Ottla.
