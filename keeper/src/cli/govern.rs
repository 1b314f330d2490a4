//! `spillway pause`, `unpause`, `limits`, `upgrade` and `rollback`: prepared for whoever signs elsewhere, or sent.

use super::{
    args::{
        ActivateArgs, GovernArgs, LimitsArgs, LimitsCommand, LowerToArgs, PauseArgs, ProposeArgs,
        UnpauseArgs, UpgradeCommand,
    },
    exit::Exit,
    output,
    send::{Sender, tell_step},
};
use crate::{
    api::view::{from_seconds, time},
    chain::{
        Chain,
        abi::IVault::{self, AssetLimits, Scope},
        governance::{self, Action, IProposals, IVersionRegistry, Plan},
        state::SCOPES,
    },
    clock::now_ms,
    config::Config,
    deployment::Deployment,
    domain::{amount::Amount, asset::Asset},
};
use alloy::{
    primitives::{Address, U256, keccak256},
    sol_types::SolCall,
};
use eyre::{ContextCompat, WrapErr, bail, ensure};
use serde_json::json;
use std::time::Duration;

/// The storage layout that this version of the keeper belongs to.
const LAYOUT: &str = include_str!("../../../contracts/layout/Vault.txt");

/// Where an action goes.
pub(super) struct Governance<'a> {
    config: &'a Config,
    deployment: &'a Deployment,
    chain: Chain,
}

impl<'a> Governance<'a> {
    pub(super) async fn new(config: &'a Config, deployment: &'a Deployment) -> eyre::Result<Self> {
        let chain = Chain::connect(&config.chain, deployment.vault)?;
        chain.verify(deployment.chain_id).await??;
        Ok(Self { config, deployment, chain })
    }

    pub(super) async fn pause(&self, args: &PauseArgs) -> eyre::Result<Exit> {
        let duration = seconds(*args.duration)?;
        let length = humantime::format_duration(Duration::from_secs(duration.into()));
        let (data, what) = match self.scope_or_asset(&args.what)? {
            ScopeOrAsset::Scope(scope) => (IVault::pauseCall { scope, duration }.abi_encode(), stops(scope)),
            ScopeOrAsset::Asset(asset) => {
                let asset = asset.address;
                (IVault::pauseAssetCall { asset, duration }.abi_encode(), "all payments and deposits of it")
            }
        };
        let meaning = format!("pause {} for {length}; it stops {what}, and ends by itself", args.what);
        self.act("pause", self.on_vault(data, meaning), &args.govern).await
    }

    pub(super) async fn unpause(&self, args: &UnpauseArgs) -> eyre::Result<Exit> {
        let data = match self.scope_or_asset(&args.what)? {
            ScopeOrAsset::Scope(scope) => IVault::unpauseCall { scope }.abi_encode(),
            ScopeOrAsset::Asset(asset) => IVault::unpauseAssetCall { asset: asset.address }.abi_encode(),
        };
        let meaning = format!("end the pause of {}", args.what);
        self.act("unpause", self.on_vault(data, meaning), &args.govern).await
    }

    pub(super) async fn limits(&self, command: &LimitsCommand) -> eyre::Result<Exit> {
        match command {
            LimitsCommand::Set(args) => self.change_limits(args, false).await,
            LimitsCommand::Lower(args) => self.change_limits(args, true).await,
            LimitsCommand::LowerTo(args) => self.lower_to(args).await,
            LimitsCommand::SetUsd(args) => {
                let window = seconds(*args.window)?;
                let (capacity, hard) = (args.capacity, args.hard_multiple);
                let data = IVault::setUsdLimitCall { capacity, window, hardMultiple: hard }.abi_encode();
                let meaning = format!(
                    "set the limit over all assets to {capacity} USD per {}, hard multiple {hard}",
                    args.window
                );
                self.act("usd-limit", self.on_vault(data, meaning), &args.govern).await
            }
            LimitsCommand::LowerUsd(args) => {
                let (capacity, window) = (args.capacity, seconds(*args.window)?);
                let data = IVault::lowerUsdLimitCall { capacity, window }.abi_encode();
                let meaning =
                    format!("lower the limit over all assets to {capacity} USD per {}", args.window);
                self.act("lower-usd-limit", self.on_vault(data, meaning), &args.govern).await
            }
        }
    }

    async fn change_limits(&self, args: &LimitsArgs, lower: bool) -> eyre::Result<Exit> {
        let asset = self.asset(&args.asset)?;
        let mut limits = self.chain.asset_limits(asset.address).await?;
        let units = |text: &Option<String>| {
            let parse = |text: &String| match text.as_str() {
                "0" => Ok(U256::ZERO),
                text => Amount::parse(text, asset.decimals).map(|amount| amount.0),
            };
            text.as_ref().map(parse).transpose()
        };
        if let Some(capacity) = units(&args.capacity)? {
            limits.capacity = capacity;
        }
        if let Some(window) = args.window {
            limits.window = seconds(*window)?;
        }
        if let Some(share) = args.unpriced_share {
            limits.unpricedShare = share;
        }
        if let Some(instant) = units(&args.instant_per_payout)? {
            limits.instantPerPayout = instant;
        }
        if let Some(instant) = units(&args.instant_per_day)? {
            limits.instantPerDay = instant;
        }
        if let Some(approved) = units(&args.approved_per_payout)? {
            limits.approvedPerPayout = approved.try_into().wrap_err("--approved-per-payout is too large")?;
        }
        self.put_limits(asset, limits, lower, &args.govern).await
    }

    /// Rounded down: a limit that is lowered is never above what was asked for.
    async fn lower_to(&self, args: &LowerToArgs) -> eyre::Result<Exit> {
        let asset = self.asset(&args.asset)?;
        let mut limits = self.chain.asset_limits(asset.address).await?;
        let part = |amount: U256| -> eyre::Result<U256> {
            let product = amount.checked_mul(U256::from(args.percent)).wrap_err("a limit is too large")?;
            Ok(product / U256::from(100))
        };
        limits.capacity = part(limits.capacity)?;
        limits.instantPerPayout = part(limits.instantPerPayout)?;
        limits.instantPerDay = part(limits.instantPerDay)?;
        limits.approvedPerPayout = part(U256::from(limits.approvedPerPayout))?.try_into()?;
        self.put_limits(asset, limits, true, &args.govern).await
    }

    async fn put_limits(
        &self,
        asset: &Asset,
        limits: AssetLimits,
        lower: bool,
        govern: &GovernArgs,
    ) -> eyre::Result<Exit> {
        let show = |units: U256| Amount(units).to_decimal(asset.decimals);
        let meaning = format!(
            "{} the limits of {} to {} per {}, {}% of that without a price; instant {} per payout and {} per day; approved {} per payout",
            if lower { "lower" } else { "set" },
            asset.symbol,
            show(limits.capacity),
            humantime::format_duration(Duration::from_secs(limits.window.into())),
            limits.unpricedShare,
            show(limits.instantPerPayout),
            show(limits.instantPerDay),
            show(U256::from(limits.approvedPerPayout)),
        );
        let asset = asset.address;
        let (name, data) = match lower {
            true => ("lower-limits", IVault::lowerLimitsCall { asset, limits }.abi_encode()),
            false => ("limits", IVault::setLimitsCall { asset, limits }.abi_encode()),
        };
        self.act(name, self.on_vault(data, meaning), govern).await
    }

    pub(super) async fn upgrade(&self, command: &UpgradeCommand) -> eyre::Result<Exit> {
        match command {
            UpgradeCommand::Propose(args) => self.propose(args).await,
            UpgradeCommand::Activate(args) => self.activate(args).await,
            UpgradeCommand::Cancel(govern) => {
                let proposed = self.versions().await?.proposed.wrap_err("no version is proposed")?;
                let data = IVersionRegistry::cancelCall { proxy: self.deployment.vault }.abi_encode();
                let meaning = format!("cancel the proposal of version {}", proposed.number);
                self.act("cancel-proposal", self.on_registry(data, meaning)?, govern).await
            }
            UpgradeCommand::Status(args) => self.version_status(args.json).await,
        }
    }

    async fn propose(&self, args: &ProposeArgs) -> eyre::Result<Exit> {
        let codehash = self.chain.codehash(args.implementation).await?;
        let codehash = codehash.wrap_err("the implementation has no code; deploy it first")?;
        ensure!(
            args.implementation != self.deployment.vault,
            "that is the vault's proxy; give the new code's own address"
        );
        let layout = keccak256(LAYOUT);
        let gate = self.deployment.vault_gate.wrap_err("the deployment file names no vaultGate")?;
        let data = IProposals::proposeCall {
            proxy: self.deployment.vault,
            number: args.number,
            implementation: args.implementation,
            codehash,
            layoutHash: layout,
            data: args.migration.clone(),
            gate,
        };
        let meaning = format!(
            "propose version {}, {}, codehash {codehash}, layout {layout}, migration {}",
            args.number, args.implementation, args.migration
        );
        self.act("propose", self.on_registry(data.abi_encode(), meaning)?, &args.govern).await
    }

    async fn activate(&self, args: &ActivateArgs) -> eyre::Result<Exit> {
        let proposed = self.versions().await?.proposed.wrap_err("no version is proposed")?;
        ensure!(
            keccak256(&args.migration) == proposed.dataHash,
            "the migration is not the one that was proposed"
        );
        let data =
            IVersionRegistry::activateCall { proxy: self.deployment.vault, data: args.migration.clone() };
        let meaning = format!("activate version {}", proposed.number);
        self.act("activate", self.on_registry(data.abi_encode(), meaning)?, &args.govern).await
    }

    pub(super) async fn rollback(&self, govern: &GovernArgs) -> eyre::Result<Exit> {
        let versions = self.versions().await?;
        let data = IVersionRegistry::rollbackCall { proxy: self.deployment.vault }.abi_encode();
        let meaning = format!("roll version {} back to the one before", versions.running.number);
        self.act("rollback", self.on_registry(data, meaning)?, govern).await
    }

    async fn version_status(&self, as_json: bool) -> eyre::Result<Exit> {
        let versions = self.versions().await?;
        let of = |v: &IVersionRegistry::Version| json!({ "number": v.number, "implementation": v.implementation, "codehash": v.codehash });
        let from = versions.proposed.as_ref().map(|v| v.since.to::<u64>() + versions.delay);
        if as_json {
            let proposed = versions.proposed.as_ref().map(of);
            output::json(&json!({
                "running": of(&versions.running), "probation_end": versions.probation_end,
                "proposed": proposed, "may_be_activated_from": from,
            }))?;
            return Ok(Exit::Done);
        }
        let words = |v: &IVersionRegistry::Version| format!("version {}, {}", v.number, v.implementation);
        output::line(format!("runs {}", words(&versions.running)));
        if versions.probation_end > 0 {
            output::line(format!("a guardian may roll it back until {}", at(versions.probation_end)));
        }
        if let (Some(proposed), Some(from)) = (&versions.proposed, from) {
            let codehash = proposed.codehash;
            output::line(format!("proposed is {}, codehash {codehash}", words(proposed)));
            output::line(format!("it may be activated from {} on", at(from)));
        }
        Ok(Exit::Done)
    }

    async fn versions(&self) -> eyre::Result<governance::Versions> {
        Ok(self.chain.versions(self.registry()?).await?)
    }

    fn registry(&self) -> eyre::Result<Address> {
        self.deployment.version_registry.wrap_err("the deployment file names no versionRegistry")
    }

    fn on_vault(&self, data: Vec<u8>, meaning: String) -> Action {
        Action { target: self.deployment.vault, data: data.into(), meaning }
    }

    fn on_registry(&self, data: Vec<u8>, meaning: String) -> eyre::Result<Action> {
        Ok(Action { target: self.registry()?, data: data.into(), meaning })
    }

    fn asset(&self, name: &str) -> eyre::Result<&Asset> {
        let assets = &self.deployment.assets;
        assets.find(name).wrap_err_with(|| format!("{name} is no asset of the vault: {}", assets.symbols()))
    }

    fn scope_or_asset(&self, name: &str) -> eyre::Result<ScopeOrAsset<'_>> {
        if let Some((scope, _)) = SCOPES.iter().find(|(_, known)| *known == name) {
            return Ok(ScopeOrAsset::Scope(*scope));
        }
        match self.deployment.assets.find(name) {
            Some(asset) => Ok(ScopeOrAsset::Asset(asset)),
            None => bail!(
                "{name} is none of everything, deposits, orders, requests, swaps, and no asset of the vault: {}",
                self.deployment.assets.symbols()
            ),
        }
    }

    /// Plans, tells, and does what the arguments say.
    async fn act(&self, name: &str, action: Action, govern: &GovernArgs) -> eyre::Result<Exit> {
        let args = &govern.send;
        let mut sender = Sender::new(args, self.config)?;
        let from = sender.account().wrap_err("write --from with the account that acts")?;
        let plan = self.chain.plan(self.deployment.access_manager, from, &action).await?;
        if !args.json {
            tell(&plan);
        }
        // Two pauses are two files.
        let (chain, mark) = (self.deployment.chain_id, keccak256(&action.data).to_string());
        for (end, file) in plan.safe_files(chain, now_ms()) {
            sender.write(&format!("safe-{chain}-{name}-{}{end}", &mark[2..10]), &file)?;
        }
        sender.send(&plan.now, "run it again").await?;
        sender.tell(json!({ "action": name, "plan": plan }))?;
        Ok(Exit::Done)
    }
}

enum ScopeOrAsset<'a> {
    Scope(Scope),
    Asset(&'a Asset),
}

/// What a pause stops.
fn stops(scope: Scope) -> &'static str {
    match scope {
        Scope::Everything => {
            "deposits, orders, requests, claims and sweeps; requests can be made and cancelled"
        }
        Scope::Deposits => "deposits, and nothing else",
        Scope::Orders => "orders, and nothing else",
        Scope::Requests => "paying requests and forcing them out; they can be made and cancelled",
        Scope::Swaps => "swaps, and nothing else",
        _ => "what the vault says",
    }
}

fn at(unix: u64) -> String {
    time(from_seconds(unix))
}

fn seconds(duration: Duration) -> eyre::Result<u32> {
    u32::try_from(duration.as_secs()).wrap_err("the time is too long")
}

/// Who, what, when, and for how long.
fn tell(plan: &Plan) {
    let delay = match plan.delay {
        0 => "at once".to_owned(),
        delay => format!("with a delay of {}", humantime::format_duration(Duration::from_secs(delay))),
    };
    output::line(format!("from {}, which holds {} and acts {delay}", plan.from, plan.role));
    let steps = [("now", &plan.now), ("later", &plan.later)];
    for (when, steps) in steps.into_iter().filter(|(_, steps)| !steps.is_empty()) {
        output::line(format!("{when}:"));
        steps.iter().for_each(tell_step);
    }
    if let (Some(ready), Some(expires)) = (plan.ready_at, plan.expires_at) {
        let again = "by the same command";
        output::line(format!("it can be executed from {} to {}, {again}", at(ready), at(expires)));
    }
}
