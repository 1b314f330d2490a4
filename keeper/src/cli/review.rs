//! `spillway review`.

use super::{
    args::{ApproveArgs, RejectArgs, ReviewCommand, SignerArgs},
    client::Client,
    exit::Exit,
    output,
};
use crate::{
    chain::approvals::{Offer, hash_of_payouts, hash_of_references},
    config::{ApiConfig, LaneConfig, signers},
    domain::withdrawal::WithdrawalId,
};
use alloy::{
    primitives::{Address, U256},
    signers::{SignerSync, local::PrivateKeySigner},
};
use eyre::{ContextCompat, WrapErr, bail, ensure};
use serde_json::{Value, json};

pub(super) async fn run(command: &ReviewCommand, api: &ApiConfig) -> eyre::Result<Exit> {
    let client = Client::new(command.keeper(), api)?;
    match command {
        ReviewCommand::List(args) => {
            let listed = client.get("/v1/reviews").await?;
            if args.json { output::json(&listed)? } else { list(&listed) }
        }
        ReviewCommand::Show(args) => {
            let review = client.get(&format!("/v1/reviews/{}", args.id)).await?;
            if args.json { output::json(&review)? } else { show(&review) }
        }
        ReviewCommand::Approve(args) => approve(args, &client).await?,
        ReviewCommand::Reject(args) => reject(args, &client).await?,
    }
    Ok(Exit::Done)
}

fn list(listed: &Value) {
    let reviews = listed["reviews"].as_array().map(Vec::as_slice).unwrap_or_default();
    if reviews.is_empty() {
        return output::line("nothing waits for approvers");
    }
    let mut table = output::table(["review", "total", "withdrawals", "approvals", "count until"]);
    for review in reviews {
        table.add_row([
            review["id"].to_string(),
            total(review),
            withdrawals(review).len().to_string(),
            progress(review),
            text(&review["deadline"]),
        ]);
    }
    output::line(table);
}

fn show(review: &Value) {
    output::line(format!("review {} is {}: {}", review["id"], text(&review["state"]), total(review)));
    output::line(format!("{} approvals, which count until {}", progress(review), text(&review["deadline"])));
    let mut table = output::table(["withdrawal", "recipient", "amount", "key"]);
    for of in withdrawals(review) {
        table.add_row([&of["id"], &of["recipient"], &of["amount"], &of["idempotency_key"]].map(text));
    }
    output::line(table);
    for approval in review["approvals"].as_array().into_iter().flatten() {
        output::line(format!("signed by {} at {}", text(&approval["approver"]), text(&approval["at"])));
    }
    output::line(format!("digest {}", text(&review["digest"])));
}

fn withdrawals(review: &Value) -> &[Value] {
    review["withdrawals"].as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn total(review: &Value) -> String {
    format!("{} {}", text(&review["total"]), text(&review["asset"]["symbol"]))
}

fn progress(review: &Value) -> String {
    format!("{} of {}", review["approvals"].as_array().map_or(0, Vec::len), review["threshold"])
}

async fn approve(args: &ApproveArgs, client: &Client) -> eyre::Result<()> {
    let path = format!("/v1/reviews/{}", args.id);
    let (approver, signature) = match (&args.approver, &args.signature) {
        (Some(approver), Some(signature)) => (approver.clone(), signature.clone()),
        _ => {
            let key = load(&args.signer)?;
            let key = key.wrap_err("write --private-key-env, --keystore, or --approver and --signature")?;
            let review = client.get(&path).await?;
            let digest = what_is_shown(&review)?.digest();
            ensure!(
                review["digest"] == digest.to_string(),
                "the keeper shows another digest than it asks for"
            );
            if !args.json {
                show(&review);
            }
            let signature = key.sign_hash_sync(&digest).wrap_err("the key does not sign")?;
            (key.address().to_string(), alloy::hex::encode_prefixed(signature.as_bytes()))
        }
    };
    let body = json!({ "approver": approver, "signature": signature });
    let review = client.post(&format!("{path}/approvals"), &body).await?;
    if args.json {
        return output::json(&review);
    }
    output::line(format!("approved by {approver}: {} approvals", progress(&review)));
    Ok(())
}

/// What is signed, when it pays exactly what is shown: nobody is made to sign something else.
fn what_is_shown(review: &Value) -> eyre::Result<Offer> {
    let offer = Offer::from_typed_data(&review["typed_data"])
        .wrap_err("the review takes no signatures now; `spillway review list` shows what does")?;
    let (mut payouts, mut references) = (Vec::new(), Vec::new());
    for of in withdrawals(review) {
        let id = WithdrawalId::parse(&text(&of["id"]));
        let recipient: Option<Address> = text(&of["recipient"]).parse().ok();
        let units: Option<U256> = text(&of["units"]).parse().ok();
        let (Some(id), Some(recipient), Some(units)) = (id, recipient, units) else {
            bail!("what answers is no keeper");
        };
        payouts.push((recipient, units));
        references.push(id.reference());
    }
    let shown = offer.settlement.payouts == hash_of_payouts(payouts)
        && offer.settlement.refs == hash_of_references(references)
        && text(&review["asset"]["address"]).parse() == Ok(offer.settlement.asset);
    ensure!(shown, "what is to be signed does not pay what is shown; do not sign it, and tell the operator");
    Ok(offer)
}

/// The key that arguments name; none when they name none.
pub(super) fn load(args: &SignerArgs) -> eyre::Result<Option<PrivateKeySigner>> {
    let SignerArgs { private_key_env, keystore, password_file } = args;
    if private_key_env.is_none() && keystore.is_none() {
        return Ok(None);
    }
    let entry = LaneConfig {
        private_key_env: private_key_env.clone(),
        keystore: keystore.clone(),
        password_file: password_file.clone(),
        ..LaneConfig::default()
    };
    Ok(Some(signers::load_one("signer", &entry)?))
}

async fn reject(args: &RejectArgs, client: &Client) -> eyre::Result<()> {
    let mut body = json!({ "reason": args.reason });
    if !args.withdrawals.is_empty() {
        body["withdrawals"] = json!(args.withdrawals);
    }
    let rejected = client.post(&format!("/v1/reviews/{}/rejections", args.id), &body).await?;
    if args.json {
        return output::json(&rejected);
    }
    for id in rejected["rejected"].as_array().into_iter().flatten() {
        output::line(format!("{} is rejected", text(id)));
    }
    Ok(())
}
