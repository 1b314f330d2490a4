//! Which withdrawals a batch holds, in the log. The other lines about a batch name the batch alone: it may hold hundreds.

use crate::domain::withdrawal::Withdrawal;

/// Withdrawals in one line: what collects logs cuts long ones off.
const IN_A_LINE: usize = 100;

/// Says what becomes of withdrawals and a batch, with their ids and those of their traces, so that whoever looks for one of
/// these finds the batch, and by it its other lines.
pub(super) fn tell(batch: i64, withdrawals: &[Withdrawal], what: &str) {
    for some in withdrawals.chunks(IN_A_LINE) {
        let named: Vec<_> = some.iter().map(|w| format!("{}:{}", w.id, w.trace_id)).collect();
        tracing::info!(batch, withdrawals = named.join(" "), "{what}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stages::intake::testing;
    use std::{
        io,
        sync::{Arc, Mutex},
    };

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(line);
            Ok(line.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn each_withdrawal_is_found_with_its_batch_and_without_its_recipient() {
        let all: Vec<_> = (0..250).map(|n| testing::withdrawal(&format!("key {n}"))).collect();
        let written = Written::default();
        let writer = written.clone();
        let log = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
        tracing::subscriber::with_default(log, || tell(7, &all, "batch planned"));
        let written = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        assert_eq!(written.lines().count(), 3);
        for w in &all {
            let line = written.lines().find(|line| line.contains(w.id.as_str())).unwrap();
            assert!(line.contains("batch planned batch=7") && line.contains(&w.trace_id), "{line}");
            assert!(!line.contains(&w.recipient.to_string()) && !line.contains(&w.idempotency_key), "{line}");
        }
    }
}
