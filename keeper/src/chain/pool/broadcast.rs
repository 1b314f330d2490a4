//! Sending a transaction: to all endpoints, or to a private relay for its first time.

use super::{Endpoint, Pool, Standing};
use crate::chain::refusal::SendError;
use alloy::{primitives::Bytes, providers::Provider};
use std::{sync::Arc, time::Duration};
use tokio::sync::mpsc;

impl Pool {
    /// Hands signed bytes to the chain: to the private relay alone while `age` (since the first of its nonce was
    /// signed) is below `private_timeout`, otherwise to the relay and all endpoints at once.
    ///
    /// It is taken as soon as one has it, whatever the others say: "nonce too low" from a node that lies or lags is no
    /// reason to believe that it is not under way. When none took it, the answer that asks for the most care is given:
    /// that the nonce is used (then the chain is asked what became of it, and nothing is signed), before that it is
    /// underpriced, before the rest.
    pub async fn broadcast(&self, raw: &[u8], age: Duration) -> Result<(), SendError> {
        let mut to: Vec<_> = self.private_relay.iter().cloned().collect();
        if to.is_empty() || age >= self.private_timeout {
            to.extend(self.public());
        }
        let (tell, mut told) = mpsc::channel(to.len().max(1));
        let raw = Bytes::copy_from_slice(raw);
        for endpoint in to {
            let (tell, raw) = (tell.clone(), raw.clone());
            // A slow one is not waited for once another has it, but gets it too.
            tokio::spawn(async move { drop(tell.send(send(&endpoint, &raw).await).await) });
        }
        drop(tell);
        let mut worst: Option<SendError> = None;
        while let Some(answer) = told.recv().await {
            match answer {
                Ok(()) => return Ok(()),
                Err(error) if worst.as_ref().is_none_or(|w| care(&error) > care(w)) => worst = Some(error),
                Err(_) => {}
            }
        }
        Err(worst
            .unwrap_or_else(|| SendError::Nobody(self.undecided("a transaction", Vec::new()).to_string())))
    }

    /// Whoever may have it: those that failed lately only when there is no other, so that they pile up no requests.
    fn public(&self) -> Vec<Arc<Endpoint>> {
        let ranked = self.ranked();
        let fit: Vec<_> = ranked.iter().filter(|e| e.health.standing() == Standing::Fit).cloned().collect();
        if fit.is_empty() { ranked } else { fit }
    }
}

async fn send(endpoint: &Endpoint, raw: &[u8]) -> Result<(), SendError> {
    match endpoint.provider.send_raw_transaction(raw).await {
        Ok(_) => Ok(()),
        Err(error) => SendError::classify(error).map_or(Ok(()), Err),
    }
}

fn care(error: &SendError) -> u8 {
    match error {
        SendError::NonceTooLow => 4,
        SendError::Underpriced(_) => 3,
        SendError::OutOfGasMoney(_) => 2,
        SendError::Refused(_) => 1,
        SendError::Unreachable(_) | SendError::Nobody(_) => 0,
    }
}
