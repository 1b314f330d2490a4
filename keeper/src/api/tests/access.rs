//! Who may do what.

use super::{super::page, *};
use crate::{
    clock::now_ms,
    domain::access::{ApiKey, Scope, Secret},
};
use axum::http::Method;
use std::collections::BTreeSet;

/// Every route of the API, and what it asks for. A route that is not here fails the test, and so does one that is no more.
const ROUTES: [(Method, &str, Option<Scope>); 22] = [
    (Method::POST, "/v1/withdrawals", Some(Scope::Submit)),
    (Method::POST, "/v1/withdrawals/bulk", Some(Scope::Submit)),
    (Method::POST, "/v1/withdrawals/{id}/cancel", Some(Scope::Submit)),
    (Method::GET, "/v1/estimate", Some(Scope::Submit)),
    (Method::GET, "/v1/withdrawals", Some(Scope::Read)),
    (Method::GET, "/v1/withdrawals/{id}", Some(Scope::Read)),
    (Method::GET, "/v1/withdrawals/{id}/explain", Some(Scope::Read)),
    (Method::GET, "/v1/events", Some(Scope::Read)),
    (Method::GET, "/v1/vault", Some(Scope::Read)),
    (Method::GET, "/v1/oracle", Some(Scope::Read)),
    (Method::GET, "/v1/swaps", Some(Scope::Read)),
    (Method::GET, "/v1/margin", Some(Scope::Read)),
    (Method::GET, "/v1/overview", Some(Scope::Read)),
    (Method::GET, "/v1/reviews", Some(Scope::Review)),
    (Method::GET, "/v1/reviews/{id}", Some(Scope::Review)),
    (Method::POST, "/v1/reviews/{id}/approvals", Some(Scope::Review)),
    (Method::POST, "/v1/reviews/{id}/rejections", Some(Scope::Review)),
    (Method::GET, "/metrics", Some(Scope::Operate)),
    (Method::GET, "/v1/health/live", None),
    (Method::GET, "/v1/health/ready", None),
    (Method::GET, "/v1/openapi.json", None),
    // Its token says whose it is.
    (Method::GET, "/v1/status/{token}", None),
];

/// What is served beside the API, to everybody: files that hold nothing of a withdrawal.
fn files() -> impl Iterator<Item = &'static str> {
    page::FILES.iter().map(|(path, ..)| *path).chain(["/docs", "/docs/", "/docs/{*rest}"])
}

/// The paths that a router has, as it names them itself.
fn served(router: &Router) -> BTreeSet<String> {
    let shown = format!("{router:?}");
    let paths = shown.split(": \"/").skip(1).filter_map(|rest| rest.split('"').next());
    paths.filter(|path| !path.contains("__private__")).map(|path| format!("/{path}")).collect()
}

/// A key in the store.
pub(super) async fn key(api: &Api, scopes: &[Scope], change: impl FnOnce(&mut ApiKey)) -> Secret {
    let secret = Secret::new();
    let mut key = ApiKey {
        id: secret.id.clone(),
        name: "test".to_owned(),
        hash: secret.hash(),
        scopes: scopes.to_vec(),
        per_minute: 0,
        created_at: now_ms(),
        expires_at: None,
    };
    change(&mut key);
    api.store.add_api_key(&key, None).await.unwrap();
    secret
}

impl Api {
    /// The status of a request, whatever its body.
    pub(super) async fn status(&self, method: &Method, path: &str, key: Option<&str>) -> u16 {
        let path = path.replace("{id}", WithdrawalId::from_key("nobody's").as_str());
        let mut request = Request::builder().method(method.clone()).uri(path);
        if let Some(key) = key {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        let request = request.body(Body::empty()).unwrap();
        self.app.clone().oneshot(request).await.unwrap().status().as_u16()
    }
}

#[test]
fn every_route_is_in_the_matrix() {
    let described = openapi::document();
    let mut seen = Vec::new();
    for (path, item) in &described.paths.paths {
        for (method, operation) in [
            (Method::GET, &item.get),
            (Method::POST, &item.post),
            (Method::PUT, &item.put),
            (Method::PATCH, &item.patch),
            (Method::DELETE, &item.delete),
        ] {
            if let Some(operation) = operation {
                let entry = ROUTES.iter().find(|(m, p, _)| *m == method && p == path);
                let (_, _, scope) = entry.unwrap_or_else(|| panic!("{method} {path} has no entry"));
                let said = serde_json::to_value(&operation.security).unwrap();
                let expected = scope.map_or(Value::Null, |scope| json!([{ "key": [scope] }]));
                assert_eq!(said, expected, "{method} {path} says something else of its scope");
                seen.push((method, path.clone()));
            }
        }
    }
    assert_eq!(seen.len(), ROUTES.len(), "{seen:?}");
}

#[tokio::test]
async fn the_router_serves_nothing_beside_the_matrix_and_the_files() {
    let api = Api::with(|c| c.require_key = true).await;
    let known: BTreeSet<_> =
        ROUTES.iter().map(|(_, path, _)| *path).chain(files()).map(str::to_owned).collect();
    assert_eq!(served(&api.app), known);
    for path in &known {
        let is_file = files().any(|file| file == path);
        for method in [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            let in_matrix = ROUTES.iter().any(|(m, p, _)| *m == method && p == path);
            let has_entry = in_matrix || is_file && method == Method::GET;
            if !has_entry {
                assert_eq!(api.status(&method, path, None).await, 405, "{method} {path} has no entry");
            }
        }
    }
    for path in files() {
        let path = path.replace("{*rest}", "index.html");
        for key in [None, Some("spk_wrong")] {
            let status = api.status(&Method::GET, &path, key).await;
            assert!((200..400).contains(&status), "{path} with {key:?}: {status}");
        }
    }
    // What the matrix would miss is seen.
    let more = api.app.clone().route("/v1/backdoor", get(|| async {}));
    assert!(served(&more).contains("/v1/backdoor"));
}

#[tokio::test]
async fn each_route_lets_its_scope_in_and_nobody_else() {
    let api = Api::with(|c| c.require_key = true).await;
    let expired = key(&api, &Scope::ALL, |key| key.expires_at = Some(now_ms() - 1)).await;
    let mut by_scope = Vec::new();
    for scope in Scope::ALL {
        by_scope.push((scope, key(&api, &[scope], |_| ()).await.reveal()));
    }
    let wrong_secret = format!("spk_{}_{}", expired.id, "0".repeat(64));
    let of_nobody = Secret::new().reveal();
    for (method, path, needed) in ROUTES {
        let Some(needed) = needed else {
            for key in [None, Some(&*of_nobody)] {
                let status = api.status(&method, path, key).await;
                assert!(![401, 403].contains(&status), "{method} {path}: {status}");
            }
            continue;
        };
        for key in
            [None, Some(&*of_nobody), Some(&*wrong_secret), Some(&*expired.reveal()), Some(""), Some("spk_")]
        {
            assert_eq!(api.status(&method, path, key).await, 401, "{method} {path} with {key:?}");
        }
        for (scope, key) in &by_scope {
            let status = api.status(&method, path, Some(key)).await;
            match *scope == needed {
                true => assert!(![401, 403].contains(&status), "{method} {path} with {scope}: {status}"),
                false => assert_eq!(status, 403, "{method} {path} with {scope}"),
            }
        }
    }
}

#[tokio::test]
async fn without_any_key_a_loopback_is_open_until_the_first_one_is_made() {
    let api = Api::start().await;
    let list = || async { api.status(&Method::GET, "/v1/withdrawals", None).await };
    assert_eq!(list().await, 200);
    let secret = key(&api, &[Scope::Submit], |_| ()).await;
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    assert_eq!(list().await, 401);
    assert_eq!(api.status(&Method::GET, "/v1/withdrawals", Some(&secret.reveal())).await, 403);

    let closed = Api::with(|c| c.require_key = true).await;
    assert_eq!(closed.status(&Method::GET, "/v1/withdrawals", None).await, 401, "nobody, even without a key");
}

#[tokio::test]
async fn a_key_is_rotated_without_a_gap_and_stored_without_its_secret() {
    let api = Api::with(|c| c.require_key = true).await;
    let old = key(&api, &[Scope::Read], |_| ()).await;
    let new = Secret::new();
    let next =
        ApiKey { id: new.id.clone(), hash: new.hash(), ..api.store.api_keys().await.unwrap()[0].clone() };
    let until = now_ms() + 1_500;
    api.store.add_api_key(&next, Some((&old.id, until))).await.unwrap();
    for secret in [&old, &new] {
        assert_eq!(api.status(&Method::GET, "/v1/withdrawals", Some(&secret.reveal())).await, 200);
    }
    tokio::time::sleep(std::time::Duration::from_millis(1_600)).await;
    assert_eq!(api.status(&Method::GET, "/v1/withdrawals", Some(&old.reveal())).await, 401);
    assert_eq!(api.status(&Method::GET, "/v1/withdrawals", Some(&new.reveal())).await, 200);
    assert!(!api.store.expire_api_key(&old.id, now_ms()).await.unwrap(), "it ended before");
    let stored = format!("{:?}", api.store.api_keys().await.unwrap());
    for secret in [&old, &new] {
        let (_, hidden) =
            secret.reveal().rsplit_once('_').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
        assert!(!stored.contains(&hidden));
    }
}

#[tokio::test]
async fn a_key_that_asks_too_often_hears_when_it_may_again() {
    let api = Api::with(|c| c.require_key = true).await;
    let limited = key(&api, &[Scope::Read], |key| key.per_minute = 3).await.reveal();
    let other = key(&api, &[Scope::Read], |_| ()).await.reveal();
    for _ in 0..3 {
        assert_eq!(api.status(&Method::GET, "/v1/withdrawals", Some(&limited)).await, 200);
    }
    let request = Request::get("/v1/withdrawals").header("authorization", format!("Bearer {limited}"));
    let answer = api.send(request.body(Body::empty()).unwrap()).await;
    assert_eq!((answer.status.as_u16(), answer.code()), (429, "rate_limited"));
    let wait: u64 = answer.headers[header::RETRY_AFTER].to_str().unwrap().parse().unwrap();
    assert!((1..=21).contains(&wait), "{wait}");
    assert_eq!(api.status(&Method::GET, "/v1/withdrawals", Some(&other)).await, 200, "each has its own rate");
}
