//! Many view calls in one request.
//!
//! A program of 77 bytes stands in for a contract for the length of one `eth_call`, so nothing needs to be deployed on
//! the chain. Its calldata is one call after another, each the target (20 bytes), the length of its data (2 bytes) and
//! the data; its answer is of each call a byte that is 1 for success, a length (4 bytes) and the data.

use super::{Block, Chain, ChainError};
use alloy::{
    eips::BlockId,
    hex,
    primitives::{Address, Bytes, address},
    providers::Provider,
    rpc::types::{
        TransactionRequest,
        state::{AccountOverride, StateOverride},
    },
};

/// Where the program stands; any address without code would do.
const PLACE: Address = address!("00000000000000000000000000005b1111a7ca11");

/// ```text
/// push0 push0                                    at, out
/// 02: calldatasize dup3 lt push1 0c jumpi        while at < calldatasize
///     push0 return stop                          else return memory 0..out
/// 0c: dup2 calldataload dup1 push1 50 shr        at, out, word
///     push2 ffff and                             at, out, word, length
///     dup1 dup5 push1 16 add dup5 calldatacopy   the data, to memory at out
///     push0 push0 dup3 dup6 dup6 push1 60 shr
///     push3 07a120 staticcall                    at most 500,000 gas, so that one call cannot take all of it
///     push1 20 shl returndatasize or
///     push1 d8 shl dup4 mstore                   success and length of the answer, over the data
///     returndatasize push0 dup5 push1 05 add returndatacopy
///     swap2 returndatasize add push1 05 add      at, length, word, out
///     swap1 pop swap2 add push1 16 add swap1     at, out
///     push1 02 jump
/// ```
const PROGRAM: [u8; 77] = hex!(
    "5f5f5b368210600c575ff3005b81358060501c61ffff16808460160184375f5f82858560601c6207a120fa60201b3d1760d81b83523d5f84"
    "6005013e913d016005019050910160160190600256"
);
/// So many bytes of calldata go into one request: some 700 calls.
const MOST: usize = 40_000;

/// One call of a view, with its calldata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    pub to: Address,
    pub data: Vec<u8>,
}

impl Chain {
    /// What each view answers at a block: none where it reverts, or takes more than 500,000 gas. An account without
    /// code answers nothing, in zero bytes. One request, or a few when there are very many.
    pub async fn many(&self, views: &[View], block: Block) -> Result<Vec<Option<Bytes>>, ChainError> {
        let mut answers = Vec::with_capacity(views.len());
        let mut rest = views;
        while !rest.is_empty() {
            let mut calldata = Vec::new();
            let mut count = 0;
            for view in rest {
                if count > 0 && calldata.len() + view.data.len() > MOST {
                    break;
                }
                let length = u16::try_from(view.data.len()).map_err(|_| missing("short calldata"))?;
                calldata.extend(view.to);
                calldata.extend(length.to_be_bytes());
                calldata.extend(&view.data);
                count += 1;
            }
            let request = TransactionRequest::default().to(PLACE).input(Bytes::from(calldata).into());
            let program = AccountOverride::default().with_code(Bytes::from_static(&PROGRAM));
            let place: StateOverride = [(PLACE, program)].into_iter().collect();
            let call = self.provider.call(request).block(BlockId::number(block.number)).overrides(place);
            let found = read(&call.await?, count).ok_or_else(|| missing("state overrides of eth_call"))?;
            answers.extend(found);
            rest = &rest[count..];
        }
        Ok(answers)
    }
}

fn missing(what: &str) -> ChainError {
    ChainError::Missing(what.to_owned())
}

fn read(mut answer: &[u8], count: usize) -> Option<Vec<Option<Bytes>>> {
    let mut found = Vec::with_capacity(count);
    for _ in 0..count {
        let (head, rest) = answer.split_at_checked(5)?;
        let length = u32::from_be_bytes(head[1..].try_into().ok()?);
        let (data, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
        found.push((head[0] == 1).then(|| Bytes::copy_from_slice(data)));
        answer = rest;
    }
    answer.is_empty().then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_only_when_it_is_whole() {
        let answer = [&[1, 0, 0, 0, 2, 7, 8][..], &[0, 0, 0, 0, 1, 9]].concat();
        assert_eq!(read(&answer, 2), Some(vec![Some(Bytes::from_static(&[7, 8])), None]));
        assert_eq!(read(&answer, 1), None, "something is left");
        assert_eq!(read(&answer[..12], 2), None, "something is missing");
        assert_eq!(read(&[], 1), None, "no program ran");
    }
}
