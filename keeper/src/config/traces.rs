//! `[traces]`: where the way of each withdrawal is sent as OpenTelemetry spans.

use serde::Deserialize;
use std::{fmt, time::Duration};

/// Without an endpoint it is off.
#[derive(Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TracesConfig {
    /// Takes OTLP over HTTP as protobuf. May carry a key: never logged.
    #[serde(deserialize_with = "super::source::url")]
    pub endpoint: Option<reqwest::Url>,
    /// The name of an environment variable that holds headers, as `name=value,name=value`.
    pub headers_env: Option<String>,
    /// One withdrawal in so many is sent, chosen by its trace id.
    pub one_in: u32,
    /// What is not answered within this is sent again.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
}

impl Default for TracesConfig {
    fn default() -> Self {
        Self { endpoint: None, headers_env: None, one_in: 1, timeout: Duration::from_secs(10) }
    }
}

impl fmt::Debug for TracesConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let endpoint = self.endpoint.as_ref().map(|url| super::check::without_secrets(url.as_str()));
        f.debug_struct("TracesConfig")
            .field("endpoint", &endpoint)
            .field("headers_env", &self.headers_env)
            .field("one_in", &self.one_in)
            .field("timeout", &self.timeout)
            .finish()
    }
}
