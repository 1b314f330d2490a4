//! `[[webhooks]]`: the operator's endpoints that are told what became of withdrawals.

use crate::domain::{webhook::Secret, withdrawal::WithdrawalState};
use serde::Deserialize;
use std::{fmt, time::Duration};

/// One endpoint.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookConfig {
    /// What it is called in the store, the log and the figures. Another name is another endpoint.
    pub name: String,
    /// May carry a key in its path: never logged.
    #[serde(deserialize_with = "super::source::one_url")]
    pub url: reqwest::Url,
    /// The names of environment variables that hold its secrets; two while one takes the other's place.
    pub secret_env: Vec<String>,
    /// What it is told: withdrawals that came to one of these states.
    #[serde(default = "endings")]
    pub states: Vec<WithdrawalState>,
    /// What is not answered within this is tried again.
    #[serde(default = "timeout", with = "humantime_serde")]
    pub timeout: Duration,
    /// The first wait before a message is sent again; each later one is four times as long, up to six hours.
    #[serde(default = "retry_after", with = "humantime_serde")]
    pub retry_after: Duration,
    /// So often a message is tried before it is given up.
    #[serde(default = "max_attempts")]
    pub max_attempts: u32,
}

fn endings() -> Vec<WithdrawalState> {
    WithdrawalState::ALL.into_iter().filter(|state| state.is_terminal()).collect()
}

fn timeout() -> Duration {
    Duration::from_secs(10)
}

fn retry_after() -> Duration {
    Duration::from_secs(5)
}

fn max_attempts() -> u32 {
    10
}

impl fmt::Debug for WebhookConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookConfig")
            .field("name", &self.name)
            .field("url", &super::check::without_secrets(self.url.as_str()))
            .field("states", &self.states)
            .field("timeout", &self.timeout)
            .field("retry_after", &self.retry_after)
            .field("max_attempts", &self.max_attempts)
            .finish()
    }
}

/// Why an endpoint's secrets cannot be loaded. No error shows one.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    #[error(
        "webhooks[{entry}].secret_env = \"{name}\": the environment variable is not set; export it before the start"
    )]
    NoVariable { entry: usize, name: String },
    #[error(
        "webhooks[{entry}].secret_env = \"{name}\": the variable holds no secret; expected whsec_ and 24 to 64 random bytes as base64, such as `echo whsec_$(head -c 32 /dev/urandom | base64)` prints"
    )]
    BadSecret { entry: usize, name: String },
}

pub(super) fn load(
    endpoints: &[WebhookConfig],
    environment: impl Fn(&str) -> Option<String>,
) -> Result<Vec<Vec<Secret>>, WebhookError> {
    let secret = |entry: usize, name: &String| {
        let text = environment(name).ok_or_else(|| WebhookError::NoVariable { entry, name: name.clone() })?;
        Secret::parse(&text).ok_or_else(|| WebhookError::BadSecret { entry, name: name.clone() })
    };
    endpoints
        .iter()
        .enumerate()
        .map(|(entry, endpoint)| endpoint.secret_env.iter().map(|name| secret(entry, name)).collect())
        .collect()
}
