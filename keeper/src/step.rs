//! A step of a loop: bounded in time, and a mistake in it ends the step and not the loop.

use futures::FutureExt;
use std::{future::Future, panic::AssertUnwindSafe, time::Duration};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

/// What came of a step; none when it takes longer than `limit`, or panics. Either is as a crash in its midst: the rows say what
/// is to be done, and it is begun again. What it held in memory may be half done.
pub async fn bounded<T>(name: &str, limit: Duration, step: impl Future<Output = T>) -> Option<T> {
    match timeout(limit, AssertUnwindSafe(step).catch_unwind()).await {
        Ok(Ok(done)) => Some(done),
        Ok(Err(_)) => {
            tracing::error!(stage = name, "a mistake of the keeper's own; begun again, and all else goes on");
            None
        }
        Err(_) => {
            tracing::warn!(stage = name, "hangs: the database or the chain does not answer; begun again");
            None
        }
    }
}

/// A pause that ends early at `stop`.
pub async fn rest(pause: Duration, stop: &CancellationToken) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = sleep(pause) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_millis(50);

    #[tokio::test]
    async fn a_step_that_panics_or_hangs_ends_and_the_next_one_runs() {
        let panics = bounded("test", LIMIT, async { panic!("a sum of held amounts") }).await;
        assert_eq!(panics, None::<()>);
        assert_eq!(bounded("test", LIMIT, std::future::pending::<()>()).await, None);
        assert_eq!(bounded("test", LIMIT, async { 7 }).await, Some(7));
    }

    #[tokio::test]
    async fn a_pause_ends_with_the_loop() {
        let stop = CancellationToken::new();
        stop.cancel();
        assert!(timeout(LIMIT, rest(Duration::from_secs(3_600), &stop)).await.is_ok());
    }
}
