//! Who read whose withdrawals is in the audit: not each read, and no read waits for it.

use super::{access::key, *};
use crate::domain::access::Scope;

/// Who was noted, and what.
async fn noted(api: &Api) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    let seen = |change: &crate::books::audit::change::Change| {
        if change.action == "withdrawals.viewed" {
            found.push((change.actor.clone(), serde_json::from_str(&change.detail).unwrap()));
        }
    };
    api.store.follow_audit(|_, _| {}, seen).await.unwrap().unwrap();
    found
}

#[tokio::test]
async fn reads_are_noted_together_by_key_and_route() {
    let api = Api::start().await;
    let receipt = api.submit("a", order("5")).await;
    api.submit("b", order("6")).await;
    let (a, b) = (WithdrawalId::from_key("a").to_string(), WithdrawalId::from_key("b").to_string());
    assert_eq!(api.get(&format!("/v1/withdrawals/{a}")).await.status, 200);
    api.viewed.note(&api.store).await.unwrap();
    let nobody = noted(&api).await;
    assert_eq!(nobody.len(), 1);
    assert_eq!((nobody[0].0.as_str(), &nobody[0].1["key"]), ("api", &Value::Null), "no key was asked for");

    let secrets = [("desk", Scope::Read), ("shop", Scope::Read), ("idle", Scope::Read)];
    let mut keys = Vec::new();
    for (name, scope) in secrets {
        keys.push(key(&api, &[scope], |key| key.name = name.to_owned()).await);
    }
    let get = async |path: &str, key: usize| {
        api.status(&axum::http::Method::GET, path, Some(&keys[key].reveal())).await
    };
    // A key counts a second after it was made, and closes what was open.
    while api.status(&axum::http::Method::GET, "/v1/oracle", None).await != 401 {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    for path in ["/v1/withdrawals", &format!("/v1/withdrawals/{b}"), &format!("/v1/withdrawals/{b}")] {
        assert_eq!(get(path, 0).await, 200, "{path}");
    }
    assert_eq!(get("/v1/withdrawals?state=paid", 1).await, 200, "shows nobody");
    assert_eq!(get(&format!("/v1/withdrawals/{a}"), 1).await, 200);
    assert_eq!(get("/v1/withdrawals/wd_00000000000000000000000000000000", 2).await, 404);
    // Whoever has the link looks after his own.
    let page = receipt.body["status_page"].as_str().unwrap().replace("/w/", "/v1/status/");
    assert_eq!(api.get(&page).await.status, 200);

    api.viewed.note(&api.store).await.unwrap();
    let noted = noted(&api).await.split_off(1);
    assert_eq!(noted.iter().map(|(actor, _)| actor.as_str()).collect::<Vec<_>>(), ["api/desk", "api/shop"]);
    let (desk, shop) = (&noted[0].1["routes"], &noted[1].1["routes"]);
    let mut both = [a.clone(), b.clone()];
    both.sort();
    assert_eq!(desk["/v1/withdrawals"], json!({ "reads": 1, "shown": 2, "ids": both }));
    assert_eq!(desk["/v1/withdrawals/{id}"], json!({ "reads": 2, "shown": 2, "ids": [b] }));
    assert_eq!(*shop, json!({ "/v1/withdrawals/{id}": { "reads": 1, "shown": 1, "ids": [a] } }));
    let said = json!(noted).to_string();
    assert!(keys.iter().all(|key| !said.contains(key.reveal().rsplit('_').next().unwrap())), "{said}");

    // Nobody looked since: nothing is appended.
    let newest = api.store.newest_audit().await.unwrap();
    api.viewed.note(&api.store).await.unwrap();
    assert_eq!(api.store.newest_audit().await.unwrap(), newest);
}

#[tokio::test]
async fn a_store_that_fails_keeps_nothing_from_being_noted_later_and_ids_have_a_bound() {
    let api = Api::start().await;
    for i in 0..120 {
        api.submit(&format!("order {i}"), order("5")).await;
    }
    let list = || api.get("/v1/withdrawals?limit=500");
    assert_eq!(list().await.body["withdrawals"].as_array().unwrap().len(), 120);
    let away = testing::store().await;
    away.store.clone().close().await;
    assert!(api.viewed.note(&away.store).await.is_err());
    assert_eq!(list().await.status, 200);
    assert!(api.viewed.note(&away.store).await.is_err());

    api.viewed.note(&api.store).await.unwrap();
    let noted = noted(&api).await;
    assert_eq!(noted.len(), 1);
    let route = &noted[0].1["routes"]["/v1/withdrawals"];
    assert_eq!((&route["reads"], &route["shown"]), (&json!(2), &json!(240)));
    assert_eq!(route["ids"].as_array().unwrap().len(), 100);
}
