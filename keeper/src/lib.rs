//! Spillway's keeper: it pays every withdrawal exactly once, in batches, and can prove it.

pub mod books;
pub mod chain;
pub mod clock;
pub mod domain;
pub mod store;
