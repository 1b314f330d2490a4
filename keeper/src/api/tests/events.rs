//! Server-sent events.

use super::*;
use axum::body::BodyDataStream;
use futures::StreamExt;
use std::time::Duration;
use tokio::time::timeout;

/// The changes that a watcher hears.
struct Watching {
    stream: BodyDataStream,
    text: String,
}

impl Watching {
    async fn start(api: &Api, query: &str, last_seen: Option<i64>) -> Self {
        let mut request = Request::get(format!("/v1/events{query}"));
        if let Some(last) = last_seen {
            request = request.header("last-event-id", last);
        }
        let response = api.app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()[header::CONTENT_TYPE], "text/event-stream");
        Self { stream: response.into_body().into_data_stream(), text: String::new() }
    }

    /// The next event: its id and what it says.
    async fn next(&mut self) -> (i64, Value) {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let line = |name: &str| event.lines().find_map(|l| l.strip_prefix(name).map(str::trim));
                let read = line("id:").zip(line("data:"));
                let read = read.map(|(id, data)| (id.parse().unwrap(), serde_json::from_str(data).unwrap()));
                self.text = rest.to_owned();
                if let Some(read) = read {
                    return read;
                }
                continue;
            }
            let piece = timeout(Duration::from_secs(5), self.stream.next()).await.expect("an event in time");
            self.text += std::str::from_utf8(&piece.unwrap().unwrap()).unwrap();
        }
    }
}

#[tokio::test]
async fn a_watcher_hears_each_change_once_and_goes_on_where_it_was() {
    let api = Api::start().await;
    api.submit("before", order("1")).await;
    let mut all = Watching::start(&api, "", None).await;
    let one = WithdrawalId::from_key("mine");
    let mut mine = Watching::start(&api, &format!("?withdrawal={one}"), None).await;
    api.submit("other", order("1")).await;
    api.submit("mine", order("1")).await;

    let (_, other) = all.next().await;
    assert_eq!(other["withdrawal"], WithdrawalId::from_key("other").as_str(), "not what was before");
    let (last, heard) = all.next().await;
    assert_eq!((&heard["withdrawal"], &heard["to"]), (&one.as_str().into(), &"received".into()));
    assert_eq!(mine.next().await, (last, heard), "only its own");

    drop(all);
    api.post(&format!("/v1/withdrawals/{one}/cancel"), None, "").await;
    let mut again = Watching::start(&api, "", Some(last)).await;
    let (_, missed) = again.next().await;
    assert_eq!((&missed["to"], &missed["code"]), (&"cancelled".into(), &"cancelled_by_caller".into()));
    assert_eq!(mine.next().await.1, missed);
    let mut from_the_start = Watching::start(&api, "", Some(0)).await;
    assert_eq!(from_the_start.next().await.1["withdrawal"], WithdrawalId::from_key("before").as_str());
}

/// Nobody watches all: what is read is what is watched, also when it comes after whoever watches.
#[tokio::test]
async fn who_watches_one_that_is_not_there_yet_hears_it_among_others() {
    let api = Api::start().await;
    let one = WithdrawalId::from_key("mine");
    let mut mine = Watching::start(&api, &format!("?withdrawal={one}"), None).await;
    for key in ["a", "b", "mine", "c"] {
        api.submit(key, order("1")).await;
    }
    let (_, heard) = mine.next().await;
    assert_eq!((&heard["withdrawal"], &heard["to"]), (&one.as_str().into(), &"received".into()));
    api.post(&format!("/v1/withdrawals/{one}/cancel"), None, "").await;
    assert_eq!(mine.next().await.1["to"], "cancelled");
}

#[tokio::test]
async fn a_batch_is_heard_with_the_withdrawal_that_is_in_it() {
    let api = Api::start().await;
    api.submit("a", order("5")).await;
    let id = WithdrawalId::from_key("a");
    let mut heard = Watching::start(&api, &format!("?withdrawal={id}"), None).await;
    let mut withdrawal = api.store.withdrawal(&id).await.unwrap().unwrap();
    let mut unit = api.store.unit(Context::new("test", "batch.planned", json!({}))).await.unwrap();
    unit.move_withdrawals(std::slice::from_ref(&withdrawal), WithdrawalState::Ready, None).await.unwrap();
    withdrawal.state = WithdrawalState::Ready;
    unit.plan_batch(BatchKind::Orders, Tier::Instant, &[withdrawal]).await.unwrap();
    unit.commit().await.unwrap();
    let mut states = Vec::new();
    for _ in 0..3 {
        let (_, change) = heard.next().await;
        states.push(change["to"].as_str().unwrap().to_owned());
    }
    assert_eq!(states, ["ready", "batched", "planned"]);
}

#[tokio::test]
async fn what_is_no_id_is_refused() {
    let api = Api::start().await;
    assert_eq!(api.get("/v1/events?withdrawal=mine").await.code(), "not_found");
    let request = Request::get("/v1/events").header("last-event-id", "yesterday").body(Body::empty());
    let refused = api.send(request.unwrap()).await;
    assert_eq!((refused.code(), &refused.body["field"]), ("bad_parameter", &"Last-Event-ID".into()));
}
