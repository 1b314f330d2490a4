//! Lists, taking back, estimates and the description.

use super::*;
use crate::domain::reason::Code;

fn ids(page: &Value) -> Vec<String> {
    let list = page["withdrawals"].as_array().unwrap();
    list.iter().map(|w| w["idempotency_key"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_list_goes_page_by_page_and_narrows() {
    let api = Api::start().await;
    let rows: Vec<_> = (1..=5).map(|n| row(&format!("k{n}"), &format!("{n}"))).collect();
    api.bulk(&rows, false).await;
    let mut other = row("eth", "1");
    other["asset"] = "ETH".into();
    api.bulk(&[other], false).await;

    let first = api.get("/v1/withdrawals?limit=4").await.body;
    assert_eq!(ids(&first), ["eth", "k5", "k4", "k3"]);
    let second = api.get(&format!("/v1/withdrawals?limit=4&cursor={}", first["next_cursor"])).await.body;
    assert_eq!(ids(&second), ["k2", "k1"]);
    assert_eq!(second["next_cursor"], Value::Null);

    assert_eq!(ids(&api.get("/v1/withdrawals?asset=eth").await.body), ["eth"]);
    assert_eq!(ids(&api.get("/v1/withdrawals?state=paid").await.body), Vec::<String>::new());
    assert_eq!(ids(&api.get("/v1/withdrawals?state=received&asset=TUSD&limit=2").await.body), ["k5", "k4"]);
    let all = format!("/v1/withdrawals?recipient={RECIPIENT}&door=order&received_from=2020-01-01T00:00:00Z");
    assert_eq!(ids(&api.get(&all).await.body).len(), 6);
    let none = "/v1/withdrawals?received_before=2020-01-01T00:00:00Z";
    assert_eq!(ids(&api.get(none).await.body), Vec::<String>::new());
}

#[tokio::test]
async fn a_parameter_that_cannot_be_read_is_named() {
    let api = Api::start().await;
    for (query, named) in [
        ("limit=0", "limit"),
        ("limit=501", "limit"),
        ("limit=-1", "limit"),
        ("cursor=0", "cursor"),
        ("cursor=x", "cursor"),
        ("state=lost", "state"),
        ("asset=DOGE", "asset"),
        ("recipient=me", "recipient"),
        ("received_from=yesterday", "received_from"),
        ("colour=red", "colour"),
        ("limit=1&limit=2", "limit"),
    ] {
        let answer = api.get(&format!("/v1/withdrawals?{query}")).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (422, "bad_parameter"), "{query}");
        assert!(answer.body["detail"].as_str().unwrap().contains(named), "{query}: {}", answer.body);
        assert_eq!(answer.body["field"], named, "{query}");
        assert_eq!(answer.body["errors"][0]["field"], named, "{query}");
    }
    let id = WithdrawalId::from_key("nobody's");
    for (path, status, named) in [
        ("/v1/estimate?asset=TUSD", 422, "amount"),
        ("/v1/estimate?amount=1", 422, "asset"),
        ("/v1/estimate?asset=TUSD&amount=x", 422, "amount"),
        ("/v1/estimate?asset=DOGE&amount=1", 422, "asset"),
        ("/v1/events?withdrawal=wd_1", 404, "withdrawal"),
        ("/v1/withdrawals/wd_1", 404, "id"),
        ("/v1/withdrawals/wd_1/explain", 404, "id"),
        (&*format!("/v1/withdrawals/{id}"), 404, "id"),
        ("/v1/withdrawals/%ff", 422, "id"),
        ("/v1/reviews/none", 404, "id"),
        ("/v1/status/none", 404, "token"),
    ] {
        let answer = api.get(path).await;
        assert_eq!((answer.status.as_u16(), &answer.body["field"]), (status, &named.into()), "{path}");
    }
    let nowhere = api.get("/v1/nowhere").await;
    assert_eq!(nowhere.body["field"], Value::Null, "no parameter is at fault");
}

#[tokio::test]
async fn an_order_is_taken_back_before_it_is_in_a_batch_and_never_after() {
    let api = Api::start().await;
    let cancel = |key: &str| format!("/v1/withdrawals/{}/cancel", WithdrawalId::from_key(key));
    api.submit("a", order("5")).await;
    let taken_back = api.post(&cancel("a"), None, "").await;
    assert_eq!((taken_back.status, &taken_back.body["state"]), (StatusCode::OK, &"cancelled".into()));
    assert_eq!(taken_back.body["reason"]["code"], Code::CancelledByCaller.as_str());
    assert!(taken_back.body["reason"]["message_zh"].as_str().unwrap().contains("取消"));
    let again = api.post(&cancel("a"), None, "").await;
    assert_eq!((again.status, &again.body["state"]), (StatusCode::OK, &"cancelled".into()), "a repeat");
    let sums = api.store.check(|_, _| ()).await.unwrap();
    assert!(sums.ok, "{:?}", sums.broken);

    api.submit("b", order("5")).await;
    let id = WithdrawalId::from_key("b");
    let mut unit = api.store.unit(Context::new("test", "batch.planned", json!({}))).await.unwrap();
    let mut withdrawal = api.store.withdrawal(&id).await.unwrap().unwrap();
    unit.move_withdrawals(std::slice::from_ref(&withdrawal), WithdrawalState::Ready, None).await.unwrap();
    withdrawal.state = WithdrawalState::Ready;
    unit.plan_batch(BatchKind::Orders, Tier::Instant, &[withdrawal]).await.unwrap();
    unit.commit().await.unwrap();
    let late = api.post(&cancel("b"), None, "").await;
    assert_eq!((late.status.as_u16(), late.code()), (409, "too_late"));
    let read = api.get(&format!("/v1/withdrawals/{id}")).await.body;
    assert_eq!((&read["state"], &read["reason"]["code"]), (&"batched".into(), &"awaits_funding".into()));
    assert_eq!(api.post(&cancel("never sent"), None, "").await.code(), "not_found");
}

#[tokio::test]
async fn nothing_is_taken_back_by_a_keeper_without_a_lease_or_while_the_past_is_unknown() {
    let api = Api::start().await;
    let cancel = format!("/v1/withdrawals/{}/cancel", WithdrawalId::from_key("a"));
    api.submit("a", order("5")).await;
    let lane = crate::store::lanes::Lane {
        address: Address::repeat_byte(9),
        position: crate::domain::lane::LanePosition { next: 1, head: Default::default() },
        nonce: 0,
        fencing_since: None,
        reviewed: false,
        gas_needed: None,
    };
    let mut unit = api.store.unit(Context::new("test", "lane.added", json!({}))).await.unwrap();
    unit.add_lane(&lane).await.unwrap();
    unit.fence_lane(lane.address).await.unwrap();
    unit.note();
    unit.commit().await.unwrap();
    assert_eq!(api.post(&cancel, None, "").await.code(), "cannot_cancel_now", "fenced");
    let mut unit = api.store.unit(Context::new("test", "lane.fenced", json!({}))).await.unwrap();
    unit.end_fence(lane.address).await.unwrap();
    unit.note();
    unit.commit().await.unwrap();
    api.store.sign_off().await.unwrap();
    assert_eq!(api.post(&cancel, None, "").await.code(), "cannot_cancel_now", "no lease");
    let read = api.get(&format!("/v1/withdrawals/{}", WithdrawalId::from_key("a"))).await.body;
    assert_eq!(read["state"], "received");
}

#[tokio::test]
async fn what_needs_the_chain_says_that_it_does_not_answer() {
    let api = Api::start().await;
    for path in ["/v1/vault", "/v1/estimate?asset=TUSD&amount=5"] {
        let answer = api.get(path).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (503, "chain_unavailable"), "{path}");
    }
    for query in ["asset=DOGE&amount=1", "asset=TUSD&amount=-1", "asset=TUSD", "asset=TUSD&amount=0"] {
        assert_eq!(api.get(&format!("/v1/estimate?{query}")).await.code(), "bad_parameter", "{query}");
    }
}

#[tokio::test]
async fn the_description_names_the_vaults_assets_and_its_page_loads_nothing_from_elsewhere() {
    let api = Api::start().await;
    let described = api.get("/v1/openapi.json").await.body;
    let names = &described["components"]["schemas"]["Order"]["properties"]["asset"]["enum"];
    assert_eq!(names[0], "TUSD", "{described}");

    for (path, kind) in [
        ("/docs/", "text/html"),
        ("/docs/swagger-initializer.js", "javascript"),
        ("/docs/swagger-ui-bundle.js", "javascript"),
        ("/docs/swagger-ui.css", "text/css"),
    ] {
        let response =
            api.app.clone().oneshot(Request::get(path).body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        let headers = response.headers();
        assert!(headers[header::CONTENT_TYPE].to_str().unwrap().contains(kind), "{path}: {headers:?}");
        assert!(headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap().starts_with("default-src 'self'"));
        let body = to_bytes(response.into_body(), 1 << 24).await.unwrap();
        let text = String::from_utf8_lossy(&body);
        if path == "/docs/" {
            assert!(!text.contains("src=\"http") && !text.contains("href=\"http"), "{text}");
        }
        if path.ends_with("initializer.js") {
            assert!(
                text.contains("/v1/openapi.json") && text.contains("\"validatorUrl\": \"none\""),
                "{text}"
            );
        }
    }
}

#[tokio::test]
async fn figures_are_told_without_the_chain_too() {
    let api = Api::start().await;
    api.submit("a", order("5")).await;
    let request = Request::get("/metrics").body(Body::empty()).unwrap();
    let response = api.app.clone().oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let text = String::from_utf8(to_bytes(response.into_body(), 1 << 20).await.unwrap().to_vec()).unwrap();
    for line in ["spillway_withdrawals_open{state=\"received\"} 1", "spillway_vault_up 0", "spillway_ready 0"]
    {
        assert!(text.lines().any(|l| l == line), "{line} is missing in\n{text}");
    }
    // What is documented is told, and the other way round.
    let documented = include_str!("../../../../docs/metrics.md");
    for line in text.lines().filter_map(|l| l.strip_prefix("# HELP ")) {
        let name = line.split(' ').next().unwrap();
        assert!(documented.contains(&format!("`{name}`")), "docs/metrics.md does not describe {name}");
    }
}
