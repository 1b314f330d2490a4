//! The token of a withdrawal's status page: whoever has it sees that one withdrawal, and nothing else.
//!
//! A token is the withdrawal's id and a code that only a keeper of the same store can make, so that none is stored, and the
//! same withdrawal always has the same one.

use super::withdrawal::WithdrawalId;
use alloy::{hex, primitives::keccak256};
use std::fmt;
use subtle::ConstantTimeEq;

/// Bytes of an id, and of the code behind it.
const HALF: usize = 16;

/// What the codes are made with. Kept in the store.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct StatusSecret([u8; 32]);

impl StatusSecret {
    pub fn new() -> Self {
        Self(rand::random())
    }

    /// Reads what [`StatusSecret::reveal`] wrote.
    pub fn parse(text: &str) -> Option<Self> {
        hex::decode(text).ok()?.try_into().ok().map(Self)
    }

    pub fn reveal(&self) -> String {
        hex::encode(self.0)
    }

    /// 64 hexadecimal digits.
    pub fn token(&self, id: &WithdrawalId) -> String {
        let digits = id.as_str().trim_start_matches("wd_");
        format!("{digits}{}", hex::encode(self.code(id)))
    }

    /// Whose token it is; none when it is no token of this secret. The time taken tells nothing of the right code.
    pub fn open(&self, token: &str) -> Option<WithdrawalId> {
        let (id, code) = token.split_at_checked(2 * HALF)?;
        let id = WithdrawalId::parse(&format!("wd_{id}"))?;
        let code: [u8; HALF] = hex::decode(code).ok()?.try_into().ok()?;
        bool::from(code.ct_eq(&self.code(&id))).then_some(id)
    }

    /// A keyed hash. Keccak is a sponge: with the key in front nobody can lengthen what was hashed.
    fn code(&self, id: &WithdrawalId) -> [u8; HALF] {
        let hash = keccak256([&self.0, b"spillway/status/".as_slice(), id.as_str().as_bytes()].concat());
        let mut code = [0; HALF];
        code.copy_from_slice(&hash[..HALF]);
        code
    }
}

impl Default for StatusSecret {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for StatusSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StatusSecret([hidden])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_opens_its_own_withdrawal_under_its_own_secret() {
        let (secret, other) = (StatusSecret::new(), StatusSecret::new());
        let (mine, yours) = (WithdrawalId::from_key("mine"), WithdrawalId::from_key("yours"));
        let token = secret.token(&mine);
        assert_eq!((token.len(), secret.open(&token)), (64, Some(mine.clone())));
        assert_eq!(StatusSecret::parse(&secret.reveal()).map(|s| s.token(&mine)), Some(token.clone()));
        assert_eq!(other.open(&token), None);
        let swapped = format!("{}{}", &secret.token(&yours)[..32], &token[32..]);
        for wrong in [&swapped, &token[..63], &token[..32], "", mine.as_str(), &format!("{token}00"), "é"] {
            assert_eq!(secret.open(wrong), None, "{wrong}");
        }
        assert!(!format!("{secret:?}").contains(&secret.reveal()[..8]));
    }
}
