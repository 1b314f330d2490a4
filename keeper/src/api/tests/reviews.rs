//! What is wrong with the body of an approval or a rejection is named.

use super::*;
use crate::domain::{
    lane::LanePosition,
    review::{Review, ReviewState},
};
use alloy::primitives::FixedBytes;

/// A withdrawal that is offered to the approvers, and the number of its review.
async fn offered(api: &Api) -> i64 {
    api.submit("a", order("5")).await;
    let mut withdrawal = api.store.withdrawal(&WithdrawalId::from_key("a")).await.unwrap().unwrap();
    let mut unit = api.store.unit(Context::new("test", "review.opened", json!({}))).await.unwrap();
    unit.move_withdrawals(std::slice::from_ref(&withdrawal), WithdrawalState::Ready, None).await.unwrap();
    withdrawal.state = WithdrawalState::Ready;
    let batch = unit.plan_batch(BatchKind::Orders, Tier::Approved, &[withdrawal]).await.unwrap().unwrap();
    let offer = Review {
        row: 0,
        batch,
        state: ReviewState::Open,
        lane: Address::repeat_byte(9),
        position: LanePosition { next: 1, head: FixedBytes::ZERO },
        approvers: Address::repeat_byte(8),
        threshold: 2,
        deadline: 4_000_000_000,
        digest: B256::repeat_byte(7),
        created_at: 0,
    };
    let review = unit.open_review(&offer).await.unwrap();
    unit.commit().await.unwrap();
    review.row
}

#[tokio::test]
async fn what_a_review_does_not_take_is_named() {
    let api = Api::start().await;
    let review = offered(&api).await;
    let nobody = Address::repeat_byte(1).to_string();
    for (part, body, status, code, field) in [
        ("approvals", json!({ "approver": "me", "signature": "0x12" }), 422, "bad_approver", "approver"),
        ("approvals", json!({ "approver": nobody, "signature": "12g" }), 422, "bad_signature", "signature"),
        ("approvals", json!({ "approver": nobody, "signature": "0x" }), 422, "bad_signature", "signature"),
        ("approvals", json!({ "approver": nobody, "signature": 7 }), 400, "bad_json", "signature"),
        ("approvals", json!({ "approver": nobody }), 400, "bad_json", "signature"),
        ("approvals", json!({ "signature": "0x12", "voter": nobody }), 400, "bad_json", "voter"),
        ("rejections", json!({ "reason": " " }), 422, "bad_reason", "reason"),
        ("rejections", json!({ "reason": "two\nlines" }), 422, "bad_reason", "reason"),
        ("rejections", json!({ "reason": "no", "withdrawals": [] }), 422, "not_in_review", "withdrawals"),
        ("rejections", json!({ "reason": "no", "withdrawals": ["x"] }), 422, "not_in_review", "withdrawals"),
        ("rejections", json!({ "reason": "no", "withdrawals": ["x", 1] }), 400, "bad_json", "withdrawals[1]"),
    ] {
        let answer = api.post(&format!("/v1/reviews/{review}/{part}"), None, body.to_string()).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (status, code), "{body}");
        assert_eq!(answer.body["field"], field, "{body}");
    }
    let unknown = api.post("/v1/reviews/7777/rejections", None, json!({ "reason": "no" }).to_string()).await;
    assert_eq!((unknown.status.as_u16(), &unknown.body["field"]), (404, &"id".into()));
    let broken = api.post(&format!("/v1/reviews/{review}/rejections"), None, "{\"reason\": ").await;
    assert_eq!((broken.code(), &broken.body["field"]), ("bad_json", &Value::Null), "no member is at fault");
}
