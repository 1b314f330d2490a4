//! What each key may be. An error names the key, the value, and what would be right.

use super::{Config, Finality, LaneConfig, MAX_TRANSACTION_GAS};
use crate::clock::now_ms;
use figment::{
    Figment,
    error::{Actual, Kind},
};
use std::{fmt, path::Path, time::Duration};
use tracing_subscriber::EnvFilter;

/// What would be right, by key.
const EXPECTED: &[(&str, &str)] = &[
    ("deployment", "the path of the file that script/Deploy.s.sol wrote, such as \"deployments/31337.json\""),
    ("chain", "a section [chain] with at least rpc_urls and chain_id"),
    (
        "chain.rpc_urls",
        "one or more addresses such as [\"http://127.0.0.1:8545\"] (http or https); in the environment with commas between them",
    ),
    ("chain.ws_urls", "addresses such as [\"ws://127.0.0.1:8545\"] (ws or wss), or none"),
    ("chain.quorum", "a number of endpoints from 1 to as many as chain.rpc_urls has"),
    ("chain.hedge_after", "a time such as \"500ms\", from 10ms to 10s"),
    ("chain.request_timeout", "a time such as \"10s\", from 100ms to 2m"),
    ("chain.max_requests_per_second", "a number of requests from 1 to 100000, or 0 for no limit"),
    ("chain.private_relay", "an address such as \"https://relay.example\" (http or https)"),
    ("chain.private_timeout", "a time such as \"1m\", from 1s to 1h"),
    ("chain.chain_id", "the chain's number, 1 or more, such as 1 (Ethereum) or 31337 (anvil)"),
    ("chain.finality", "\"finalized\", or { confirmations = N } with N from 1 to 10000"),
    ("chain.poll_interval", "a time such as \"500ms\", from 10ms to 1m"),
    ("chain.max_log_range", "a number of blocks from 1 to 1000000, within what the RPC provider allows"),
    ("store.url", "\"sqlite://FILE\" or \"postgres://USER@HOST/DATABASE\""),
    ("store.generation_file", "the path of a file outside what your backups restore"),
    ("store.lease", "a time such as \"10s\", from 1s to 5m"),
    ("api.listen", "an address and a port, such as \"127.0.0.1:8080\""),
    (
        "api.token",
        "a secret of 16 to 256 printable characters without spaces; without one, api.listen must be a loopback address, or api.require_key = true",
    ),
    ("api.require_key", "true or false"),
    ("api.max_body", "a number of bytes from 1024 to 268435456, such as 16777216"),
    ("api.queue", "a number of withdrawals from 10000 to 1000000, such as 50000"),
    ("lanes", "at least one entry [[lanes]] with private_key_env, or with keystore and password_file"),
    (
        "lanes.private_key_env",
        "the NAME of an environment variable that holds the key, such as \"SPILLWAY_LANE_KEY\"",
    ),
    ("lanes.keystore", "the path of an encrypted key file"),
    ("lanes.password_file", "the path of a file with the keystore's password in its first line"),
    ("oracle", "sections such as [oracle.TUSD], by the symbols of the deployment; see docs/oracle.md"),
    ("policy.hold_timeout", "a time such as \"1h\", from 1s to 365days"),
    ("policy.deadline", "a time such as \"1day\", up to 365days; \"0s\" for none"),
    ("batch.window", "a time such as \"2s\", from 0s to 1h"),
    ("batch.max_gas", "a number from 500000 to 16777216 (one transaction may use no more: EIP-7825)"),
    ("batch.max_payouts", "a number of payouts from 1 to 10000"),
    ("batch.max_in_flight", "a number of batches from 1 to 64"),
    ("review.deadline", "a time such as \"24h\", from 10m to 30days"),
    ("lanes.reviewed", "true or false"),
    ("fees.policy", "\"normal\" or \"urgent\""),
    ("fees.max_fee_gwei", "a whole number of gwei from 1 to 1000000"),
    ("fees.bump_after", "a time such as \"30s\", from 1s to 1day"),
    ("fees.max_bumps", "a number from 1 to 100"),
    ("fees.max_share_bps", "ten-thousandths of the amount, from 1 to 1000000, or 0 for no bound"),
    ("fees.hold", "a time such as \"6h\", from 0s to 365days"),
    ("fees.after_hold", "\"pay\" or \"reject\""),
    ("webhooks", "entries [[webhooks]] with a name, a url and secret_env"),
    ("webhooks.name", "a name of 1 to 64 letters, digits, - and _, that no other entry has"),
    ("webhooks.url", "an address such as \"https://shop.example/spillway\" (http or https)"),
    (
        "webhooks.secret_env",
        "the NAMES of one to four environment variables that hold secrets, such as [\"SPILLWAY_WEBHOOK_SHOP\"]",
    ),
    (
        "webhooks.states",
        "states of withdrawals, such as [\"paid\", \"claimable\", \"rejected\", \"cancelled\"]",
    ),
    ("webhooks.timeout", "a time such as \"10s\", from 100ms to 1m"),
    ("webhooks.retry_after", "a time such as \"5s\", from 100ms to 1h"),
    ("webhooks.max_attempts", "a number from 1 to 100"),
    ("traces.endpoint", "an address such as \"http://127.0.0.1:4318/v1/traces\" (http or https)"),
    ("traces.headers_env", "the NAME of an environment variable that holds name=value,name=value"),
    ("traces.one_in", "a number from 1 to 1000000"),
    ("traces.timeout", "a time such as \"10s\", from 100ms to 1m"),
    ("export.directory", "the path of a folder, or nothing for no export"),
    ("export.interval", "a time such as \"10m\", from 1s to 1day"),
    ("margin.factory", "the address that script/DeployMargin.s.sol wrote as marginFactory"),
    ("margin.pools", "addresses of margin pools, such as [\"0x...\"]"),
    (
        "margin.signer",
        "{ private_key_env = \"NAME\" }, or { keystore = \"FILE\", password_file = \"FILE\" }, of an account that is no lane's",
    ),
    ("margin.max_bid", "a whole number of the collateral, or 0 to never bid"),
    ("margin.max_held", "a whole number of the collateral, at least margin.max_bid"),
    ("margin.premium_bps", "ten-thousandths from 0 to 10000"),
    ("margin.insurance_floor_bps", "ten-thousandths from 0 to 1000000; 0 for no alert"),
    ("margin.concentration_bps", "ten-thousandths from 1 to 10000; 10000 for no alert"),
    ("swap.pools", "entries with kind, address and tokens"),
    ("swap.pools.kind", "\"uniswap_v2\", \"uniswap_v3\", \"stable_swap\" or \"balancer_weighted\""),
    ("swap.pools.address", "the address of a pool that no other entry has"),
    (
        "swap.pools.tokens",
        "the addresses of its tokens, each once: two, or up to 8 at stable_swap and balancer_weighted",
    ),
    ("swap.pools.fee_bps", "ten-thousandths from 0 to 9999"),
    ("swap.pools.adapter", "the address of the splitter's adapter for pools of this kind"),
    (
        "swap.signer",
        "{ private_key_env = \"NAME\" }, or { keystore = \"FILE\", password_file = \"FILE\" }, of a lane of the vault that is not in [[lanes]]",
    ),
    ("swap.sources", "symbols of the deployment's assets, such as [\"TDAI\", \"ETH\"]"),
    ("swap.horizon", "a time such as \"1h\", from 0s to 1day"),
    ("swap.max_impact_bps", "ten-thousandths from 1 to 5000"),
    ("swap.slice_interval", "a time such as \"1m\", from 0s to 1day"),
    ("swap.connectors", "up to 8 addresses of tokens"),
    ("swap.slippage_bps", "ten-thousandths from 1 to 1000"),
    ("log.format", "\"text\" or \"json\""),
    ("log.level", "error, warn, info, debug or trace, or directives such as \"info,spillway::stages=debug\""),
];

/// Keys whose value no message may show.
const SECRET: [&str; 3] = ["api.token", "webhooks.secret_env", "traces.headers_env"];
/// Keys whose value is shown without the parts that may be secret.
const PARTLY_SECRET: [&str; 6] = [
    "chain.rpc_urls",
    "chain.ws_urls",
    "chain.private_relay",
    "store.url",
    "webhooks.url",
    "traces.endpoint",
];

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("{path}: {source}; copy spillway.example.toml, or name another file with --config")]
    File { path: String, source: std::io::Error },
    #[error("{path} is no valid configuration:{}", list(problems))]
    Invalid { path: String, problems: Vec<Problem> },
}

impl ConfigError {
    pub(super) fn invalid(file: &Path, problems: Vec<Problem>) -> Self {
        Self::Invalid { path: file.display().to_string(), problems }
    }
}

fn list(problems: &[Problem]) -> String {
    problems.iter().map(|p| format!("\n  {p}")).collect()
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Such as `chain.chain_id`; empty when the file as a whole cannot be read.
    pub key: String,
    /// As written, without secrets; none where there is no value.
    pub value: Option<String>,
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Some(value) => write!(f, "{} = {value}: {}", self.key, self.message),
            None if self.key.is_empty() => f.write_str(&self.message),
            None => write!(f, "{}: {}", self.key, self.message),
        }
    }
}

/// Whether all values are in their ranges and go together.
pub(super) fn check(config: &Config) -> Result<(), Vec<Problem>> {
    let mut found = Findings::default();
    check_chain(config, &mut found);
    check_api(config, &mut found);
    check_lanes(config, &mut found);

    let url = &config.store.url;
    let known = ["sqlite://", "sqlite:", "postgres://", "postgresql://"];
    let known = known.iter().any(|start| url.strip_prefix(start).is_some_and(|rest| !rest.is_empty()));
    found.unless(known, "store.url", format!("{:?}", without_secrets(url)));

    let (policy, batch, fees) = (&config.policy, &config.batch, &config.fees);
    let (second, hour, day) =
        (Duration::from_secs(1), Duration::from_secs(3_600), Duration::from_secs(86_400));
    found.time(config.export.interval, second, day, "export.interval");
    found.time(config.store.lease, second, Duration::from_secs(300), "store.lease");
    found.time(policy.hold_timeout, second, 365 * day, "policy.hold_timeout");
    found.time(config.review.deadline, 600 * second, 30 * day, "review.deadline");
    found.time(policy.deadline, Duration::ZERO, 365 * day, "policy.deadline");
    found.time(fees.hold, Duration::ZERO, 365 * day, "fees.hold");
    found.unless((1..=100).contains(&fees.max_bumps), "fees.max_bumps", fees.max_bumps);
    found.unless(fees.max_share_bps <= 1_000_000, "fees.max_share_bps", fees.max_share_bps);
    found.time(batch.window, Duration::ZERO, hour, "batch.window");
    found.time(fees.bump_after, second, day, "fees.bump_after");
    found.unless((500_000..=MAX_TRANSACTION_GAS).contains(&batch.max_gas), "batch.max_gas", batch.max_gas);
    found.unless((1..=10_000).contains(&batch.max_payouts), "batch.max_payouts", batch.max_payouts);
    found.unless((1..=64).contains(&batch.max_in_flight), "batch.max_in_flight", batch.max_in_flight);
    found.unless((1..=1_000_000).contains(&fees.max_fee_gwei), "fees.max_fee_gwei", fees.max_fee_gwei);

    check_oracle(config, &mut found);
    check_webhooks(config, &mut found);
    check_traces(config, &mut found);
    check_margin(config, &mut found);
    check_swap(config, &mut found);

    let level = &config.log.level;
    found.unless(EnvFilter::try_new(level).is_ok() && !level.is_empty(), "log.level", format!("{level:?}"));
    if found.0.is_empty() { Ok(()) } else { Err(found.0) }
}

fn check_chain(config: &Config, found: &mut Findings) {
    let chain = &config.chain;
    found.unless(!chain.rpc_urls.is_empty(), "chain.rpc_urls", "[]");
    chain.rpc_urls.iter().for_each(|url| found.address(url, ["http", "https"], "chain.rpc_urls"));
    chain.ws_urls.iter().for_each(|url| found.address(url, ["ws", "wss"], "chain.ws_urls"));
    chain.private_relay.iter().for_each(|url| found.address(url, ["http", "https"], "chain.private_relay"));
    let quorum = chain.quorum();
    found.unless(
        (1..=chain.rpc_urls.len()).contains(&quorum) || chain.rpc_urls.is_empty(),
        "chain.quorum",
        quorum,
    );
    found.time(chain.hedge_after, Duration::from_millis(10), Duration::from_secs(10), "chain.hedge_after");
    let (tenth, two_minutes) = (Duration::from_millis(100), Duration::from_secs(120));
    found.time(chain.request_timeout, tenth, two_minutes, "chain.request_timeout");
    let per_second = chain.max_requests_per_second;
    found.unless(per_second <= 100_000, "chain.max_requests_per_second", per_second);
    let (second, hour) = (Duration::from_secs(1), Duration::from_secs(3_600));
    found.time(chain.private_timeout, second, hour, "chain.private_timeout");
    found.unless(chain.chain_id > 0, "chain.chain_id", chain.chain_id);
    if let Finality::Confirmations(n) = chain.finality {
        let value = format!("{{ confirmations = {n} }}");
        found.unless((1..=10_000).contains(&n), "chain.finality", value);
    }
    let (shortest, longest) = (Duration::from_millis(10), Duration::from_secs(60));
    found.time(chain.poll_interval, shortest, longest, "chain.poll_interval");
    found.unless((1..=1_000_000).contains(&chain.max_log_range), "chain.max_log_range", chain.max_log_range);
}

fn check_api(config: &Config, found: &mut Findings) {
    let api = &config.api;
    match &api.token {
        Some(token) => {
            let sound = (16..=256).contains(&token.0.len()) && token.0.bytes().all(|b| b.is_ascii_graphic());
            found.unless(sound, "api.token", "[hidden]");
        }
        // Whoever reaches the port could order payments.
        None => found.unless(
            api.listen.ip().is_loopback() || api.require_key,
            "api.token",
            format!("nothing, while api.listen is {}", api.listen),
        ),
    }
    found.unless((1_024..=256 << 20).contains(&api.max_body), "api.max_body", api.max_body);
    // A whole bulk must fit.
    found.unless((10_000..=1_000_000).contains(&api.queue), "api.queue", api.queue);
}

fn check_oracle(config: &Config, found: &mut Findings) {
    let now = u64::try_from(now_ms() / 1_000).unwrap_or_default();
    for (symbol, asset) in &config.oracle {
        for wrong in asset.contradictions(now).into_iter().chain(asset.unreadable()) {
            let key = format!("oracle.{symbol}.{}", wrong.key);
            found.0.push(Problem { key, value: Some(wrong.value), message: wrong.problem });
        }
    }
}

fn check_webhooks(config: &Config, found: &mut Findings) {
    for (i, endpoint) in config.webhooks.iter().enumerate() {
        let name = &endpoint.name;
        let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
        let taken = config.webhooks[..i].iter().any(|other| other.name == *name);
        found.unless(plain && (1..=64).contains(&name.len()) && !taken, "webhooks.name", format!("{name:?}"));
        found.address(&endpoint.url, ["http", "https"], "webhooks.url");
        let variables = &endpoint.secret_env;
        // The value may be the secret itself, written there by mistake.
        let named = variables.iter().all(|name| is_variable(name));
        found.unless(named && (1..=4).contains(&variables.len()), "webhooks.secret_env", "[hidden]");
        found.unless(!endpoint.states.is_empty(), "webhooks.states", "[]");
        let tenth = Duration::from_millis(100);
        found.time(endpoint.timeout, tenth, Duration::from_secs(60), "webhooks.timeout");
        found.time(endpoint.retry_after, tenth, Duration::from_secs(3_600), "webhooks.retry_after");
        let attempts = endpoint.max_attempts;
        found.unless((1..=100).contains(&attempts), "webhooks.max_attempts", attempts);
    }
}

fn check_traces(config: &Config, found: &mut Findings) {
    let traces = &config.traces;
    if let Some(endpoint) = &traces.endpoint {
        found.address(endpoint, ["http", "https"], "traces.endpoint");
    }
    found.unless(traces.headers_env.as_deref().is_none_or(is_variable), "traces.headers_env", "[hidden]");
    found.unless((1..=1_000_000).contains(&traces.one_in), "traces.one_in", traces.one_in);
    found.time(traces.timeout, Duration::from_millis(100), Duration::from_secs(60), "traces.timeout");
}

/// Whether a variable of the environment can be called so.
fn is_variable(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn check_margin(config: &Config, found: &mut Findings) {
    let margin = &config.margin;
    if let Some(signer) = &margin.signer {
        check_signer("margin.signer", signer, found);
    }
    found.unless(margin.max_bid <= margin.max_held, "margin.max_held", margin.max_held);
    found.unless(margin.premium_bps <= 10_000, "margin.premium_bps", margin.premium_bps);
    let floor = margin.insurance_floor_bps;
    found.unless(floor <= 1_000_000, "margin.insurance_floor_bps", floor);
    let concentration = margin.concentration_bps;
    found.unless((1..=10_000).contains(&concentration), "margin.concentration_bps", concentration);
}

fn check_swap(config: &Config, found: &mut Findings) {
    let swap = &config.swap;
    found.unless((1..=1_000).contains(&swap.slippage_bps), "swap.slippage_bps", swap.slippage_bps);
    let between = swap.connectors.len();
    found.unless(between <= router::MAX_CONNECTORS, "swap.connectors", format!("{between} addresses"));
    if let Some(signer) = &swap.signer {
        check_signer("swap.signer", signer, found);
    }
    found.unless((1..=5_000).contains(&swap.max_impact_bps), "swap.max_impact_bps", swap.max_impact_bps);
    found.time(swap.horizon, Duration::ZERO, Duration::from_secs(86_400), "swap.horizon");
    found.time(swap.slice_interval, Duration::ZERO, Duration::from_secs(86_400), "swap.slice_interval");
    for (i, pool) in swap.pools.iter().enumerate() {
        let mut tokens = pool.tokens.clone();
        tokens.sort_unstable();
        tokens.dedup();
        let several = tokens.len() == pool.tokens.len() && pool.kind.sizes().contains(&tokens.len());
        found.unless(several, "swap.pools.tokens", format!("{} addresses", pool.tokens.len()));
        found.unless(pool.fee_bps < 10_000, "swap.pools.fee_bps", pool.fee_bps);
        let twice = swap.pools[..i].iter().any(|other| other.address == pool.address);
        found.unless(!twice, "swap.pools.address", pool.address);
    }
}

fn check_lanes(config: &Config, found: &mut Findings) {
    found.unless(!config.lanes.is_empty(), "lanes", "[]");
    for (i, lane) in config.lanes.iter().enumerate() {
        check_signer(&format!("lanes[{i}]"), lane, found);
    }
}

fn check_signer(key: &str, entry: &LaneConfig, found: &mut Findings) {
    let by_env = entry.private_key_env.is_some();
    let by_file = (entry.keystore.is_some(), entry.password_file.is_some());
    match (by_env, by_file) {
        (true, (false, false)) | (false, (true, true)) => {}
        (false, (true, false)) => found.add(key, "password_file is missing beside keystore"),
        (false, (false, true)) => found.add(key, "keystore is missing beside password_file"),
        (false, (false, false)) => found.add(key, "write private_key_env, or keystore and password_file"),
        (true, _) => found.add(key, "write either private_key_env, or keystore and password_file, not both"),
    }
    let name = entry.private_key_env.as_deref();
    if name.is_some_and(|name| !is_variable(name)) {
        // The value may be the key itself, written there by mistake.
        found.add(
            &format!("{key}.private_key_env"),
            &format!("expected {}", expected("lanes.private_key_env")),
        );
    }
    if name.is_some_and(looks_like_a_key) {
        found.add(
            &format!("{key}.private_key_env"),
            "this looks like a private key; write the NAME of the variable that holds it, and treat the key as known",
        );
    }
}

fn looks_like_a_key(text: &str) -> bool {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    digits.len() == 64 && digits.bytes().all(|b| b.is_ascii_hexdigit())
}

#[derive(Default)]
struct Findings(Vec<Problem>);

impl Findings {
    fn unless(&mut self, right: bool, key: &str, value: impl fmt::Display) {
        if !right {
            let (value, message) = (Some(value.to_string()), format!("expected {}", expected(key)));
            self.0.push(Problem { key: key.to_owned(), value, message });
        }
    }

    fn time(&mut self, value: Duration, shortest: Duration, longest: Duration, key: &str) {
        let shown = format!("\"{}\"", humantime::format_duration(value));
        self.unless((shortest..=longest).contains(&value), key, shown);
    }

    fn address(&mut self, url: &reqwest::Url, schemes: [&str; 2], key: &str) {
        let right = schemes.contains(&url.scheme()) && url.has_host();
        self.unless(right, key, format!("{:?}", without_secrets(url.as_str())));
    }

    fn add(&mut self, key: &str, message: &str) {
        self.0.push(Problem { key: key.to_owned(), value: None, message: message.to_owned() });
    }
}

/// What file or environment hold that is no configuration, in words.
pub(super) fn unreadable(file: &Path, figment: &Figment, error: figment::Error) -> ConfigError {
    let problems = error.into_iter().map(|e| problem(figment, e)).collect();
    ConfigError::invalid(file, problems)
}

fn problem(figment: &Figment, error: figment::Error) -> Problem {
    let key = error.path.join(".");
    let under = |name: &str| if key.is_empty() { name.to_owned() } else { format!("{key}.{name}") };
    let from = error.metadata.as_ref().map(|m| m.name.as_ref()).filter(|n| n.starts_with("the environment"));
    let from = from.map(|f| format!(" (from {f})")).unwrap_or_default();
    match &error.kind {
        Kind::MissingField(name) => {
            let key = under(name);
            Problem { message: format!("missing; expected {}", expected(&general(&key))), key, value: None }
        }
        Kind::UnknownField(name, known) => Problem {
            // With an environment variable the path ends with the unknown key, with a file above it.
            key: if error.path.last() == Some(name) { key.clone() } else { under(name) },
            value: None,
            message: format!("no such key; known here: {}{from}", known.join(", ")),
        },
        kind if key.is_empty() => Problem { key, value: None, message: kind.to_string() },
        kind => Problem {
            value: Some(shown(figment, &general(&key), &key, kind)),
            message: format!("expected {}{from}", expected(&general(&key))),
            key,
        },
    }
}

/// The value as written, as far as it may be shown.
fn shown(figment: &Figment, general: &str, key: &str, kind: &Kind) -> String {
    if SECRET.contains(&general) {
        return "[hidden]".to_owned();
    }
    let text = figment.find_value(key).ok().and_then(|v| v.into_string());
    match (text, kind) {
        (Some(text), _) if PARTLY_SECRET.contains(&general) => format!("{:?}", without_secrets(&text)),
        (Some(text), _) => format!("{:?}", text.chars().take(80).collect::<String>()),
        (None, Kind::InvalidType(actual, _) | Kind::InvalidValue(actual, _)) => match actual {
            Actual::Unsigned(number) => number.to_string(),
            Actual::Signed(number) => number.to_string(),
            other => other.to_string(),
        },
        (None, other) => other.to_string(),
    }
}

/// `lanes.0.keystore` -> `lanes.keystore`
fn general(key: &str) -> String {
    key.split('.').filter(|part| part.parse::<usize>().is_err()).collect::<Vec<_>>().join(".")
}

/// What would be right for a key.
fn expected(key: &str) -> &'static str {
    EXPECTED
        .iter()
        .find(|(k, _)| *k == key)
        .map_or("another value; see spillway.example.toml", |(_, text)| text)
}

/// The part of an address that may be shown: no user, no password, and of a web address only the host, because
/// providers put their keys into the path.
pub(crate) fn without_secrets(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.chars().take(80).collect();
    };
    if scheme == "sqlite" {
        return url.to_owned();
    }
    let (authority, path) = rest.find(['/', '?']).map_or((rest, ""), |at| rest.split_at(at));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let path = if path.len() > 1 { "/..." } else { path };
    format!("{scheme}://{host}{path}")
}

#[cfg(test)]
pub(super) fn keys() -> impl Iterator<Item = &'static str> {
    EXPECTED.iter().map(|(key, _)| *key)
}
