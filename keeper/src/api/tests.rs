mod access;
mod events;
mod lists;
mod page;
mod reviews;
mod viewed;

use super::*;
use crate::{
    config::Token,
    domain::{
        amount::Amount,
        batch::BatchKind,
        tier::Tier,
        withdrawal::{Withdrawal, WithdrawalId, WithdrawalState},
    },
    stages::intake::testing::{self, RECIPIENT, TUSD, TestStore},
    store::{Context, progress::FoundPayout},
};
use alloy::primitives::{Address, B256};
use axum::routing::get;
use axum::{
    body::{Body, Bytes, to_bytes},
    http::{Request, StatusCode, header},
};
use serde_json::{Value, json};
use tokio::sync::Notify;
use tower::ServiceExt;

/// An API over a store of its own.
struct Api {
    app: Router,
    store: Store,
    readiness: watch::Sender<Readiness>,
    bodies: Arc<Semaphore>,
    viewed: Viewed,
    _store: TestStore,
}

struct Answer {
    status: StatusCode,
    headers: axum::http::HeaderMap,
    body: Value,
}

impl Answer {
    fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_else(|| panic!("no problem: {}", self.body))
    }
}

impl Api {
    async fn start() -> Self {
        Self::with(|_| ()).await
    }

    async fn with(change: impl FnOnce(&mut ApiConfig)) -> Self {
        let test = testing::store().await;
        let mut config = ApiConfig { max_body: 64 << 10, ..ApiConfig::default() };
        change(&mut config);
        let (readiness, ready) = watch::channel(Readiness::not_yet("starting"));
        let intake =
            Intake::spawn(test.store.clone(), 50_000, Arc::new(Notify::new()), CancellationToken::new());
        // Nothing listens there: what needs the chain says so.
        let chain = toml::from_str("rpc_urls = [\"http://127.0.0.1:9\"]\nchain_id = 31337").unwrap();
        let state = ApiState::from(Parts {
            store: test.store.clone(),
            deployment: testing::deployment(),
            intake,
            readiness: ready,
            chain: Chain::connect(&chain, testing::deployment().vault).unwrap(),
            batch: &BatchConfig::default(),
            policy: &PolicyConfig::default(),
            fees: &FeesConfig::default(),
            config: &config,
            stop: CancellationToken::new(),
        });
        let (bodies, viewed) = (state.bodies.clone(), state.viewed());
        Self { app: router(state), store: test.store.clone(), readiness, bodies, viewed, _store: test }
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.app.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, 1 << 24).await.unwrap();
        let body: Value = serde_json::from_slice(&bytes).unwrap_or_else(|e| panic!("{e}: {bytes:?}"));
        let problem =
            parts.headers.get(header::CONTENT_TYPE).is_some_and(|t| t == "application/problem+json");
        let health = Value::is_boolean(&body["ready"]);
        assert_eq!(problem, !parts.status.is_success() && !health, "{body}");
        if problem {
            for member in ["type", "title", "status", "code", "detail", "next_step"] {
                assert!(!body[member].is_null(), "{member} is missing in {body}");
            }
            assert_eq!(body["status"], parts.status.as_u16());
        }
        Answer { status: parts.status, headers: parts.headers, body }
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path).body(Body::empty()).unwrap()).await
    }

    async fn post(&self, path: &str, key: Option<&str>, body: impl Into<Body>) -> Answer {
        let mut request = Request::post(path).header("content-type", "application/json");
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        self.send(request.body(body.into()).unwrap()).await
    }

    async fn submit(&self, key: &str, body: Value) -> Answer {
        self.post("/v1/withdrawals", Some(key), body.to_string()).await
    }

    async fn bulk(&self, rows: &[Value], skip_invalid: bool) -> Answer {
        let body = json!({ "withdrawals": rows, "skip_invalid": skip_invalid });
        self.post("/v1/withdrawals/bulk", None, body.to_string()).await
    }

    async fn stored(&self) -> u64 {
        self.store.counts().await.unwrap().into_iter().map(|(_, n)| n).sum()
    }
}

fn order(amount: &str) -> Value {
    json!({ "asset": "TUSD", "recipient": RECIPIENT, "amount": amount })
}

fn row(key: &str, amount: &str) -> Value {
    let mut row = order(amount);
    row["idempotency_key"] = key.into();
    row
}

#[tokio::test]
async fn more_bodies_than_there_is_room_for_are_not_read_and_answered_429() {
    let api = Api::start().await;
    let body = json!({ "asset": "TUSD", "recipient": RECIPIENT.to_string(), "amount": "1" }).to_string();
    let others = api.bodies.clone().try_acquire_many_owned(body::ROOM_KIB).unwrap();
    let refused = api.post("/v1/withdrawals", Some("a"), body.clone()).await;
    assert_eq!((refused.status, refused.code()), (StatusCode::TOO_MANY_REQUESTS, "busy"));
    assert_eq!(refused.headers[header::RETRY_AFTER], "1");
    drop(others);
    assert_eq!(api.post("/v1/withdrawals", Some("a"), body).await.status, StatusCode::CREATED);
    assert_eq!(api.bodies.available_permits(), body::ROOM_KIB as usize, "each gives back what it took");
}

#[tokio::test]
async fn a_withdrawal_is_created_once_and_read_back() {
    let api = Api::start().await;
    let first = api.submit("invoice-7", order("12.5")).await;
    assert_eq!(first.status, StatusCode::CREATED);
    let id = first.body["id"].as_str().unwrap();
    assert_eq!(id, WithdrawalId::from_key("invoice-7").as_str());
    assert_eq!(first.headers[header::LOCATION], format!("/v1/withdrawals/{id}"));

    let again = api.submit("invoice-7", order("12.50")).await;
    assert_eq!((again.status, &again.body), (StatusCode::OK, &first.body));
    let other = api.submit("invoice-7", order("13")).await;
    assert_eq!((other.status, other.code()), (StatusCode::CONFLICT, "idempotency_conflict"));
    assert_eq!(api.stored().await, 1);

    let read = api.get(&format!("/v1/withdrawals/{id}")).await;
    assert_eq!(read.status, StatusCode::OK);
    assert_eq!(read.body["state"], "received");
    assert_eq!((&read.body["amount"], &read.body["units"]), (&"12.5".into(), &"12500000".into()));
    assert_eq!(read.body["history"][0]["words"], "accepted and stored");
}

#[tokio::test]
async fn each_bad_input_has_its_answer_and_nothing_is_stored() {
    let api = Api::start().await;
    let with = |field: &str, value: Value| {
        let mut body = order("1");
        body[field] = value;
        body.to_string()
    };
    let wrong_checksum = RECIPIENT.to_string().replace('C', "c");
    let cases = [
        (with("asset", "DOGE".into()), 422, "unknown_asset", "asset"),
        (with("recipient", wrong_checksum.into()), 422, "bad_checksum", "recipient"),
        (with("recipient", Address::ZERO.to_string().into()), 422, "zero_address", "recipient"),
        (with("recipient", TUSD.to_string().into()), 422, "bad_recipient", "recipient"),
        (with("amount", "1.0000001".into()), 422, "amount_too_many_decimals", "amount"),
        (with("amount", "-1".into()), 422, "amount_negative", "amount"),
        (with("amount", "0".into()), 422, "amount_zero", "amount"),
        (with("amount", "9".repeat(90).into()), 422, "amount_too_large", "amount"),
        (with("amount", json!(1.5)), 422, "not_a_string", "amount"),
        (with("note", "hi".into()), 422, "unknown_field", "body"),
        (json!({ "asset": "TUSD", "amount": "1" }).to_string(), 422, "missing_field", "recipient"),
        (order("1").to_string().replace("{", "{\"amount\":\"2\","), 422, "unknown_field", "body"),
        ("{\"asset\": ".to_owned(), 400, "bad_json", ""),
        ("[]".to_owned(), 400, "bad_json", ""),
        (String::new(), 400, "bad_json", ""),
    ];
    for (body, status, code, field) in cases {
        let answer = api.post("/v1/withdrawals", Some("k"), body.clone()).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (status, code), "{body}");
        assert_eq!(answer.body["field"].as_str().unwrap_or_default(), field, "{body}");
    }
    for (key, code) in [
        (None, "missing_idempotency_key"),
        (Some(""), "missing_idempotency_key"),
        (Some("request/7"), "reserved_idempotency_key"),
        (Some(&*"k".repeat(129)), "idempotency_key_too_long"),
    ] {
        let answer = api.post("/v1/withdrawals", key, order("1").to_string()).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (422, code));
    }
    assert_eq!(api.stored().await, 0);
}

#[tokio::test]
async fn bodies_that_are_no_json_text_are_refused() {
    let api = Api::start().await;
    let answer = api.post("/v1/withdrawals", Some("k"), b"{\"asset\": \"\xff\"}".to_vec()).await;
    assert_eq!((answer.status.as_u16(), answer.code()), (400, "bad_json"));
    assert!(answer.body["detail"].as_str().unwrap().contains("byte 12"), "{}", answer.body);
    let broken = api.post("/v1/withdrawals", Some("k"), "{\n  \"asset\": }").await;
    assert!(broken.body["detail"].as_str().unwrap().contains("line 2 column 12"), "{}", broken.body);

    for (content_type, status) in [
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("application/json; charset=latin1", 415),
        ("application/json; charset=UTF-8", 201),
    ] {
        let request = Request::post("/v1/withdrawals")
            .header("content-type", content_type)
            .header("idempotency-key", "k")
            .body(order("1").to_string().into());
        assert_eq!(api.send(request.unwrap()).await.status.as_u16(), status, "{content_type}");
    }
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_not_read() {
    let api = Api::start().await;
    // Announced: refused before a byte is asked for.
    let unread = Body::from_stream(futures::stream::poll_fn(
        |_| -> std::task::Poll<Option<Result<Bytes, axum::Error>>> { panic!("the body was read") },
    ));
    let request = Request::post("/v1/withdrawals/bulk")
        .header("content-type", "application/json")
        .header("content-length", 100 << 20)
        .body(unread);
    let answer = api.send(request.unwrap()).await;
    assert_eq!((answer.status.as_u16(), answer.code()), (413, "body_too_large"));

    // Not announced: refused once the limit is passed.
    let mut left = 1_600;
    let endless = Body::from_stream(futures::stream::poll_fn(move |_| {
        left -= 1;
        assert!(left > 1_000, "far more than the limit was read");
        std::task::Poll::Ready(Some(Ok::<_, axum::Error>(Bytes::from(vec![b' '; 1 << 10]))))
    }));
    let request =
        Request::post("/v1/withdrawals/bulk").header("content-type", "application/json").body(endless);
    let answer = api.send(request.unwrap()).await;
    assert_eq!((answer.status.as_u16(), answer.code()), (413, "body_too_large"));
}

#[tokio::test]
async fn a_caller_who_sends_100_megabytes_hears_why_not() {
    let api = Api::with(|c| c.max_body = 1 << 20).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1/withdrawals/bulk", listener.local_addr().unwrap());
    tokio::spawn(axum::serve(listener, api.app.clone()).into_future());
    let sent = reqwest::Client::new()
        .post(url)
        .header("content-type", "application/json")
        .body(vec![b' '; 100 << 20])
        .send()
        .await
        .unwrap();
    assert_eq!(sent.status().as_u16(), 413);
    assert_eq!(sent.json::<Value>().await.unwrap()["code"], "body_too_large");
}

#[tokio::test]
async fn a_bulk_is_stored_whole_or_not_at_all() {
    let api = Api::start().await;
    let rows = [row("a", "1"), row("b", "0"), row("c", "1"), json!({ "idempotency_key": "d", "amount": 1 })];
    let refused = api.bulk(&rows, false).await;
    assert_eq!((refused.status.as_u16(), refused.code()), (422, "invalid_rows"));
    let told: Vec<_> =
        refused.body["errors"].as_array().unwrap().iter().map(|e| (&e["row"], &e["code"])).collect();
    let told = serde_json::to_value(told).unwrap();
    assert_eq!(
        told,
        json!([[2, "amount_zero"], [4, "not_a_string"], [4, "missing_field"], [4, "missing_field"]])
    );
    assert_eq!(api.stored().await, 0);

    let skipped = api.bulk(&rows, true).await;
    assert_eq!(skipped.status, StatusCode::OK);
    assert_eq!((&skipped.body["new"], &skipped.body["rejected"]), (&json!(2), &json!(2)));
    assert_eq!(skipped.body["results"][1]["errors"][0]["field"], "amount");
    assert_eq!(api.stored().await, 2);

    let again = api.bulk(&[row("a", "1"), row("e", "1"), row("e", "1")], false).await;
    let results: Vec<_> = again.body["results"].as_array().unwrap().iter().map(|r| &r["result"]).collect();
    assert_eq!(results, ["repeated", "new", "repeated"]);

    let conflict = api.bulk(&[row("f", "1"), row("a", "2")], false).await;
    assert_eq!((conflict.status.as_u16(), conflict.code()), (422, "invalid_rows"));
    assert_eq!(
        (&conflict.body["row"], &conflict.body["errors"][0]["code"]),
        (&json!(2), &"idempotency_conflict".into())
    );
    assert_eq!(api.stored().await, 3);
    let empty = api.bulk(&[], false).await;
    assert_eq!((empty.code(), &empty.body["field"]), ("wrong_row_count", &"withdrawals".into()));
}

#[tokio::test]
async fn what_is_in_a_batch_hears_what_happens_next() {
    let api = Api::start().await;
    let mine = api.submit("a", order("5")).await;
    let withdrawals = [api.store.withdrawal(&WithdrawalId::from_key("a")).await.unwrap().unwrap()];
    let mut unit = api.store.unit(Context::new("test", "batch.planned", json!({}))).await.unwrap();
    unit.move_withdrawals(&withdrawals, WithdrawalState::Ready, None).await.unwrap();
    let ready = withdrawals.map(|w| Withdrawal { state: WithdrawalState::Ready, ..w });
    unit.plan_batch(BatchKind::Orders, Tier::Instant, &ready).await.unwrap().unwrap();
    unit.commit().await.unwrap();
    let read = api.get(&format!("/v1/withdrawals/{}", mine.body["id"].as_str().unwrap())).await;
    assert_eq!(read.body["next"]["what"], "its batch is signed and sent", "{}", read.body);
}

#[tokio::test]
async fn what_the_chain_already_paid_shows_as_paid() {
    let api = Api::start().await;
    let payout = FoundPayout {
        lane: Address::repeat_byte(9),
        number: 1,
        reference: WithdrawalId::from_key("a").reference(),
        asset: TUSD,
        recipient: RECIPIENT,
        amount: Amount::from(5_000_000),
        outcome: WithdrawalState::Paid,
        tx: B256::repeat_byte(7),
        block: 12,
        tier: None,
    };
    let mut unit = api.store.unit(Context::new("chain", "payout.found", json!({}))).await.unwrap();
    unit.put_found_payout(&payout, None).await.unwrap();
    unit.commit().await.unwrap();

    let otherwise = api.submit("a", order("6")).await;
    assert_eq!((otherwise.status.as_u16(), otherwise.code()), (409, "paid_with_other_content"));
    let healed = api.submit("a", order("5")).await;
    assert_eq!(healed.status, StatusCode::CREATED);
    let read = api.get(healed.body["status_url"].as_str().unwrap()).await;
    assert_eq!((&read.body["state"], &read.body["is_final"]), (&"paid".into(), &true.into()));
    assert_eq!(read.body["reason"]["code"], "healed_from_chain");
    assert_eq!(read.body["transaction"]["block"], 12);
    let again = api.submit("a", order("5")).await;
    assert_eq!((again.status, again.body), (StatusCode::OK, healed.body));
}

#[tokio::test]
async fn only_callers_with_the_token_come_in() {
    let secret = "hunter2-hunter2-hunter2";
    let api = Api::with(|c| c.token = Some(Token::from(secret))).await;
    let id = WithdrawalId::from_key("a");
    for (value, code) in [
        (None, "unauthorized"),
        (Some("Bearer wrong".to_owned()), "unauthorized"),
        (Some(format!("Basic {secret}")), "unauthorized"),
        (Some(format!("Bearer {secret}")), "not_found"),
    ] {
        let mut request = Request::get(format!("/v1/withdrawals/{id}"));
        if let Some(value) = &value {
            request = request.header("authorization", value);
        }
        let answer = api.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.code(), code, "{value:?}");
        assert_eq!(answer.headers.contains_key(header::WWW_AUTHENTICATE), code == "unauthorized");
    }
    // Health is for the machinery around the keeper, which has no token.
    assert_eq!(api.get("/v1/health/live").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_caller_names_the_trace() {
    let api = Api::start().await;
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let request = Request::post("/v1/withdrawals")
        .header("content-type", "application/json")
        .header("idempotency-key", "a")
        .header("traceparent", format!("00-{trace}-b7ad6b7169203331-01"))
        .body(order("1").to_string().into());
    assert_eq!(api.send(request.unwrap()).await.body["trace_id"], trace);
    let own = api.submit("b", order("1")).await;
    assert_eq!(own.body["trace_id"].as_str().unwrap().len(), 32);
    // A repeat, whatever its trace, leaves the first caller's.
    api.submit("a", order("1")).await;
    for (key, parent) in [("a", Some("b7ad6b7169203331")), ("b", None)] {
        let stored = api.store.withdrawal(&WithdrawalId::from_key(key)).await.unwrap().unwrap();
        assert_eq!(api.store.trace_parent(&stored).await.unwrap().as_deref(), parent, "{key}");
    }
}

#[tokio::test]
async fn unknown_places_and_methods_are_problems_too() {
    let api = Api::start().await;
    assert_eq!(api.get("/v1/withdraw").await.code(), "not_found");
    assert_eq!(api.get("/v1/withdrawals/wd_1").await.code(), "not_found");
    let unknown = format!("/v1/withdrawals/{}", WithdrawalId::from_key("never sent"));
    assert_eq!(api.get(&unknown).await.status, StatusCode::NOT_FOUND);
    let answer = api.get("/v1/withdrawals/bulk").await;
    // `bulk` is a place of its own, not an id.
    assert_eq!((answer.status.as_u16(), answer.code()), (405, "method_not_allowed"));
    assert_eq!(answer.headers[header::ALLOW], "POST");
}

#[tokio::test]
async fn health_says_what_is_missing() {
    let api = Api::start().await;
    let not_yet = api.get("/v1/health/ready").await;
    assert_eq!((not_yet.status.as_u16(), &not_yet.body["causes"][0]), (503, &"starting".into()));
    api.readiness.send_if_modified(|now| now.set(Readiness::ready(Vec::new())));
    assert_eq!(api.get("/v1/health/ready").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_panic_is_caught() {
    let app = Router::new()
        .route(
            "/",
            get(|| async {
                if true {
                    panic!("secret")
                }
            }),
        )
        .layer(CatchPanicLayer::custom(problem::from_panic));
    let response = app.oneshot(Request::get("/").body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let body = to_bytes(response.into_body(), 1 << 16).await.unwrap();
    assert!(!String::from_utf8_lossy(&body).contains("secret"));
}
