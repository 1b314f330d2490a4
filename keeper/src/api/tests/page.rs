//! The web page's files, and what it asks for.

use super::{super::page, *};
use crate::{
    clock::now_ms,
    domain::access::{ApiKey, Scope, Secret},
};
use std::collections::BTreeMap;

/// A file as it is served: its headers and its text.
async fn file(api: &Api, path: &str) -> (StatusCode, axum::http::HeaderMap, String) {
    let request = Request::get(path).body(Body::empty()).unwrap();
    let (parts, body) = api.app.clone().oneshot(request).await.unwrap().into_parts();
    let text = String::from_utf8(to_bytes(body, 1 << 20).await.unwrap().to_vec()).unwrap();
    (parts.status, parts.headers, text)
}

#[tokio::test]
async fn its_files_need_no_key_and_load_nothing_from_elsewhere() {
    let api = Api::with(|c| c.require_key = true).await;
    for (path, ..) in page::FILES {
        let (status, headers, text) = file(&api, &path.replace("{token}", &"0".repeat(64))).await;
        assert_eq!(status, StatusCode::OK, "{path}");
        let policy = headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(headers[header::REFERRER_POLICY], "no-referrer", "{path}");
        assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff", "{path}");
        let named = text.replace("http://www.w3.org/2000/svg", "");
        assert!(
            !named.contains("http:") && !named.contains("https:") && !named.contains("@import"),
            "{path}"
        );
        // All that it names is there.
        for name in named.split("\"/page/").skip(1).filter_map(|rest| rest.split('"').next()) {
            assert!(page::FILES.iter().any(|(p, ..)| *p == format!("/page/{name}")), "{path} names {name}");
        }
        for name in named.split("from \"./").skip(1).filter_map(|rest| rest.split('"').next()) {
            assert!(page::FILES.iter().any(|(p, ..)| *p == format!("/page/{name}")), "{path} names {name}");
        }
    }
}

#[tokio::test]
async fn each_word_is_there_in_both_languages_and_each_that_is_asked_for_is_there() {
    let api = Api::start().await;
    let (_, _, words) = file(&api, "/page/words.mjs").await;
    let (en, zh) = words.split_once("\n};").unwrap().0.split_once("  zh: {").unwrap();
    let names = |text: &str| -> Vec<String> {
        // A word that is too long for its line begins on the next.
        let lines = text.lines().filter_map(|line| line.strip_prefix("    ")?.split_once(':'));
        let named = lines.filter(|(name, _)| name.starts_with(|c: char| c.is_ascii_lowercase()));
        named.map(|(name, _)| name.to_owned()).collect()
    };
    let (en, zh) = (names(en), names(zh));
    assert!(en.len() > 100 && en == zh, "the languages differ: {en:?} {zh:?}");
    for (path, _, text) in page::FILES {
        let marks = [" t(\"", "(t(\"", "{t(\"", "data-t=\"", "data-t-label=\"", "data-hint=\""];
        let asked =
            marks.iter().flat_map(|mark| text.split(mark).skip(1).filter_map(|rest| rest.split('"').next()));
        for name in asked {
            assert!(en.iter().any(|known| known == name), "{path} asks for {name}");
        }
    }
}

/// The colours of one theme by name.
fn colours(css: &str) -> BTreeMap<&str, [u8; 3]> {
    let lines = css.lines().filter_map(|line| line.trim().strip_prefix("--")?.split_once(": #"));
    lines
        .map(|(name, hex)| {
            let bytes = alloy::hex::decode(hex.trim_end_matches(';')).unwrap();
            (name, bytes.try_into().unwrap())
        })
        .collect()
}

/// The contrast of two colours (WCAG 2.2, "contrast ratio" and "relative luminance").
#[expect(clippy::float_arithmetic, reason = "light is no money")]
fn contrast(a: [u8; 3], b: [u8; 3]) -> f64 {
    let luminance = |colour: [u8; 3]| {
        let linear = colour.map(|channel| {
            let c = f64::from(channel) / 255.0;
            if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
        });
        0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    };
    let (x, y) = (luminance(a), luminance(b));
    (x.max(y) + 0.05) / (x.min(y) + 0.05)
}

#[tokio::test]
async fn its_colours_have_the_contrast_of_wcag_aa_in_both_themes() {
    assert!((20.9..=21.0).contains(&contrast([0; 3], [255; 3])));
    let api = Api::start().await;
    let (_, _, css) = file(&api, "/page/page.css").await;
    let (light, rest) = css.split_once("@media (prefers-color-scheme: dark)").unwrap();
    let dark = rest.split("\n}\n").next().unwrap();
    let themes = [("light", colours(light)), ("dark", colours(dark))];
    assert!(themes[0].1.len() > 10 && themes[0].1.keys().eq(themes[1].1.keys()), "{themes:?}");
    let tints = ["accent-tint", "ok-tint", "warn-tint", "bad-tint"];
    for (theme, of) in &themes {
        let enough = |text: &str, behind: &str, least: f64| {
            let ratio = contrast(of[text], of[behind]);
            assert!(ratio >= least, "{theme}: {text} on {behind} is {ratio:.2}");
        };
        for text in ["text", "muted", "accent", "ok", "warn", "bad"] {
            for behind in ["ground", "panel"] {
                enough(text, behind, 4.5);
            }
        }
        for tint in tints {
            enough("text", tint, 4.5);
            enough(tint.trim_end_matches("-tint"), tint, 4.5);
        }
        enough("on-accent", "accent", 4.5);
        // What is drawn: bars on their rails, and on the panel.
        for drawn in ["accent", "ok", "warn", "bad"] {
            enough(drawn, "track", 3.0);
        }
    }
}

#[tokio::test]
async fn a_status_page_shows_one_withdrawal_to_whoever_has_its_link() {
    let api = Api::start().await;
    let mine = api.submit("mine, and nobody else's", order("5")).await;
    api.submit("yours", order("7")).await;
    let token = mine.body["status_page"].as_str().unwrap().strip_prefix("/w/").unwrap().to_owned();
    assert_eq!(
        api.submit("mine, and nobody else's", order("5")).await.body["status_page"],
        mine.body["status_page"]
    );
    let bulk = api.bulk(&[row("in a bulk", "1")], false).await;
    assert_eq!(bulk.body["results"][0]["status_page"].as_str().unwrap().len(), "/w/".len() + 64);

    let secret = Secret::new();
    let closing = ApiKey {
        id: secret.id.clone(),
        name: "test".to_owned(),
        hash: secret.hash(),
        scopes: vec![Scope::Read],
        per_minute: 0,
        created_at: now_ms(),
        expires_at: None,
    };
    api.store.add_api_key(&closing, None).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    assert_eq!(api.get("/v1/withdrawals").await.status, StatusCode::UNAUTHORIZED);
    let shown = api.get(&format!("/v1/status/{token}")).await;
    assert_eq!((shown.status, &shown.body["id"]), (StatusCode::OK, &mine.body["id"]));
    assert_eq!((&shown.body["amount"], &shown.body["state"]), (&"5".into(), &"received".into()));
    assert_eq!(shown.body["reason"]["code"], "awaits_policy");
    assert_eq!(
        (&shown.body["next"]["what"], &shown.body["next"]["what_zh"]),
        (&"it is checked".into(), &"进行检查".into())
    );
    let links = shown.body["links"].as_array().unwrap();
    assert_eq!((links.len(), &links[0]["state"], &links[1]["state"]), (7, &"passed".into(), &"here".into()));
    let text = shown.body.to_string();
    assert!(!text.contains("nobody else's") && !text.contains("trace"), "what is the caller's: {text}");

    let id = token[..32].to_owned();
    for wrong in [format!("{id}{}", "0".repeat(32)), id, "0".repeat(64), "x".to_owned()] {
        assert_eq!(api.get(&format!("/v1/status/{wrong}")).await.code(), "not_found", "{wrong}");
    }
}

#[tokio::test]
async fn the_overview_counts_what_stands_where_and_names_what_is_stuck() {
    let api = Api::start().await;
    for key in ["a", "b", "c"] {
        api.submit(key, order("5")).await;
    }
    let held = api.store.withdrawal(&WithdrawalId::from_key("b")).await.unwrap().unwrap();
    let mut unit = api.store.unit(Context::new("test", "policy", json!({}))).await.unwrap();
    let reason = Some(crate::domain::reason::Code::FloatInsufficient);
    unit.move_withdrawals(&[held], WithdrawalState::Held, reason).await.unwrap();
    unit.commit().await.unwrap();
    api.readiness.send_replace(Readiness::ready(Vec::new()));

    let seen = api.get("/v1/overview").await.body;
    let stage = |name: &str| {
        let stages = seen["stages"].as_array().unwrap();
        stages.iter().find(|s| s["stage"] == name).map(|s| s["withdrawals"].clone())
    };
    assert_eq!(
        (stage("received"), stage("held"), stage("mined")),
        (Some(2.into()), Some(1.into()), Some(0.into()))
    );
    assert_eq!(stage("final"), None, "nothing that ended");
    let stuck = seen["stuck"].as_array().unwrap();
    assert_eq!(stuck.len(), 1, "{seen}");
    assert_eq!(
        (&stuck[0]["stage"], &stuck[0]["reason"]["code"]),
        (&"held".into(), &"float_insufficient".into())
    );
    assert_eq!((&seen["ready"], &seen["books"]["unmatched"]), (&true.into(), &0.into()));
}
