//! A running keeper, asked through its API.

use super::args::KeeperArgs;
use crate::config::ApiConfig;
use eyre::{WrapErr, bail};
use reqwest::RequestBuilder;
use serde_json::Value;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(10);

/// Where it is asked.
pub(super) struct Client {
    client: reqwest::Client,
    url: String,
    key: Option<String>,
}

impl Client {
    /// The configured keeper, unless the arguments name another.
    pub(super) fn new(args: &KeeperArgs, api: &ApiConfig) -> eyre::Result<Self> {
        let url = args.url.clone().unwrap_or_else(|| format!("http://{}", api.listen));
        let client = reqwest::Client::builder().timeout(PATIENCE).build()?;
        Ok(Self { client, url: url.trim_end_matches('/').to_owned(), key: args.key.clone() })
    }

    pub(super) async fn get(&self, path: &str) -> eyre::Result<Value> {
        self.send(self.client.get(format!("{}{path}", self.url))).await
    }

    pub(super) async fn post(&self, path: &str, body: &Value) -> eyre::Result<Value> {
        self.send(self.client.post(format!("{}{path}", self.url)).json(body)).await
    }

    /// The answer, or the problem that it is: what, and the next step.
    async fn send(&self, mut request: RequestBuilder) -> eyre::Result<Value> {
        if let Some(key) = &self.key {
            request = request.bearer_auth(key);
        }
        let answer = request.send().await.wrap_err("no keeper answers; --url names another")?;
        let is_success = answer.status().is_success();
        let body: Value = answer.json().await.wrap_err("what answers is no keeper")?;
        if !is_success {
            let said = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
            bail!("{} ({}). {}", said("detail"), said("code"), said("next_step"));
        }
        Ok(body)
    }
}
