//! Spillway's keeper: it pays every withdrawal exactly once, in batches, and can prove it.

pub mod api;
pub mod books;
pub mod chain;
pub mod cli;
pub mod clock;
pub mod config;
pub mod crash;
pub mod deployment;
pub mod domain;
pub mod explain;
pub mod export;
pub mod keeper;
pub mod margin;
pub mod observe;
pub mod otlp;
pub mod purse;
pub mod report;
pub mod stages;
pub mod step;
pub mod store;
pub mod swap;
pub mod tenure;
pub mod trace;
