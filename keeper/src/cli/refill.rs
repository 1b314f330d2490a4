//! `spillway refill`: what cold is asked for, and the transactions that send it.

use super::{
    args::RefillArgs,
    db::existing,
    exit::Exit,
    output,
    send::{Sender, tell_step},
};
use crate::{
    chain::{
        Chain, ChainError,
        abi::{IERC20, IVault},
        governance::{self, Step},
    },
    clock::{now_ms, rfc3339},
    config::Config,
    deployment::Deployment,
    domain::{
        amount::Amount,
        asset::{Asset, Assets},
    },
    stages::cold,
};
use alloy::{
    primitives::{Address, U256},
    sol_types::SolCall,
};
use eyre::{ContextCompat, WrapErr};
use serde_json::json;

/// So much of an asset; when the keeper asked for it, in unix milliseconds.
struct Wanted<'a> {
    asset: &'a Asset,
    amount: Amount,
    since: Option<i64>,
}

pub(super) async fn run(args: &RefillArgs, config: &Config, deployment: &Deployment) -> eyre::Result<Exit> {
    let mut sender = Sender::new(&args.send, config)?;
    let chain = Chain::connect(&config.chain, deployment.vault)?;
    chain.verify(deployment.chain_id).await??;
    let wanted = match (&args.asset, &args.amount) {
        (Some(asset), Some(amount)) => vec![by_hand(&deployment.assets, asset, amount)?],
        _ => asked(config, &deployment.assets, &chain).await?,
    };
    let from = match sender.account() {
        Some(from) => Some(from),
        None => chain.cold().await?,
    };
    let from =
        from.wrap_err("the vault has no cold address; write --from with the account that refills it")?;
    let mut all = Vec::new();
    for wanted in &wanted {
        all.extend(steps(&chain, from, wanted).await?);
    }
    let steps = all;
    if !args.send.json {
        tell(&wanted, &steps, from);
    }
    if !steps.is_empty() {
        let content = governance::safe_file(from, &steps, "", deployment.chain_id, now_ms());
        sender.write(&format!("safe-{}-refill.json", deployment.chain_id), &content)?;
    }
    sender.send(&steps, "look before it is sent again").await?;
    let requests = wanted.iter().map(|of| {
        let amount = of.amount.to_decimal(of.asset.decimals);
        json!({ "asset": of.asset.symbol, "amount": amount, "since": of.since.map(rfc3339) })
    });
    sender.tell(json!({ "requests": requests.collect::<Vec<_>>(), "from": from, "steps": steps }))?;
    Ok(Exit::Done)
}

/// What the keeper asks for, as far as it is missing still: what came meanwhile is not sent twice.
async fn asked<'a>(config: &Config, assets: &'a Assets, chain: &Chain) -> eyre::Result<Vec<Wanted<'a>>> {
    let store = existing(config).await?;
    let missing = async {
        let tip = chain.tip().await?;
        let mut missing = Vec::new();
        for request in store.refill_requests().await? {
            let Some(asset) = assets.get(request.asset) else { continue };
            let amount = cold::needed(&store, chain, asset, tip).await?;
            if !amount.is_zero() {
                missing.push(Wanted { asset, amount, since: Some(request.requested_at) });
            }
        }
        Ok::<_, eyre::Report>(missing)
    };
    let missing = missing.await;
    store.close().await;
    missing
}

fn by_hand<'a>(assets: &'a Assets, asset: &str, amount: &str) -> eyre::Result<Wanted<'a>> {
    let found = assets.find(asset);
    let asset = found.wrap_err_with(|| format!("{asset} is no asset of the vault: {}", assets.symbols()))?;
    let amount = Amount::parse(amount, asset.decimals).wrap_err("the amount")?;
    Ok(Wanted { asset, amount, since: None })
}

/// The vault takes exactly what it is allowed to. What an interrupted refill left allowed is used, or taken back first:
/// some tokens change no allowance but to nothing.
async fn steps(chain: &Chain, from: Address, wanted: &Wanted<'_>) -> Result<Vec<Step>, ChainError> {
    let (Wanted { asset, amount, .. }, vault) = (wanted, chain.vault);
    let calldata = IVault::refillCall { asset: asset.address, amount: amount.0 }.abi_encode().into();
    let (shown, value) = (asset.show(*amount), if asset.is_native() { amount.0 } else { U256::ZERO });
    let refill = Step { to: vault, value, calldata, meaning: format!("refill the vault with {shown}") };
    if asset.is_native() {
        return Ok(vec![refill]);
    }
    let approve = |amount: Amount, meaning| {
        let calldata = IERC20::approveCall { spender: vault, amount: amount.0 }.abi_encode().into();
        Step { to: asset.address, value: U256::ZERO, calldata, meaning }
    };
    let mut steps = Vec::new();
    let allowed = chain.allowance(asset.address, from).await?;
    if allowed != *amount {
        if !allowed.is_zero() {
            steps.push(approve(
                Amount::ZERO,
                format!("take back what the vault may take of {}", asset.symbol),
            ));
        }
        steps.push(approve(*amount, format!("let the vault take {shown}")));
    }
    steps.push(refill);
    Ok(steps)
}

fn tell(wanted: &[Wanted<'_>], steps: &[Step], from: Address) {
    if wanted.is_empty() {
        output::line("cold is asked for nothing");
        return;
    }
    for Wanted { asset, amount, since } in wanted {
        let since = since.map(|at| format!(", since {}", rfc3339(at))).unwrap_or_default();
        output::line(format!("the float lacks {}{since}", asset.show(*amount)));
    }
    output::line(format!("from {from}, in this order:"));
    steps.iter().for_each(tell_step);
}
