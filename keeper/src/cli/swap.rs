//! `spillway swap`.

use super::{
    args::{QuoteArgs, SwapCommand},
    exit::Exit,
    output,
};
use crate::{
    chain::{Chain, abi::IVault, refusal::Refusal},
    config::Config,
    deployment::Deployment,
    domain::{amount::Amount, asset::Asset},
    stages::price::guard::Guard,
    swap::{
        order::{LIFE, Terms, order},
        pools::{Pools, Reader},
        price::GasPrice,
        quote::{Ask, Quote, Route, Routes, quote},
    },
};
use alloy::{
    primitives::{Address, U256},
    sol_types::SolCall,
};
use eyre::{OptionExt, WrapErr, bail, ensure};
use serde_json::{Value, json};
use std::fmt::Write;

pub(super) async fn run(
    command: &SwapCommand,
    config: &Config,
    deployment: &Deployment,
) -> eyre::Result<Exit> {
    ensure!(
        config.swap.is_on(),
        "no pool to swap through is configured; write pools under [swap] of the configuration"
    );
    let chain = Chain::connect(&config.chain, deployment.vault)?;
    chain.verify(deployment.chain_id).await??;
    let args = match command {
        SwapCommand::Quote(args) => args,
        SwapCommand::Simulate(args) => return simulate(args, config, deployment, &chain).await,
    };
    let asked = Asked::read(args, config, deployment, &chain, false).await?;
    let tell = Tell { asked: &asked, deployment };
    if args.json {
        output::json(&tell.document())?
    } else {
        tell.table()
    }
    let too_little = asked.bound.as_ref().is_ok_and(|least| asked.quote.split.amount_out < least.0);
    Ok(if too_little { Exit::Differs } else { Exit::Done })
}

async fn simulate(
    args: &QuoteArgs,
    config: &Config,
    deployment: &Deployment,
    chain: &Chain,
) -> eyre::Result<Exit> {
    let account =
        config.swap_signer()?.ok_or_eyre("no account swaps; write swap.signer in the configuration")?;
    let asked = Asked::read(args, config, deployment, chain, true).await?;
    let Asked { sell, buy, pools, quote, .. } = &asked;
    let terms = Terms {
        sell: sell.address,
        buy: buy.address,
        slippage_bps: config.swap.slippage_bps,
        deadline: pools.block.timestamp + LIFE,
    };
    let order = order(pools, &quote.split, terms).ok_or_eyre("a pool of the split has no adapter")?;
    let calldata = IVault::swapCall { o: order }.abi_encode().into();
    let said = chain.simulate_swap(account.address(), &calldata).await?;
    let quoted = Amount(quote.split.amount_out);
    if args.json {
        let (done, refused) = (said.as_ref().ok(), said.as_ref().err());
        output::json(&json!({
            "block": pools.block.number, "sell": sell.symbol, "buy": buy.symbol, "quoted": quoted.to_string(),
            "legs": quote.split.routes.len(), "spent": done.map(|swapped| swapped.spent.to_string()),
            "received": done.map(|swapped| swapped.received.to_string()),
            "refused": refused.map(ToString::to_string),
        }))?;
    } else {
        output::line(match &said {
            Ok(swapped) => format!(
                "the vault would sell {} for {} in {} legs; quoted were {}",
                sell.show(swapped.spent),
                buy.show(swapped.received),
                quote.split.routes.len(),
                buy.show(quoted)
            ),
            Err(why) => format!("the vault would not swap now: {why}"),
        });
    }
    let as_quoted = said.is_ok_and(|swapped| swapped.received >= quoted);
    Ok(if as_quoted { Exit::Done } else { Exit::Differs })
}

/// A quote, with what it was made from.
struct Asked {
    sell: Asset,
    buy: Asset,
    exact_out: bool,
    pools: Pools,
    quote: Quote,
    /// Whether there were prices for it.
    gas_counts: bool,
    bound: Result<Amount, Refusal>,
    wrapped: Option<Address>,
}

impl Asked {
    async fn read(
        args: &QuoteArgs,
        config: &Config,
        deployment: &Deployment,
        chain: &Chain,
        only_executable: bool,
    ) -> eyre::Result<Self> {
        let find = |name: &str| match deployment.assets.find(name) {
            Some(asset) => Ok(asset.clone()),
            None => bail!("the deployment has no asset {name}; it has {}", deployment.assets.symbols()),
        };
        let (sell, buy) = (find(&args.sell)?, find(&args.buy)?);
        let given = if args.exact_out { &buy } else { &sell };
        let amount = Amount::parse(&args.amount, given.decimals)
            .wrap_err_with(|| format!("{:?} is no amount of {}", args.amount, given.symbol))?;
        let tip = chain.tip().await?;
        let native = sell.is_native() || buy.is_native();
        let wrapped = if native { chain.wrapped_native(tip).await? } else { None };
        let token = |asset: &Asset| match asset.is_native() {
            true => wrapped.ok_or_eyre("the vault has no splitter, which would wrap the chain's coin"),
            false => Ok(asset.address),
        };
        let amount =
            if args.exact_out { router::Amount::Out(amount.0) } else { router::Amount::In(amount.0) };
        let ask = Ask { sell: token(&sell)?, buy: token(&buy)?, amount };
        let mut pools = Reader::new(&config.swap).read(chain, tip).await?;
        pools.known.retain(|known| !only_executable || known.config.adapter.is_some());

        let weighed = if args.exact_out { &sell } else { &buy };
        let guard = Guard::new(&config.oracle, &deployment.assets)?;
        let gas = GasPrice::now(chain, &guard, &config.fees, weighed).await?;
        let cost = |amount: u64| gas.of(amount);
        let quote =
            quote(&pools, &config.swap.connectors, ask, &cost).map_err(|why| left_out(why, &pools))?;
        let spent = quote.split.amount_in;
        let bound = chain.swap_bound(sell.address, buy.address, spent, tip).await?;
        let gas_counts = gas.counts();
        let exact_out = args.exact_out;
        Ok(Self { sell, buy, exact_out, pools, quote, gas_counts, bound, wrapped })
    }

    /// How much more than the split the bound would allow, relative to it: what could still be gained at most.
    #[expect(clippy::float_arithmetic, reason = "the bound is a float, and told, not used")]
    fn gap(&self) -> f64 {
        let split = &self.quote.split;
        let (reached, bound) = match self.exact_out {
            true => (self.quote.bound, f64::from(split.amount_in)),
            false => (f64::from(split.amount_out), self.quote.bound),
        };
        (bound / reached - 1.0).max(0.0)
    }

    /// What the split gains over the best route alone, gas counted: in units of what is optimised.
    fn gain(&self) -> U256 {
        let (split, single) = (&self.quote.split, &self.quote.single);
        let net = |a: U256, b: U256| a.saturating_sub(b);
        match self.exact_out {
            true => net(single.amount_in + single.cost, split.amount_in + split.cost),
            false => net(split.amount_out + single.cost, single.amount_out + split.cost),
        }
    }
}

fn left_out(why: router::RouteError, pools: &Pools) -> eyre::Report {
    let mut text = why.to_string();
    for pool in &pools.left_out {
        let _ = write!(text, "; left out {} {}: {}", pool.kind, pool.address, pool.why);
    }
    eyre::eyre!(text)
}

/// For people and for programs.
struct Tell<'a> {
    asked: &'a Asked,
    deployment: &'a Deployment,
}

impl Tell<'_> {
    fn symbol(&self, token: Address) -> String {
        if self.asked.wrapped == Some(token) {
            return "WETH".to_owned();
        }
        self.deployment.assets.get(token).map_or_else(|| short(token), |asset| asset.symbol.clone())
    }

    fn path(&self, route: &Route) -> String {
        let mut text = String::new();
        for hop in &route.hops {
            let config = &self.asked.pools.known[hop.pool].config;
            let _ = writeln!(
                text,
                "{} > {} {} {}",
                self.symbol(hop.sell),
                self.symbol(hop.buy),
                config.kind.as_str(),
                short(config.address)
            );
        }
        text.trim_end().to_owned()
    }

    fn table(&self) {
        let Asked { sell, buy, quote, pools, .. } = self.asked;
        let mut table = output::table(["route", "share", "in", "out", "price", "marginal price", "gas"]);
        for route in &quote.split.routes {
            table.add_row([
                self.path(route),
                percent(share(route, &quote.split)),
                Amount(route.amount_in).to_decimal(sell.decimals),
                Amount(route.amount_out).to_decimal(buy.decimals),
                self.price(rate(route.amount_out, route.amount_in)),
                self.price(route.marginal),
                route.gas.to_string(),
            ]);
        }
        output::line(format!("at block {}:", pools.block.number));
        output::line(table);
        output::line(format!("the split:        {}", self.sum(&quote.split)));
        let alone = quote.single.routes.first().map(|route| self.path(route)).unwrap_or_default();
        output::line(format!(
            "the best alone:   {} by {}",
            self.sum(&quote.single),
            alone.replace('\n', ", ")
        ));
        let weighed = if self.asked.exact_out { sell } else { buy };
        let beside =
            if self.asked.gas_counts { "gas counted" } else { "gas not counted: there are no prices for it" };
        output::line(format!("the split gains:  {} ({beside})", weighed.show(Amount(self.asked.gain()))));
        output::line(format!(
            "no split over these pools brings {:.1e} of that more, before gas",
            self.asked.gap()
        ));
        output::line(match &self.asked.bound {
            Ok(least) => format!("the vault demands {}", buy.show(*least)),
            Err(why) => format!("the vault would not swap now: {why}"),
        });
        for pool in &pools.left_out {
            output::line(format!("left out: {} {}: {}", pool.kind, pool.address, pool.why));
        }
    }

    fn sum(&self, routes: &Routes) -> String {
        let (sell, buy) = (&self.asked.sell, &self.asked.buy);
        format!(
            "{} for {}, {} gas",
            sell.show(Amount(routes.amount_in)),
            buy.show(Amount(routes.amount_out)),
            routes.gas
        )
    }

    /// Whole coins bought per whole coin sold, of units per unit times 1e36; nine digits.
    fn price(&self, rate: U256) -> String {
        let decimals = 36 + i32::from(self.asked.buy.decimals) - i32::from(self.asked.sell.decimals);
        let Ok(decimals) = u8::try_from(decimals) else { return "-".to_owned() };
        let text = Amount(rate).to_decimal(decimals);
        let digits = text.find(|c: char| c.is_ascii_digit() && c != '0').unwrap_or_default() + 10;
        match text.find('.') {
            Some(point) => text.chars().take(digits.max(point)).collect(),
            None => text,
        }
    }

    fn document(&self) -> Value {
        let Asked { sell, buy, quote, pools, gas_counts, exact_out, .. } = self.asked;
        let left_out: Vec<_> = pools
            .left_out
            .iter()
            .map(|pool| json!({ "kind": pool.kind, "pool": pool.address, "why": pool.why }))
            .collect();
        json!({
            "block": pools.block.number,
            "sell": sell.symbol,
            "buy": buy.symbol,
            "exact_out": exact_out,
            "split": self.routes(&quote.split),
            "single": self.routes(&quote.single),
            "gain": self.asked.gain().to_string(),
            "gas_counts": gas_counts,
            "gap": self.asked.gap(),
            "vault_demands": self.asked.bound.as_ref().ok().map(|least| least.0.to_string()),
            "vault_refuses": self.asked.bound.as_ref().err().map(ToString::to_string),
            "left_out": left_out,
        })
    }

    fn routes(&self, routes: &Routes) -> Value {
        let each = routes.routes.iter().map(|route| {
            let hops: Vec<_> = route
                .hops
                .iter()
                .map(|hop| {
                    let config = &self.asked.pools.known[hop.pool].config;
                    json!({
                        "kind": config.kind.as_str(), "pool": config.address, "sell": hop.sell, "buy": hop.buy,
                        "amount_in": hop.amount_in.to_string(), "amount_out": hop.amount_out.to_string(),
                    })
                })
                .collect();
            json!({
                "share_bps": share(route, routes), "amount_in": route.amount_in.to_string(),
                "amount_out": route.amount_out.to_string(), "marginal_price": self.price(route.marginal),
                "gas": route.gas, "hops": hops,
            })
        });
        json!({
            "routes": each.collect::<Vec<_>>(), "amount_in": routes.amount_in.to_string(),
            "amount_out": routes.amount_out.to_string(), "gas": routes.gas, "gas_cost": routes.cost.to_string(),
        })
    }
}

/// Of the whole input, in ten-thousandths.
fn share(route: &Route, of: &Routes) -> u64 {
    (route.amount_in * U256::from(10_000) / of.amount_in.max(U256::ONE)).saturating_to()
}

fn percent(bps: u64) -> String {
    format!("{}.{:02} %", bps / 100, bps % 100)
}

/// Units per unit, times 1e36.
fn rate(out: U256, per: U256) -> U256 {
    out.saturating_mul(U256::from(10).pow(U256::from(36))) / per.max(U256::ONE)
}

fn short(address: Address) -> String {
    let text = address.to_string();
    format!("{}..{}", &text[..6], &text[text.len() - 4..])
}
