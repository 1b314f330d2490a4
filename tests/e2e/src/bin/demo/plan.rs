//! Who asks for what.

use alloy::primitives::{Address, U256, keccak256};
use spillway_e2e::{
    chain_audit::Expected,
    orders::{HEADER, csv_row},
    world::World,
};

const CSV: usize = 510;
const HTTP: usize = 260;
const REQUESTS: usize = 200;
/// Accounts that deposit and request.
pub const DEPOSITORS: usize = 60;
/// One in so many goes to a recipient that takes no money.
const HOSTILE_EVERY: usize = 25;

/// A thousand withdrawals.
pub struct Plan {
    pub csv: Vec<Expected>,
    pub http: Vec<Expected>,
    pub requests: Vec<Expected>,
    /// Good in themselves, but there is not so much money: rejected after a while.
    pub above_float: Vec<Expected>,
    /// Rows of the file that are no withdrawals.
    pub bad_rows: Vec<String>,
    /// The same by HTTP.
    pub bad_bodies: Vec<serde_json::Value>,
}

impl Plan {
    pub fn new(world: &World) -> Self {
        let csv = (0..CSV).map(|i| order(world, "csv", i)).collect();
        let http = (0..HTTP).map(|i| order(world, "http", i)).collect();
        let requests = (0..REQUESTS).map(|i| request(world, i)).collect();
        let above_float = ["ETH", "TUSD", "TDAI"].iter().enumerate().map(|(i, s)| too_much(world, s, i));
        Self {
            csv,
            http,
            requests,
            above_float: above_float.collect(),
            bad_rows: bad_rows(),
            bad_bodies: bad_bodies(),
        }
    }

    /// Everything that must be paid or claimable in the end, by orders.
    pub fn orders(&self) -> Vec<Expected> {
        self.csv.iter().chain(&self.http).cloned().collect()
    }

    /// Everything that must be paid or claimable in the end.
    pub fn good(&self) -> Vec<Expected> {
        self.csv.iter().chain(&self.http).chain(&self.requests).cloned().collect()
    }

    pub fn count(&self) -> u64 {
        let bad = self.above_float.len() + self.bad_rows.len() + self.bad_bodies.len();
        (self.good().len() + bad) as u64
    }

    /// The lines of the file: a bad one here and there.
    pub fn csv_lines(&self, world: &World) -> String {
        let every = self.csv.len() / self.bad_rows.len();
        let mut bad = self.bad_rows.iter();
        let mut text = format!("{HEADER}\n");
        for (i, order) in self.csv.iter().enumerate() {
            if i % every == 0
                && let Some(row) = bad.next()
            {
                text += &format!("{row}\n");
            }
            text += &format!("{}\n", csv_row(world, order));
        }
        bad.for_each(|row| text += &format!("{row}\n"));
        text
    }
}

/// An address that nobody has used, one per withdrawal.
pub fn fresh(seed: &str, i: usize) -> Address {
    Address::from_slice(&keccak256(format!("{seed} {i}"))[..20])
}

fn order(world: &World, door: &str, i: usize) -> Expected {
    let symbol = ["ETH", "TUSD", "TDAI"][i % 3];
    let asset = world.asset(symbol);
    let hostile = match symbol {
        "ETH" => ["reverter", "gasBurner", "returnBomb"][(i / HOSTILE_EVERY) % 3],
        "TUSD" => "blocked",
        // A token without blocklist calls no recipient: everybody takes it.
        _ => "reverter",
    };
    let recipient = if i.is_multiple_of(HOSTILE_EVERY) { world.recipients[hostile] } else { fresh(door, i) };
    // A thousandth of a coin and some.
    let unit = U256::from(10).pow(U256::from(asset.decimals - 3));
    Expected {
        key: format!("{door}-{i}"),
        asset: asset.address,
        recipient,
        amount: unit * U256::from(i + 1) + U256::from(i),
    }
}

fn request(world: &World, i: usize) -> Expected {
    let asset = world.asset(["ETH", "TUSD", "TDAI"][i % 3]);
    let unit = U256::from(10).pow(U256::from(asset.decimals - 3));
    Expected {
        key: format!("request-{i}"),
        asset: asset.address,
        recipient: fresh("request", i),
        amount: unit * U256::from(i + 1),
    }
}

fn too_much(world: &World, symbol: &str, i: usize) -> Expected {
    let asset = world.asset(symbol);
    let amount = U256::from(5_000_000) * U256::from(10).pow(U256::from(asset.decimals));
    Expected {
        key: format!("too-much-{symbol}"),
        asset: asset.address,
        recipient: fresh("too much", i),
        amount,
    }
}

fn bad_rows() -> Vec<String> {
    let to = fresh("bad row", 0);
    let mixed_up: String = to.to_string().chars().rev().take(40).collect();
    let rows = [
        format!("bad-0,TUSD,{to},0"),
        format!("bad-1,TUSD,{to},-5"),
        format!("bad-2,TUSD,{to},1.0000001"),
        format!("bad-3,TUSD,{to},1e3"),
        format!("bad-4,TUSD,{to},"),
        format!("bad-5,NOPE,{to},1"),
        format!("bad-6,TUSD,0x{mixed_up},1"),
        "bad-7,TUSD,0x0000000000000000000000000000000000000000,1".to_owned(),
        "bad-8,TUSD,0x1234,1".to_owned(),
        format!("bad-9,ETH,{to},{}", "9".repeat(90)),
        format!("bad-10,ETH,{to}"),
        format!(",ETH,{to},1"),
        format!("bad-12,ETH,{to},1,and more"),
        format!("bad-13,,{to},1"),
        format!("csv-0,ETH,{to},777"),
        format!("{},ETH,{to},1", "k".repeat(300)),
    ];
    rows.to_vec()
}

fn bad_bodies() -> Vec<serde_json::Value> {
    let to = fresh("bad body", 0).to_string();
    let body = |asset: &str, recipient: &str, amount: &str| serde_json::json!({ "asset": asset, "recipient": recipient, "amount": amount });
    vec![
        body("TUSD", &to, "0"),
        body("TUSD", &to, "-1"),
        body("TUSD", &to, "0.0000001"),
        body("NOPE", &to, "1"),
        body("TUSD", "0x0000000000000000000000000000000000000000", "1"),
        body("TUSD", "somewhere", "1"),
        body("TUSD", &to, "many"),
        body("ETH", &to, &"9".repeat(90)),
        serde_json::json!({ "asset": "ETH", "recipient": to }),
        serde_json::json!({ "asset": "ETH", "recipient": to, "amount": 1 }),
        serde_json::json!([1, 2, 3]),
    ]
}
