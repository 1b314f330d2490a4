//! Reading the file, and the environment over it.

use super::{
    Config,
    check::{self, ConfigError},
};
use figment::{
    Error, Figment, Metadata, Profile, Provider,
    providers::{Format, Toml},
    util::nest,
    value::{Dict, Map, Value},
};
use serde::{Deserialize, Deserializer, de};
use std::path::Path;

/// What the names of overriding variables begin with.
const PREFIX: &str = "SPILLWAY_";

/// Keys that are not text: their variables are read as a TOML value. All others stay as they are written, so that a
/// token of digits is no number.
const NOT_TEXT: [&str; 15] = [
    "chain.chain_id",
    "chain.finality",
    "chain.max_log_range",
    "chain.max_requests_per_second",
    "chain.quorum",
    "api.max_body",
    "api.require_key",
    "batch.max_gas",
    "batch.max_payouts",
    "batch.max_in_flight",
    "fees.max_fee_gwei",
    "fees.max_bumps",
    "fees.max_share_bps",
    "lanes",
    "webhooks",
];

impl Config {
    /// Reads `file` with this process's environment over it, and checks every value.
    pub fn load(file: &Path) -> Result<Self, ConfigError> {
        let environment =
            std::env::vars_os().filter_map(|(n, v)| Some((n.into_string().ok()?, v.into_string().ok()?)));
        Self::load_with(file, environment)
    }

    /// [`Config::load`] with the environment given.
    pub fn load_with(
        file: &Path,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(file)
            .map_err(|source| ConfigError::File { path: file.display().to_string(), source })?;
        let mut figment = Figment::from(Toml::string(&text));
        for variable in environment.into_iter().filter_map(Variable::read) {
            figment = figment.merge(variable);
        }
        let config: Self = figment.extract().map_err(|e| check::unreadable(file, &figment, e))?;
        check::check(&config).map_err(|problems| ConfigError::invalid(file, problems))?;
        Ok(config)
    }
}

/// An environment variable that overrides a key.
struct Variable {
    name: String,
    key: String,
    value: String,
}

impl Variable {
    /// Sections are parted from their keys by two underscores. A name without them is a top-level key, or (like
    /// the variable that holds a lane's key) none of the configuration's.
    fn read((name, value): (String, String)) -> Option<Self> {
        let key = name.strip_prefix(PREFIX)?.to_ascii_lowercase().replace("__", ".");
        let ours = key.contains('.') || ["deployment", "lanes"].contains(&key.as_str());
        ours.then_some(Self { name, key, value })
    }
}

impl Provider for Variable {
    fn metadata(&self) -> Metadata {
        Metadata::named(format!("the environment variable {}", self.name))
    }

    fn data(&self) -> Result<Map<Profile, Dict>, Error> {
        let value = if NOT_TEXT.contains(&self.key.as_str()) {
            self.value.parse().unwrap_or_else(|never: std::convert::Infallible| match never {})
        } else {
            Value::from(self.value.as_str())
        };
        let dict = nest(&self.key, value).into_dict().unwrap_or_default();
        Ok(Profile::Default.collect(dict))
    }
}

/// An address of the web.
pub(super) fn url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<reqwest::Url>, D::Error> {
    parse(&String::deserialize(deserializer)?).map(Some)
}

/// An address of the web that must be there.
pub(super) fn one_url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<reqwest::Url, D::Error> {
    parse(&String::deserialize(deserializer)?)
}

/// Addresses of the web: a list, or (in a variable) one text with commas between them.
pub(super) fn urls<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<reqwest::Url>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Given {
        List(Vec<String>),
        Text(String),
    }
    match Given::deserialize(deserializer)? {
        Given::List(list) => list.iter().map(|url| parse(url)).collect(),
        Given::Text(text) => text.split(',').map(str::trim).filter(|t| !t.is_empty()).map(parse).collect(),
    }
}

fn parse<E: de::Error>(text: &str) -> Result<reqwest::Url, E> {
    // The text may hold a provider's key: the error does not repeat it.
    text.parse().map_err(|e| E::custom(format!("no URL: {e}")))
}
