use super::*;
use std::io::Write;

const SMALLEST: &str = r#"
deployment = "deployments/31337.json"
lanes = [{ private_key_env = "SPILLWAY_LANE_KEY" }]
[chain]
rpc_urls = ["http://127.0.0.1:8545"]
chain_id = 31337
"#;

fn load(toml: &str, environment: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(toml.as_bytes()).unwrap();
    Config::load_with(file.path(), environment.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())))
}

/// The one problem of a configuration, as a person reads it.
fn problem(toml: &str, environment: &[(&str, &str)]) -> String {
    match load(toml, environment).unwrap_err() {
        ConfigError::Invalid { problems, .. } if problems.len() == 1 => problems[0].to_string(),
        other => panic!("{other}"),
    }
}

fn example() -> String {
    std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../spillway.example.toml")).unwrap()
}

#[test]
fn the_example_is_valid_as_it_is_and_with_every_default_uncommented() {
    let config = load(&example(), &[]).unwrap();
    assert_eq!(config.chain.poll_interval, Duration::from_millis(500));

    let is_key = |line: &str| line.starts_with('#') && !line.starts_with("# ") && line.len() > 1;
    let uncommented: String = example()
        .lines()
        .map(|line| if is_key(line) { &line[1..] } else { line })
        .fold(String::new(), |text, line| text + line + "\n");
    let all = load(&uncommented, &[]).unwrap();
    assert_eq!(all.lanes.len(), 2);
    // What the example shows as a default is the default.
    let shown = |c: &Config| {
        format!(
            "{:?} {:?} {:?} {:?} {:?} {:?} {:?}",
            c.chain, c.store.url, c.store.lease, c.api.listen, c.policy, c.batch, c.fees
        )
    };
    assert_eq!(shown(&config), shown(&all));
}

#[test]
fn the_example_documents_every_key() {
    for key in check::keys() {
        let name = key.rsplit('.').next().unwrap();
        assert!(example().contains(name), "{key} is not in spillway.example.toml");
    }
}

#[test]
fn the_environment_overrides_the_file() {
    let set = [
        ("SPILLWAY_CHAIN__RPC_URLS", "https://rpc.example/v2/key, http://127.0.0.1:8545"),
        ("SPILLWAY_CHAIN__QUORUM", "1"),
        ("SPILLWAY_CHAIN__CHAIN_ID", "1"),
        ("SPILLWAY_CHAIN__FINALITY", "{confirmations=3}"),
        ("SPILLWAY_BATCH__WINDOW", "5s"),
        ("SPILLWAY_API__TOKEN", "1234567890123456"),
        ("SPILLWAY_DEPLOYMENT", "other.json"),
        // Not of the configuration: the variable that a lane names.
        ("SPILLWAY_LANE_KEY", "0xsecret"),
    ];
    let config = load(SMALLEST, &set).unwrap();
    let urls: Vec<_> = config.chain.rpc_urls.iter().map(reqwest::Url::as_str).collect();
    assert_eq!(urls, ["https://rpc.example/v2/key", "http://127.0.0.1:8545/"]);
    assert_eq!(config.chain.quorum(), 1);
    let one = load(SMALLEST, &[("SPILLWAY_CHAIN__RPC_URLS", "http://node:1")]).unwrap();
    assert_eq!((one.chain.rpc_urls.len(), one.chain.quorum()), (1, 1));
    assert_eq!((config.chain.chain_id, config.chain.finality), (1, Finality::Confirmations(3)));
    assert_eq!(config.batch.window_ms(), 5_000);
    assert!(config.api.token.unwrap().matches("1234567890123456"));
    assert_eq!(config.deployment, PathBuf::from("other.json"));
}

#[test]
fn an_error_names_the_key_the_value_and_what_would_be_right() {
    let with = |section: &str, line: &str| format!("{SMALLEST}\n[{section}]\n{line}\n");
    let cases = [
        (with("batch", "window = \"2x\""), "batch.window = \"2x\": expected a time such as \"2s\""),
        (with("batch", "window = 2"), "batch.window = 2: expected a time"),
        (
            with("batch", "max_gas = 30000000"),
            "batch.max_gas = 30000000: expected a number from 500000 to 16777216",
        ),
        (with("batch", "max_in_flight = -1"), "batch.max_in_flight = -1: expected a number"),
        (with("fees", "max_fee_gwei = 0"), "fees.max_fee_gwei = 0: expected a whole number of gwei"),
        (with("fees", "bump_after = \"1ms\""), "fees.bump_after = \"1ms\": expected a time"),
        (with("log", "format = \"xml\""), "log.format = \"xml\": expected \"text\" or \"json\""),
        (with("log", "level = \"info,=\""), "log.level = \"info,=\""),
        (
            with("store", "url = \"mysql://root:hunter2@db/x\""),
            "store.url = \"mysql://db/...\": expected \"sqlite://FILE\"",
        ),
        (with("store", "lease = \"10ms\""), "store.lease = \"10ms\": expected a time"),
        (with("api", "listen = \"localhost\""), "api.listen = \"localhost\": expected an address and a port"),
        (with("api", "max_body = 3"), "api.max_body = 3: expected a number of bytes"),
        (with("api", "listen = \"0.0.0.0:80\""), "api.token = nothing, while api.listen is 0.0.0.0:80"),
        (
            with("api", "tokne = \"x\""),
            "api.tokne: no such key; known here: listen, token, require_key, max_body",
        ),
        (with("polcy", "x = 1"), "polcy: no such key; known here: deployment, chain"),
        (SMALLEST.replace("chain_id = 31337", ""), "chain.chain_id: missing; expected the chain's number"),
        (SMALLEST.replace("31337\n", "\"one\"\n"), "chain.chain_id = \"one\": expected the chain's number"),
        (SMALLEST.replace("http:", "ws:"), "chain.rpc_urls = \"ws://127.0.0.1:8545"),
        (SMALLEST.replace("http://127.0.0.1", "nonsense"), "chain.rpc_urls = \"nonsense:8545"),
        (SMALLEST.replace("\"http://127.0.0.1:8545\"", ""), "chain.rpc_urls = []: expected one or more"),
        (
            format!("{SMALLEST}quorum = 2\n"),
            "chain.quorum = 2: expected a number of endpoints from 1 to as many",
        ),
        (format!("{SMALLEST}ws_urls = [\"http://x\"]\n"), "chain.ws_urls = \"http://x"),
        (format!("{SMALLEST}private_timeout = \"0s\"\n"), "chain.private_timeout = \"0s\": expected a time"),
        (
            SMALLEST.replace("{ private_key_env = \"SPILLWAY_LANE_KEY\" }", ""),
            "lanes = []: expected at least one",
        ),
        (SMALLEST.replace("private_key_env", "keystore"), "lanes[0]: password_file is missing"),
        (SMALLEST.replace("private_key_env", "key"), "lanes.0.key: no such key"),
        ("deployment = ".to_owned(), "TOML parse error at line 1"),
    ];
    for (toml, said) in cases {
        let problem = problem(&toml, &[]);
        assert!(problem.contains(said), "{problem}\n  should say: {said}");
    }
    let from_env = problem(SMALLEST, &[("SPILLWAY_CHAIN__CHAIN_ID", "one")]);
    assert!(from_env.contains("SPILLWAY_CHAIN__CHAIN_ID"), "{from_env}");
    let missing = Config::load_with(std::path::Path::new("nowhere.toml"), []).unwrap_err().to_string();
    assert!(missing.contains("nowhere.toml") && missing.contains("spillway.example.toml"), "{missing}");
}

#[test]
fn all_problems_are_told_at_once() {
    let toml = format!("{SMALLEST}\n[batch]\nmax_gas = 1\nmax_in_flight = 0\n");
    let ConfigError::Invalid { problems, .. } = load(&toml, &[]).unwrap_err() else { panic!() };
    assert_eq!(problems.len(), 2);
}

#[test]
fn no_secret_is_shown() {
    let set = [
        ("SPILLWAY_API__TOKEN", "hunter2-hunter2-hunter2"),
        ("SPILLWAY_STORE__URL", "postgres://me:hunter2@db/spillway"),
        ("SPILLWAY_CHAIN__RPC_URLS", "https://rpc.example/v2/hunter2,https://x.example/hunter2"),
        ("SPILLWAY_CHAIN__PRIVATE_RELAY", "https://relay.example/hunter2"),
    ];
    let config = load(SMALLEST, &set).unwrap();
    assert!(!format!("{config:?}").contains("hunter2"), "{config:?}");
    for bad in [
        ("SPILLWAY_API__TOKEN", "hunter2"),
        ("SPILLWAY_STORE__URL", "mysql://me:hunter2@db/spillway"),
        ("SPILLWAY_CHAIN__RPC_URLS", "ftp://me:hunter2@db/hunter2"),
    ] {
        let error = load(SMALLEST, &[bad]).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
    }
    let key = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
    let error = load(&SMALLEST.replace("SPILLWAY_LANE_KEY", key), &[]).unwrap_err().to_string();
    assert!(!error.contains(key) && error.contains("looks like a private key"), "{error}");
}

mod signers {
    use super::super::{LaneConfig, signers::load};

    const KEY: &str = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";

    fn by_env(name: &str) -> LaneConfig {
        LaneConfig { private_key_env: Some(name.to_owned()), ..Default::default() }
    }

    #[test]
    fn come_from_the_environment() {
        let signers = load(&[by_env("A")], |_| Some(KEY.to_owned())).unwrap();
        assert_eq!(signers[0].address().to_string(), "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266");
    }

    #[test]
    fn come_from_a_keystore() {
        let folder = tempfile::tempdir().unwrap();
        let key: alloy::signers::local::PrivateKeySigner = KEY.parse().unwrap();
        let (password, store) = (folder.path().join("pass"), folder.path().join("lane.json"));
        std::fs::write(&password, "open sesame\nnot this\n").unwrap();
        std::fs::write(&store, KEYSTORE).unwrap();
        let lane = LaneConfig {
            keystore: Some(store.clone()),
            password_file: Some(password.clone()),
            ..Default::default()
        };
        assert_eq!(load(std::slice::from_ref(&lane), |_| None).unwrap()[0].address(), key.address());
        std::fs::write(&password, "wrong").unwrap();
        let error = load(std::slice::from_ref(&lane), |_| None).unwrap_err().to_string();
        assert!(error.contains("lanes[0].keystore") && !error.contains("wrong\""), "{error}");
        std::fs::remove_file(&store).unwrap();
        assert!(load(&[lane], |_| None).unwrap_err().to_string().contains("lanes[0].keystore"));
    }

    #[test]
    fn errors_name_the_entry_and_no_secret() {
        let error = load(&[by_env("A")], |_| None).unwrap_err().to_string();
        assert!(error.contains("lanes[0].private_key_env = \"A\"") && error.contains("not set"), "{error}");
        let error = load(&[by_env("A")], |_| Some("0xhunter2".to_owned())).unwrap_err().to_string();
        assert!(!error.contains("hunter2"), "{error}");
        let error = load(&[by_env("A"), by_env("B")], |_| Some(KEY.to_owned())).unwrap_err().to_string();
        assert!(error.contains("lanes[1]") && error.contains("lanes[0]"), "{error}");
    }

    /// Of `KEY`, with the password `open sesame`.
    const KEYSTORE: &str = include_str!("keystore.test.json");
}

#[test]
fn swaps_are_planned_with_the_gas_that_is_measured() {
    use super::swap::PoolKind::{BalancerWeighted, StableSwap, UniswapV2, UniswapV3};
    let bounds = [UniswapV2, UniswapV3, StableSwap, BalancerWeighted].map(|kind| {
        let gas = kind.gas();
        format!("{}_{:03}", gas / 1_000, gas % 1_000)
    });
    let measured = include_str!("../../../tests/contracts/swap/SwapGas.t.sol");
    assert!(measured.contains(&format!("bounds = [{}]", bounds.join(", "))), "{bounds:?}");
}
