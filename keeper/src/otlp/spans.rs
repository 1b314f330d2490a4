//! The way of one withdrawal as spans: one for the whole, and one below it for each state that it or its batch was in.

use crate::{
    domain::withdrawal::{Withdrawal, WithdrawalState},
    store::withdrawals::Move,
};
use alloy::{hex, primitives::keccak256};
use opentelemetry_proto::tonic::{
    common::v1::{AnyValue, KeyValue, any_value::Value},
    trace::v1::{Span, Status, span::SpanKind, status::StatusCode},
};

/// From intake to its end, oldest first. Nobody's address is in it. Empty when the withdrawal has not ended, or its trace id is
/// none. The same withdrawal always has the same ids, so that what is sent twice is one span. The whole stands below `parent`,
/// the caller's span.
pub fn of(withdrawal: &Withdrawal, parent: Option<&str>, moves: &[Move], asset: &str) -> Vec<Span> {
    let Ok(trace) = hex::decode(&withdrawal.trace_id) else { return Vec::new() };
    let Some(end) = moves.iter().rposition(|step| step.batch.is_none() && is_end(&step.to)) else {
        return Vec::new();
    };
    let root = id(withdrawal, "whole");
    let mut all = vec![Span {
        trace_id: trace.clone(),
        span_id: root.clone(),
        parent_span_id: parent.and_then(|parent| hex::decode(parent).ok()).unwrap_or_default(),
        name: "withdrawal".to_owned(),
        kind: SpanKind::Server.into(),
        start_time_unix_nano: nanos(withdrawal.received_at),
        end_time_unix_nano: nanos(moves[end].at),
        attributes: vec![
            text("spillway.withdrawal", withdrawal.id.as_str()),
            text("spillway.asset", asset),
            text("spillway.door", withdrawal.door.as_str()),
            text("spillway.outcome", &moves[end].to),
        ],
        status: Some(status(&moves[end])),
        ..Span::default()
    }];
    for (n, pair) in moves[..=end].windows(2).enumerate() {
        let (step, next) = (&pair[0], &pair[1]);
        let mut attributes = vec![text("spillway.withdrawal", withdrawal.id.as_str())];
        attributes.extend(step.reason.as_deref().map(|reason| text("spillway.reason", reason)));
        attributes.extend(step.batch.map(|batch| text("spillway.batch", &batch.to_string())));
        all.push(Span {
            trace_id: trace.clone(),
            span_id: id(withdrawal, &n.to_string()),
            parent_span_id: root.clone(),
            name: step.to.clone(),
            kind: SpanKind::Internal.into(),
            start_time_unix_nano: nanos(step.at),
            end_time_unix_nano: nanos(next.at),
            attributes,
            ..Span::default()
        });
    }
    all
}

pub fn is_end(state: &str) -> bool {
    WithdrawalState::parse(state).is_some_and(WithdrawalState::is_terminal)
}

fn status(last: &Move) -> Status {
    let code = match WithdrawalState::parse(&last.to) {
        Some(WithdrawalState::Paid) => StatusCode::Ok,
        Some(WithdrawalState::Claimable | WithdrawalState::Rejected) => StatusCode::Error,
        _ => StatusCode::Unset,
    };
    Status { code: code.into(), message: last.reason.clone().unwrap_or_default() }
}

fn id(withdrawal: &Withdrawal, part: &str) -> Vec<u8> {
    keccak256(format!("{}/span/{part}", withdrawal.id))[..8].to_vec()
}

fn nanos(ms: i64) -> u64 {
    u64::try_from(ms).unwrap_or_default().saturating_mul(1_000_000)
}

pub fn text(key: &str, value: &str) -> KeyValue {
    let value = AnyValue { value: Some(Value::StringValue(value.to_owned())) };
    KeyValue { key: key.to_owned(), value: Some(value), ..KeyValue::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stages::intake::testing;

    fn withdrawal(trace_id: &str) -> Withdrawal {
        Withdrawal {
            state: WithdrawalState::Paid,
            batch: Some(7),
            trace_id: trace_id.to_owned(),
            ..testing::withdrawal("spans")
        }
    }

    fn step(batch: Option<i64>, to: &str, at: i64) -> Move {
        Move { batch, from: None, to: to.to_owned(), reason: None, at }
    }

    #[test]
    fn each_state_has_its_span_and_the_whole_holds_them() {
        let w = withdrawal("0af7651916cd43dd8448eb211c80319c");
        let moves = [
            step(None, "received", 1_000),
            step(None, "ready", 1_010),
            step(None, "batched", 1_200),
            step(Some(7), "planned", 1_200),
            step(Some(7), "mined", 3_000),
            step(None, "paid", 9_000),
            step(Some(7), "final", 9_000),
        ];
        let spans = of(&w, None, &moves, "TUSD");
        let names: Vec<_> = spans.iter().map(|s| s.name.as_str()).collect();
        assert_eq!(names, ["withdrawal", "received", "ready", "batched", "planned", "mined"]);
        let (root, parts) = spans.split_first().unwrap();
        assert_eq!((root.start_time_unix_nano, root.end_time_unix_nano), (1_000_000_000, 9_000_000_000));
        assert_eq!(root.status.as_ref().unwrap().code, i32::from(StatusCode::Ok));
        for (part, next) in parts.iter().zip(parts.iter().skip(1)) {
            assert_eq!(part.end_time_unix_nano, next.start_time_unix_nano);
        }
        assert!(parts.iter().all(|p| p.parent_span_id == root.span_id && p.trace_id == root.trace_id));
        let mut ids: Vec<_> = spans.iter().map(|s| &s.span_id).collect();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), spans.len());
        assert_eq!(of(&w, None, &moves, "TUSD"), spans);
        assert_eq!(root.parent_span_id, [0u8; 0], "nobody called");
        let below = of(&w, Some("b7ad6b7169203331"), &moves, "TUSD");
        assert_eq!(below[0].parent_span_id, hex::decode("b7ad6b7169203331").unwrap());
        assert_eq!(below[1..], spans[1..], "what is below the whole stays there");
        let shown = format!("{spans:?}");
        assert!(!shown.contains(&w.recipient.to_string()));
    }

    #[test]
    fn what_has_not_ended_or_has_no_trace_id_is_left_out() {
        let open = [step(None, "received", 1_000), step(Some(7), "final", 2_000)];
        assert_eq!(of(&withdrawal("0af7651916cd43dd8448eb211c80319c"), None, &open, "TUSD"), []);
        let ended = [step(None, "received", 1_000), step(None, "rejected", 2_000)];
        assert_eq!(of(&withdrawal("not hexadecimal"), None, &ended, "TUSD"), []);
    }
}
