//! Tampers with an exported audit chain, and says at which change each must be found.

use crate::world::World;
use alloy::primitives::B256;
use eyre::{OptionExt, ensure};
use rand::{RngExt, rngs::StdRng};
use serde_json::{Value, json};
use spillway::{
    books::audit::{
        Entry,
        anchors::{self, Anchor},
        change::Broken,
        export,
        heads::{Findings, Heads},
    },
    chain::Chain,
    config::ChainConfig,
};
use std::{collections::BTreeSet, path::Path};

/// A file of `spillway audit export`.
#[derive(Clone, Debug)]
pub struct AuditFile {
    header: String,
    changes: Vec<String>,
    end: String,
}

/// What was done to a file, and the first change at which that must be found.
#[derive(Debug)]
pub struct Tampered {
    pub what: String,
    pub file: AuditFile,
    pub found_at: usize,
}

impl AuditFile {
    pub fn read(path: &Path) -> eyre::Result<Self> {
        let mut lines = std::fs::read_to_string(path)?.lines().map(str::to_owned).collect::<Vec<_>>();
        ensure!(lines.len() > 4, "{} has only {} lines", path.display(), lines.len());
        let end = lines.pop().ok_or_eyre("no end")?;
        Ok(Self { header: lines.remove(0), changes: lines, end })
    }

    pub fn write(&self, path: &Path) -> eyre::Result<()> {
        let lines =
            [std::slice::from_ref(&self.header), &self.changes, std::slice::from_ref(&self.end)].concat();
        // Without an end there is no empty line in its place.
        Ok(std::fs::write(path, lines.join("\n").trim_end().to_owned() + "\n")?)
    }

    /// How many changes there are: they have the numbers from 1 to this.
    pub fn len(&self) -> usize {
        self.changes.len()
    }

    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    pub fn change(&self, n: usize) -> eyre::Result<Value> {
        Ok(serde_json::from_str(&self.changes[n - 1])?)
    }

    /// Writes a value of the first line, which no hash covers.
    pub fn say(&mut self, key: &str, value: Value) -> eyre::Result<()> {
        self.header = with(&self.header, key, value)?;
        Ok(())
    }

    /// Changes nothing but the time of change `n`.
    pub fn change_time(&mut self, n: usize) -> eyre::Result<()> {
        let at = self.change(n)?["at"].as_i64().ok_or_eyre("no time")?;
        self.changes[n - 1] = with(&self.changes[n - 1], "at", json!(at + 1))?;
        Ok(())
    }

    /// Takes a change out.
    pub fn remove(&mut self, n: usize) {
        self.changes.remove(n - 1);
    }

    /// Takes away the last line, as of a file that was not written to its end.
    pub fn break_off(&mut self) {
        self.end = String::new();
    }

    /// Leaves only so many changes, and says that these were all.
    pub fn cut_after(&mut self, n: usize) -> eyre::Result<()> {
        self.changes.truncate(n);
        self.end = json!({ "changes": n, "head": self.change(n)?["hash"] }).to_string();
        // The end is told by how it begins.
        ensure!(self.end.starts_with("{\"changes\""), "{}", self.end);
        Ok(())
    }

    /// Computes the hashes from change `n` on again, as a forger would who has the whole file.
    pub fn forge_from(&mut self, n: usize) -> eyre::Result<()> {
        let mut prev = if n > 1 { hash(&self.change(n - 1)?, "hash")? } else { B256::ZERO };
        for line in &mut self.changes[n - 1..] {
            let change: Value = serde_json::from_str(line)?;
            let text = |key: &str| change[key].as_str().ok_or_eyre("no text");
            let entry = Entry {
                seq: change["seq"].as_i64().ok_or_eyre("no number")?,
                at: change["at"].as_i64().ok_or_eyre("no time")?,
                actor: text("actor")?,
                action: text("action")?,
                detail: text("detail")?,
                digest: hash(&change, "digest")?,
            };
            prev = entry.hash(prev);
            *line = with(line, "hash", json!(prev))?;
        }
        self.cut_after(self.len())
    }

    /// One change of one field, of two places, of one line more or less, or of where the file ends.
    pub fn tamper(&self, rng: &mut StdRng) -> eyre::Result<Tampered> {
        let (mut file, last) = (self.clone(), self.len());
        let n = rng.random_range(1..=last);
        let (what, found_at) = match rng.random_range(0..6) {
            0 | 1 => (format!("{} of change {n}", file.change_a_field(n, rng)?), n),
            2 => {
                file.remove(n);
                (format!("change {n} taken out"), n)
            }
            3 => {
                let of = rng.random_range(1..=last);
                file.changes.insert(n, self.changes[of - 1].clone());
                // The one that is the next is taken for it, and the next itself is one too many.
                (format!("change {of} again after {n}"), if of == n + 1 { n + 2 } else { n + 1 })
            }
            4 => {
                let n = n.min(last - 1);
                file.changes.swap(n - 1, n);
                (format!("change {n} and the next swapped"), n)
            }
            _ => {
                let n = n.min(last - 1);
                file.changes.truncate(n);
                if rng.random() {
                    file.break_off();
                }
                (format!("cut off after change {n}"), n + 1)
            }
        };
        Ok(Tampered { what, file, found_at })
    }

    /// Changes one value of change `n`. Says which.
    fn change_a_field(&mut self, n: usize, rng: &mut StdRng) -> eyre::Result<&'static str> {
        let mut change = self.change(n)?;
        let fields = [
            ("time", "/at"),
            ("actor", "/actor"),
            ("action", "/action"),
            ("detail", "/detail"),
            ("digest", "/digest"),
            ("hash", "/hash"),
            ("state", "/transitions/0/to"),
            ("amount", "/postings/0/amount"),
            ("debited account", "/postings/0/debit"),
            ("recipient", "/terms/0/recipient"),
        ];
        let there: Vec<_> = fields.into_iter().filter(|(_, path)| change.pointer(path).is_some()).collect();
        let (name, path) = there[rng.random_range(0..there.len())];
        let value = change.pointer_mut(path).ok_or_eyre("no such field")?;
        *value = match &*value {
            Value::Number(number) => json!(number.as_i64().ok_or_eyre("no integer")? + 1),
            Value::String(text) => {
                // Another last character, of those that a hash may have.
                let other = if text.ends_with('0') { '1' } else { '0' };
                let mut text = text.clone();
                text.pop();
                text.push(other);
                json!(text)
            }
            other => eyre::bail!("{path} is {other}"),
        };
        self.changes[n - 1] = change.to_string();
        Ok(name)
    }
}

fn hash(change: &Value, key: &str) -> eyre::Result<B256> {
    Ok(change[key].as_str().ok_or_eyre("no hash")?.parse()?)
}

fn with(line: &str, key: &str, value: Value) -> eyre::Result<String> {
    let mut object: Value = serde_json::from_str(line)?;
    object[key] = value;
    Ok(object.to_string())
}

/// What `spillway audit verify` does with a file, without a program for each.
pub struct Verifier {
    anchors: Vec<Anchor>,
    tip: u64,
}

impl Verifier {
    /// Reads what the chain holds, once for all files of the vault that `file` is of.
    pub async fn of(file: &Path, world: &World) -> eyre::Result<Self> {
        let header = export::header(file)?;
        let rpc = world.anvil.url().parse()?;
        let chain = Chain::connect(&ChainConfig::of(rpc, header.chain_id), header.vault)?;
        let tip = chain.tip().await?.number;
        let anchors = anchors::read(&chain, header.deployed_at, tip, |_, _| {}).await?;
        Ok(Self { anchors, tip })
    }

    /// `accepted`: the hashes of the changes that list what a restore lost.
    pub fn verify(&self, file: &Path, accepted: &BTreeSet<B256>) -> eyre::Result<Result<Findings, Broken>> {
        let mut heads = Heads::wanted(&self.anchors, &export::header(file)?);
        let (_, followed) = export::follow(file, |change| heads.see(change))?;
        Ok(followed.map(|_| heads.check(&self.anchors, self.tip, accepted)))
    }
}
