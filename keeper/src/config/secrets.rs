//! What no log may show. Libraries log addresses, and providers put their keys into paths, queries and user names.

use super::Config;
use reqwest::Url;

/// A shorter part of an address (`v2`, `rpc`) is no key, and hiding it would blot words out of the log.
const SHORTEST: usize = 8;

pub(super) fn of(config: &Config) -> Vec<String> {
    let chain = &config.chain;
    let web = chain.rpc_urls.iter().chain(&chain.ws_urls).chain(&chain.private_relay);
    let web = web.chain(config.webhooks.iter().map(|endpoint| &endpoint.url)).chain(&config.traces.endpoint);
    let mut secrets: Vec<String> = web.flat_map(of_web_address).collect();
    let database = Url::parse(&config.store.url).ok();
    secrets.extend(database.as_ref().and_then(Url::password).map(str::to_owned));
    secrets.extend(config.api.token.as_ref().map(|token| token.secret().to_owned()));
    longest_first(&mut secrets);
    secrets
}

/// The order in which secrets are hidden: a part of another would leave the rest of it behind when it came first.
pub fn longest_first(secrets: &mut Vec<String>) {
    secrets.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
    secrets.dedup();
}

fn of_web_address(url: &Url) -> Vec<String> {
    let parts = url.path().split('/').chain(url.query().unwrap_or_default().split(['&', '=']));
    let parts = parts.chain([url.username()]).filter(|part| part.len() >= SHORTEST);
    parts.chain(url.password()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_wherever_providers_put_them() {
        let url =
            "https://username:pw@rpc.example/v2/0123456789abcdef?apikey=fedcba9876543210".parse().unwrap();
        assert_eq!(of_web_address(&url), ["0123456789abcdef", "fedcba9876543210", "username", "pw"]);
        assert_eq!(of_web_address(&"http://127.0.0.1:8545".parse().unwrap()), Vec::<String>::new());
    }
}
