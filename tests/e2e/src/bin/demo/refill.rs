//! The last act: a wave of withdrawals in an asset that the vault lacks, paid after a refill that is split over pools.

use crate::{LANES, plan::fresh};
use alloy::primitives::U256;
use comfy_table::{CellAlignment, Table, presets};
use eyre::{OptionExt, WrapErr, ensure};
use serde::Serialize;
use serde_json::Value;
use spillway::domain::amount::Amount;
use spillway_e2e::{
    cases::submit,
    chain_audit::{Expected, Ledger},
    eventually,
    keeper::{Keeper, Setup},
    market::Market,
    world::World,
};
use std::{fs::OpenOptions, io::Write, time::Duration};

const LIMIT: Duration = Duration::from_secs(60);
/// Withdrawals of the wave, each of so many whole coins.
const WAVE: usize = 12;
const EACH: u64 = 100_000;

/// What came of it.
#[derive(Debug, Serialize)]
pub struct Refill {
    pub withdrawals: u64,
    pub paid: u64,
    pub swaps: u64,
    pub routes: u64,
    #[serde(skip)]
    rows: Vec<[String; 4]>,
}

impl Refill {
    pub fn is_well(&self) -> bool {
        self.paid == self.withdrawals && self.routes > 1
    }
}

/// Puts pools beside the vault, lets it swap, and starts the keeper anew with a configuration that names them.
pub async fn act(world: &World, setup: &Setup, keeper: Keeper) -> eyre::Result<(Keeper, Refill)> {
    keeper.stop()?;
    let mut market = Market::open(world)?;
    market.govern(world)?;
    OpenOptions::new().append(true).open(&setup.config)?.write_all(market.config().as_bytes())?;
    let keeper = Keeper::start_ready(setup).await?;

    let asset = world.asset("TDAI");
    let wave: Vec<Expected> = (0..WAVE)
        .map(|i| Expected {
            key: format!("wave-{i}"),
            asset: asset.address,
            recipient: fresh("wave", i),
            amount: protocols::units(EACH, asset.decimals),
        })
        .collect();
    submit(world, setup, &wave)?;
    setup.settled(LIMIT).await?;
    let swaps = eventually("the swap is in the books", LIMIT, || async {
        let swaps = market.swaps(world).await?;
        let booked = setup.json(&["reconcile"])?["ok"] == true;
        Ok((booked && !swaps.is_empty()).then_some(swaps))
    })
    .await
    .wrap_err_with(|| setup.log_tail())?;
    let paid = Ledger::read(world).await?.compare(&wave).paid;
    let rows = rows(world, setup).await?;
    ensure!(LANES < 3, "the third lane swaps");
    let (withdrawals, swaps, routes) = (WAVE as u64, swaps.len() as u64, rows.len() as u64);
    Ok((keeper, Refill { withdrawals, paid, swaps, routes, rows }))
}

/// The routes of the swaps, as the keeper stored them before it signed.
async fn rows(world: &World, setup: &Setup) -> eyre::Result<Vec<[String; 4]>> {
    let mut rows = Vec::new();
    for (sell, buy, routes) in setup.swaps().await? {
        let find = |token: &str| world.deployment.assets.find(token).ok_or_eyre("an asset of the vault");
        let (sell, buy) = (find(&sell)?, find(&buy)?);
        let routes: Vec<Value> = serde_json::from_str(&routes)?;
        let units =
            |value: &Value| -> eyre::Result<U256> { Ok(value.as_str().ok_or_eyre("units")?.parse()?) };
        let whole: U256 =
            routes.iter().map(|route| units(&route["amount_in"])).sum::<eyre::Result<U256>>()?;
        for route in &routes {
            let (sold, bought) = (units(&route["amount_in"])?, units(&route["amount_out"])?);
            let hops = route["hops"].as_array().ok_or_eyre("hops")?;
            let kinds: Vec<_> = hops.iter().filter_map(|hop| hop["kind"].as_str()).collect();
            let share: u64 = (sold * U256::from(1_000) / whole).to();
            rows.push([
                kinds.join(", then "),
                format!("{}.{} %", share / 10, share % 10),
                sell.show(Amount(sold)),
                buy.show(Amount(bought)),
            ]);
        }
    }
    Ok(rows)
}

pub fn print(refill: &Refill) {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED).set_header(["route", "share", "sold", "bought"]);
    for row in &refill.rows {
        table.add_row(row);
    }
    for column in 1..4 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    println!(
        "a wave of {} withdrawals in an asset that the vault lacked: {} paid, after",
        refill.withdrawals, refill.paid
    );
    println!("{table}");
}
