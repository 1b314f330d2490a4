//! Who may do what by the API: keys and their scopes.

use alloy::primitives::{B256, keccak256};
use serde::{Deserialize, Serialize};
use std::fmt;
use subtle::ConstantTimeEq;

/// What a key is for. None includes another.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    clap::ValueEnum,
    utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Hand in withdrawals, take back those that are in no batch, ask what one would cost.
    Submit,
    /// See withdrawals, the vault's state and what is thought of prices.
    Read,
    /// Approve and reject what policy leaves to people.
    Review,
    /// See figures of the keeper itself.
    Operate,
}

impl Scope {
    pub const ALL: [Self; 4] = [Self::Submit, Self::Read, Self::Review, Self::Operate];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Submit => "submit",
            Self::Read => "read",
            Self::Review => "review",
            Self::Operate => "operate",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == text)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A key as its holder sends it: `spk_`, 16 digits that name it, `_`, 64 digits that are secret. Shown once, when it is made.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    pub id: String,
    secret: String,
}

impl Secret {
    pub fn new() -> Self {
        let digits = |bytes: &[u8]| alloy::hex::encode(bytes);
        Self { id: digits(&rand::random::<[u8; 8]>()), secret: digits(&rand::random::<[u8; 32]>()) }
    }

    pub fn parse(text: &str) -> Option<Self> {
        let (id, secret) = text.strip_prefix("spk_")?.split_once('_')?;
        let digits = |s: &str, n| s.len() == n && s.bytes().all(|b| b.is_ascii_hexdigit());
        (digits(id, 16) && digits(secret, 64)).then(|| Self { id: id.to_owned(), secret: secret.to_owned() })
    }

    /// What is stored of it. The secret has 256 random bits, so that no slower hash makes it harder to guess.
    pub fn hash(&self) -> B256 {
        keccak256(self.secret.as_bytes())
    }

    /// The key in full.
    pub fn reveal(&self) -> String {
        format!("spk_{}_{}", self.id, self.secret)
    }
}

impl Default for Secret {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "spk_{}_[hidden]", self.id)
    }
}

/// A key as the store has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ApiKey {
    pub id: String,
    /// Whose it is. Both keys of a rotation have it.
    pub name: String,
    #[serde(skip)]
    pub hash: B256,
    pub scopes: Vec<Scope>,
    /// Requests per minute; 0: no limit.
    pub per_minute: u32,
    /// Unix milliseconds.
    pub created_at: i64,
    /// Unix milliseconds; none: never.
    pub expires_at: Option<i64>,
}

impl ApiKey {
    pub fn is_expired(&self, now: i64) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }

    /// Whether `secret` is this key's. The time taken tells nothing of either.
    pub fn matches(&self, secret: &Secret) -> bool {
        self.hash.0.ct_eq(&secret.hash().0).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_as_it_was_shown_and_never_printed() {
        let secret = Secret::new();
        assert_eq!(Secret::parse(&secret.reveal()), Some(secret.clone()));
        assert!(!format!("{secret:?}").contains(&secret.secret));
        for bad in ["", "spk_", "spk_0123456789abcdef", "spk_0123456789abcdef_12", &secret.reveal()[1..]] {
            assert_eq!(Secret::parse(bad), None, "{bad}");
        }
        let key = ApiKey {
            id: secret.id.clone(),
            name: "shop".to_owned(),
            hash: secret.hash(),
            scopes: vec![Scope::Read],
            per_minute: 0,
            created_at: 0,
            expires_at: Some(10),
        };
        assert!(key.matches(&secret) && !key.matches(&Secret { id: secret.id, ..Secret::new() }));
        assert!(!key.is_expired(9) && key.is_expired(10));
        assert!(Scope::ALL.into_iter().all(|s| Scope::parse(s.as_str()) == Some(s)));
    }
}
