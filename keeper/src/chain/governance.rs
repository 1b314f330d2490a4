//! What governance and guardians do: whom the AccessManager lets, what can be sent now, and what only after a delay. The same
//! as script/govern does with forge.

use super::{Chain, ChainError, or_refusal};
use alloy::{
    network::TransactionBuilder,
    primitives::{Address, B256, Bytes, FixedBytes, U256},
    providers::{Provider, ProviderBuilder},
    rpc::types::TransactionRequest,
    signers::local::PrivateKeySigner,
    sol,
    sol_types::SolCall,
};
use serde::{Serialize, Serializer};
use serde_json::{Value, json};
use std::time::Duration;

sol! {
    /// What is needed of OpenZeppelin's AccessManager.
    #[sol(rpc)]
    interface IAccessManager {
        function canCall(address caller, address target, bytes4 selector) external view returns (bool immediate, uint32 delay);
        function hashOperation(address caller, address target, bytes calldata data) external view returns (bytes32);
        function getSchedule(bytes32 id) external view returns (uint48);
        function getTargetFunctionRole(address target, bytes4 selector) external view returns (uint64);
        function expiration() external view returns (uint32);
        function schedule(address target, bytes calldata data, uint48 when) external returns (bytes32, uint32);
        function execute(address target, bytes calldata data) external payable returns (uint32);
    }

    /// What is needed of contracts/VersionRegistry.sol.
    #[sol(rpc)]
    #[derive(Debug, PartialEq, Eq)]
    interface IVersionRegistry {
        enum Status { Proposed, Cancelled, Active, Superseded, RolledBack }
        struct Version {
            uint64 number;
            Status status;
            uint48 since;
            address implementation;
            bytes32 codehash;
            bytes32 layoutHash;
            bytes32 dataHash;
            address gate;
        }
        function cancel(address proxy) external;
        function activate(address proxy, bytes calldata data) external;
        function rollback(address proxy) external;
        function history(address proxy) external view returns (Version[] memory);
        function current(address proxy) external view returns (Version memory version, uint256 probationEnd);
        function DELAY() external view returns (uint256);
    }
}

sol! {
    /// The registry's call with most arguments, which only encodes.
    interface IProposals {
        function propose(address proxy, uint64 number, address implementation, bytes32 codehash, bytes32 layoutHash, bytes calldata data, address gate) external;
    }
}

/// How long a sent action is waited for.
const PATIENCE: Duration = Duration::from_secs(180);

/// What is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Action {
    pub target: Address,
    pub data: Bytes,
    pub meaning: String,
}

impl Action {
    fn selector(&self) -> FixedBytes<4> {
        FixedBytes::from_slice(self.data.get(..4).unwrap_or(&[0; 4]))
    }
}

/// A transaction of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    pub to: Address,
    /// Wei.
    #[serde(serialize_with = "decimal")]
    pub value: U256,
    pub calldata: Bytes,
    pub meaning: String,
}

impl Step {
    /// One that carries no value.
    fn new(to: Address, calldata: Bytes, meaning: String) -> Self {
        Self { to, value: U256::ZERO, calldata, meaning }
    }
}

fn decimal<S: Serializer>(value: &U256, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&value.to_string())
}

/// What it takes, by one account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Plan {
    pub from: Address,
    /// That the account holds.
    pub role: &'static str,
    /// Seconds between the schedule and the execution; 0: at once.
    pub delay: u64,
    /// What can be sent now; nothing while what was scheduled is not ready.
    pub now: Vec<Step>,
    /// What follows, not before `ready_at`.
    pub later: Vec<Step>,
    /// Unix seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ready_at: Option<u64>,
    /// Unix seconds: what was not executed by then is forgotten.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<u64>,
}

impl Plan {
    /// The files of the Safe transaction builder: a name's end, and what is in it. `created_at`: unix milliseconds.
    pub fn safe_files(&self, chain_id: u64, created_at: i64) -> Vec<(&'static str, Value)> {
        let ends = if self.later.is_empty() { [".json", ""] } else { ["-schedule.json", "-execute.json"] };
        let when = self.ready_at.map(|at| format!("Not before unix time {at}. ")).unwrap_or_default();
        let files = [(ends[0], &self.now, String::new()), (ends[1], &self.later, when)];
        let written = files.into_iter().filter(|(_, steps, _)| !steps.is_empty());
        written
            .map(|(end, steps, when)| (end, safe_file(self.from, steps, &when, chain_id, created_at)))
            .collect()
    }
}

/// A file of the Safe transaction builder: `from` does all the steps in one transaction. `created_at`: unix milliseconds.
pub fn safe_file(from: Address, steps: &[Step], when: &str, chain_id: u64, created_at: i64) -> Value {
    let meanings: Vec<_> = steps.iter().map(|step| step.meaning.as_str()).collect();
    let transaction = |step: &Step| {
        json!({
            "to": step.to, "value": step.value.to_string(), "data": step.calldata,
            "contractMethod": null, "contractInputsValues": null,
        })
    };
    json!({
        "version": "1.0",
        "chainId": chain_id.to_string(),
        "createdAt": created_at,
        "meta": {
            "name": "Spillway",
            "description": format!("{when}{}", meanings.join("; ")),
            "txBuilderVersion": "1.16.5",
            "createdFromSafeAddress": from,
        },
        "transactions": steps.iter().map(transaction).collect::<Vec<_>>(),
    })
}

/// Why nothing can be planned.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    #[error("{from} may not do this: it takes the role {role}; name an account that holds it, or its key")]
    NotAllowed { from: Address, role: &'static str },
    #[error("it would fail: {meaning}: {why}")]
    WouldFail { meaning: String, why: String },
    #[error(transparent)]
    Chain(#[from] ChainError),
}

/// A transaction that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct SentStep {
    pub hash: B256,
    pub block: Option<u64>,
    pub succeeded: bool,
}

impl Chain {
    /// What it takes for `from` to do this. What can be sent now is tried against the chain's present state.
    pub async fn plan(&self, manager: Address, from: Address, action: &Action) -> Result<Plan, PlanError> {
        let contract = IAccessManager::new(manager, self.provider.clone());
        let Action { target, data, meaning } = action.clone();
        let selector = action.selector();
        let asked = async {
            let role = contract.getTargetFunctionRole(target, selector).call().await?;
            let allowed = contract.canCall(from, target, selector).call().await?;
            Ok::<_, ChainError>((role_name(role), allowed))
        };
        let (role, allowed) = asked.await?;
        let mut plan = Plan {
            from,
            role,
            delay: allowed.delay.into(),
            now: Vec::new(),
            later: Vec::new(),
            ready_at: None,
            expires_at: None,
        };
        if allowed.immediate {
            plan.now.push(Step::new(target, data, meaning));
        } else if allowed.delay == 0 {
            return Err(PlanError::NotAllowed { from, role });
        } else {
            let scheduled = async {
                let id = contract.hashOperation(from, target, data.clone()).call().await?;
                let at: u64 = contract.getSchedule(id).call().await?.to();
                let life = u64::from(contract.expiration().call().await?);
                Ok::<_, ChainError>((id, at, life, self.tip().await?.timestamp))
            };
            let (id, at, life, now) = scheduled.await?;
            let of = format!("{meaning} (operation {id})");
            let calldata = IAccessManager::executeCall { target, data: data.clone() }.abi_encode().into();
            let execute = Step::new(manager, calldata, format!("execute: {of}"));
            if at != 0 && at <= now {
                plan.now.push(execute);
            } else {
                if at == 0 {
                    let when = Default::default();
                    let calldata = IAccessManager::scheduleCall { target, data, when }.abi_encode().into();
                    plan.now.push(Step::new(manager, calldata, format!("schedule: {of}")));
                }
                plan.later.push(execute);
                let ready_at = if at == 0 { now + plan.delay } else { at };
                (plan.ready_at, plan.expires_at) = (Some(ready_at), Some(ready_at + life));
            }
        }
        for step in &plan.now {
            self.rehearse(from, step).await?;
        }
        Ok(plan)
    }

    async fn rehearse(&self, from: Address, step: &Step) -> Result<(), PlanError> {
        let request = request(step).with_from(from);
        match or_refusal(self.provider.call(request).await)? {
            Ok(_) => Ok(()),
            Err(why) => Err(PlanError::WouldFail { meaning: step.meaning.clone(), why: why.to_string() }),
        }
    }

    /// The versions of the vault's code.
    pub async fn versions(&self, registry: Address) -> Result<Versions, ChainError> {
        let registry = IVersionRegistry::new(registry, self.provider.clone());
        let current = registry.current(self.vault).call().await?;
        let newest = registry.history(self.vault).call().await?.pop();
        Ok(Versions {
            running: current.version,
            probation_end: current.probationEnd.saturating_to(),
            proposed: newest.filter(|v| v.status == IVersionRegistry::Status::Proposed),
            delay: registry.DELAY().call().await?.saturating_to(),
        })
    }

    /// The hash of an account's code; none when it has none.
    pub async fn codehash(&self, account: Address) -> Result<Option<B256>, ChainError> {
        let code = self.provider.get_code_at(account).await?;
        Ok((!code.is_empty()).then(|| alloy::primitives::keccak256(&code)))
    }
}

/// What runs, and what is proposed.
#[derive(Clone, Debug)]
pub struct Versions {
    pub running: IVersionRegistry::Version,
    /// Unix seconds: a guardian may roll back until then; in the past when the version is final.
    pub probation_end: u64,
    pub proposed: Option<IVersionRegistry::Version>,
    /// Seconds between a proposal and its activation.
    pub delay: u64,
}

/// Sends a step and waits for its block.
pub async fn send(url: reqwest::Url, signer: PrivateKeySigner, step: &Step) -> eyre::Result<SentStep> {
    let provider = ProviderBuilder::new().wallet(signer).connect_http(url);
    let sent = provider.send_transaction(request(step)).await?;
    let receipt = sent.with_timeout(Some(PATIENCE)).get_receipt().await?;
    Ok(SentStep { hash: receipt.transaction_hash, block: receipt.block_number, succeeded: receipt.status() })
}

fn request(step: &Step) -> TransactionRequest {
    TransactionRequest::default().with_to(step.to).with_value(step.value).with_input(step.calldata.clone())
}

/// The roles of contracts/libraries/Roles.sol.
fn role_name(role: u64) -> &'static str {
    match role {
        1 => "GOVERNANCE",
        2 => "GUARDIAN",
        0 => "ADMIN",
        _ => "another role",
    }
}
