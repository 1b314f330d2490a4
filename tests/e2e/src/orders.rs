//! Files of orders, as clients write them.

use crate::{chain_audit::Expected, world::World};
use spillway::domain::amount::Amount;
use std::{fs, path::Path, time::SystemTime};

/// The header of a file of orders.
pub const HEADER: &str = "idempotency_key,asset,recipient,amount";

/// The amount as people write it, in whole coins.
pub fn decimal(world: &World, order: &Expected) -> String {
    let asset = world.deployment.assets.get(order.asset).expect("a test asset");
    Amount(order.amount).to_decimal(asset.decimals)
}

/// The symbol of what an order pays.
pub fn symbol(world: &World, order: &Expected) -> String {
    world.deployment.assets.get(order.asset).expect("a test asset").symbol.clone()
}

/// One line of a file.
pub fn csv_row(world: &World, order: &Expected) -> String {
    format!("{},{},{},{}", order.key, symbol(world, order), order.recipient, decimal(world, order))
}

/// Writes a file of orders.
pub fn write_csv(world: &World, path: &Path, orders: &[Expected]) -> eyre::Result<()> {
    let rows = orders.iter().map(|order| csv_row(world, order));
    write_rows(path, rows)
}

/// Writes a file of orders, each with the moment by which it is to be paid, where it has one.
pub fn write_csv_with_deadlines<'a>(
    world: &World,
    path: &Path,
    orders: impl IntoIterator<Item = (&'a Expected, Option<SystemTime>)>,
) -> eyre::Result<()> {
    let mut text = format!("{HEADER},deadline\n");
    for (order, deadline) in orders {
        let deadline = deadline.map(|at| humantime::format_rfc3339_millis(at).to_string());
        text += &format!("{},{}\n", csv_row(world, order), deadline.unwrap_or_default());
    }
    Ok(fs::write(path, text)?)
}

/// Writes a file of lines under the header.
pub fn write_rows(path: &Path, rows: impl IntoIterator<Item = String>) -> eyre::Result<()> {
    let mut text = format!("{HEADER}\n");
    rows.into_iter().for_each(|row| {
        text += &row;
        text += "\n";
    });
    Ok(fs::write(path, text)?)
}
