//! Named steps at which a test kills the process, to show that `kill -9` is a normal event there.

/// Every step between a batch's commit and its end, in order.
pub const POINTS: [&str; 9] = [
    "batch.committed",
    "attempt.committed",
    "generation.written",
    "attempt.sent",
    "broadcast.recorded",
    "mined.seen",
    "mined.recorded",
    "final.applied",
    "final.recorded",
];

/// Every step of a release after a deadline.
pub const DEADLINE_POINTS: [&str; 2] = ["deadline.void.committed", "deadline.released"];

/// Every step between an approver's signature and the batch's commit.
pub const REVIEW_POINTS: [&str; 1] = ["approval.committed"];

/// Every step of an export to Parquet files.
pub const EXPORT_POINTS: [&str; 4] = ["export.begun", "export.written", "export.renamed", "export.recorded"];

/// Every step of a margin duty.
pub const MARGIN_POINTS: [&str; 2] = ["margin.committed", "margin.sent"];

/// Every step of a swap.
pub const SWAP_POINTS: [&str; 3] = ["swap.planned", "swap.committed", "swap.sent"];

/// Dies here, as by `kill -9`, when the environment variable `SPILLWAY_CRASH_AT` names this step. Only in a build
/// with the feature `crash-points`.
#[cfg(feature = "crash-points")]
pub fn point(name: &str) {
    let known = [&POINTS[..], &DEADLINE_POINTS, &REVIEW_POINTS, &EXPORT_POINTS, &MARGIN_POINTS, &SWAP_POINTS];
    debug_assert!(known.iter().any(|points| points.contains(&name)), "{name} is missing in POINTS");
    if std::env::var("SPILLWAY_CRASH_AT").is_ok_and(|at| at == name) {
        let me = std::process::id().to_string();
        let _ = std::process::Command::new("kill").args(["-9", &me]).status();
        std::process::abort();
    }
}

/// Nothing, in a build for use.
#[cfg(not(feature = "crash-points"))]
pub fn point(_name: &str) {}
