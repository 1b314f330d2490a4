//! What becomes of the transactions that a command prepares: told, written for whoever signs elsewhere, or sent.

use super::{args::SendArgs, output, review};
use crate::{
    chain::governance::{self, SentStep, Step},
    config::Config,
};
use alloy::{primitives::Address, signers::local::PrivateKeySigner};
use eyre::{ContextCompat, WrapErr, ensure};
use serde_json::Value;

/// Does with steps what the arguments say.
pub(super) struct Sender<'a> {
    args: &'a SendArgs,
    config: &'a Config,
    signer: Option<PrivateKeySigner>,
    files: Vec<String>,
    sent: Vec<SentStep>,
}

impl<'a> Sender<'a> {
    pub(super) fn new(args: &'a SendArgs, config: &'a Config) -> eyre::Result<Self> {
        let signer = if args.send { review::load(&args.signer)? } else { None };
        ensure!(signer.is_some() || !args.send, "--send needs --private-key-env, or --keystore");
        Ok(Self { args, config, signer, files: Vec::new(), sent: Vec::new() })
    }

    /// The account that is named, or the key's.
    pub(super) fn account(&self) -> Option<Address> {
        self.signer.as_ref().map(|s| s.address()).or(self.args.from)
    }

    /// Writes a file for the Safe transaction builder, where one is wanted.
    pub(super) fn write(&mut self, name: &str, content: &Value) -> eyre::Result<()> {
        let Some(folder) = &self.args.safe else { return Ok(()) };
        let path = folder.join(name);
        std::fs::write(&path, format!("{content:#}\n")).wrap_err_with(|| path.display().to_string())?;
        self.files.push(path.display().to_string());
        Ok(())
    }

    /// Sends the steps one after the other, where that is wanted; `what_next` is for one that is not in a block.
    pub(super) async fn send(&mut self, steps: &[Step], what_next: &'static str) -> eyre::Result<()> {
        let Some(signer) = &self.signer else { return Ok(()) };
        let url = self.config.chain.rpc_urls.first().cloned().wrap_err("chain.rpc_urls is empty")?;
        for step in steps {
            let done = governance::send(url.clone(), signer.clone(), step).await;
            let done =
                done.wrap_err_with(|| format!("it was not sent, or is not in a block yet; {what_next}"))?;
            ensure!(done.succeeded, "{} reverted in transaction {}", step.meaning, done.hash);
            self.sent.push(done);
        }
        Ok(())
    }

    /// Prints `document` with what was written and sent, or that alone as lines.
    pub(super) fn tell(&self, mut document: Value) -> eyre::Result<()> {
        let Self { files, sent, .. } = self;
        if self.args.json {
            (document["files"], document["sent"]) = (serde_json::json!(files), serde_json::json!(sent));
            return output::json(&document);
        }
        files.iter().for_each(|file| output::line(format!("for the Safe transaction builder: {file}")));
        for done in sent {
            output::line(format!("done in transaction {}, block {}", done.hash, done.block.unwrap_or(0)));
        }
        Ok(())
    }
}

pub(super) fn tell_step(step: &Step) {
    let Step { to, value, calldata, meaning } = step;
    output::line(format!("  {meaning}\n    to       {to}\n    value    {value}\n    calldata {calldata}"));
}
