//! One call, and how it ended.

use super::{ReadError, Seen};
use crate::Outcome;
use alloy::{
    eips::BlockId,
    network::TransactionBuilder,
    providers::Provider,
    rpc::types::TransactionRequest,
    transports::{RpcError, TransportErrorKind},
};
use alloy_primitives::{Address, Bytes, U256};

/// That one read may use. A megabyte of answer costs more. On chain the guard gives less.
const GAS: u64 = 2_000_000;

/// Where calls are made.
#[derive(Clone, Copy, Debug)]
pub struct Caller<'a, P> {
    pub provider: &'a P,
    pub block: BlockId,
}

impl<P: Provider> Caller<'_, P> {
    /// The first `N` words of what `to` answers. Whatever follows them is not looked at.
    pub async fn words<const N: usize>(&self, to: Address, input: Vec<u8>) -> Seen<[U256; N]> {
        let bytes = super::seen!(self.bytes(to, input).await);
        Ok(words(&bytes))
    }

    /// All that `to` answers.
    pub async fn bytes(&self, to: Address, input: Vec<u8>) -> Seen<Bytes> {
        let request = TransactionRequest::default().with_to(to).with_input(input).with_gas_limit(GAS);
        let failed = |source| ReadError { what: format!("a call of {to}"), source };
        match self.provider.call(request).block(self.block).await {
            Ok(bytes) if bytes.is_empty() => {
                let code = self.provider.get_code_at(to).block_id(self.block).await.map_err(failed)?;
                Ok(Err(if code.is_empty() { Outcome::NoCode } else { Outcome::Malformed }))
            }
            Ok(bytes) => Ok(Ok(bytes)),
            Err(error) => match ended(&error) {
                Some(outcome) => Ok(Err(outcome)),
                None => Err(failed(error)),
            },
        }
    }
}

/// The first words of an answer.
pub(crate) fn words<const N: usize>(bytes: &[u8]) -> Result<[U256; N], Outcome> {
    let mut words = [U256::ZERO; N];
    let mut chunks = bytes.chunks_exact(32);
    for word in &mut words {
        *word = U256::from_be_slice(chunks.next().ok_or(Outcome::Malformed)?);
    }
    Ok(words)
}

/// How the called contract ended, when the error is about it and not about the endpoint. Nodes have no common code
/// for it but that of a revert, only words.
fn ended(error: &RpcError<TransportErrorKind>) -> Option<Outcome> {
    let response = error.as_error_resp()?;
    let message = response.message.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| message.contains(word));
    if says(&["out of gas", "outofgas", "oog", "gas required exceeds"]) {
        return Some(Outcome::OutOfGas);
    }
    let evm = [
        "revert",
        "opcode",
        "stack under",
        "stack over",
        "stackunder",
        "invalid jump",
        "evm error",
        "vm execution",
    ];
    (response.code == 3 || says(&evm)).then_some(Outcome::Reverted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_answer_is_malformed_and_a_long_one_is_not_looked_at() {
        assert_eq!(words::<2>(&[0; 63]), Err(Outcome::Malformed));
        assert_eq!(words::<2>(&[0; 1 << 20]), Ok([U256::ZERO; 2]));
    }
}
