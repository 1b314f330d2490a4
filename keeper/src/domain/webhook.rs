//! What an endpoint of the operator is told of a withdrawal, how it is signed, and when it is told again.
//!
//! Messages and signatures are those of the Standard Webhooks specification 1.0.0, so that a receiver can check them with
//! any of its libraries.

use super::reason::Code;
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use hmac::{Hmac, KeyInit, Mac};
use serde::Serialize;
use sha2::Sha256;
use std::{fmt, time::Duration};

/// What a secret begins with.
const PREFIX: &str = "whsec_";
/// Bytes of a secret, by the specification.
const BYTES: std::ops::RangeInclusive<usize> = 24..=64;
/// No message waits longer before it is sent again.
pub const LONGEST: Duration = Duration::from_secs(6 * 3_600);

/// A key that keeper and receiver share. Shown nowhere.
#[derive(Clone)]
pub struct Secret(Vec<u8>);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[hidden]")
    }
}

impl Secret {
    /// `whsec_` and 24 to 64 bytes as base64.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = BASE64.decode(text.trim().strip_prefix(PREFIX)?).ok()?;
        BYTES.contains(&bytes.len()).then_some(Self(bytes))
    }

    fn sign(&self, id: &str, timestamp: i64, body: &str) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("a key of any length is one");
        mac.update(format!("{id}.{timestamp}.{body}").as_bytes());
        format!("v1,{}", BASE64.encode(mac.finalize().into_bytes()))
    }
}

/// The header `webhook-signature`: one signature for each secret, so that a receiver can go from one to the next.
/// `timestamp`: unix seconds.
pub fn signatures(secrets: &[Secret], id: &str, timestamp: i64, body: &str) -> String {
    let signatures: Vec<_> = secrets.iter().map(|secret| secret.sign(id, timestamp, body)).collect();
    signatures.join(" ")
}

/// How long to wait after the `failed`-th attempt (from 1): four times as long each time, at most six hours.
pub fn pause_after(failed: u32, first: Duration) -> Duration {
    first.saturating_mul(4u32.saturating_pow(failed.saturating_sub(1))).min(LONGEST)
}

/// The body of a message.
#[derive(Debug, Serialize)]
pub struct Message<'a> {
    /// `withdrawal.paid`
    #[serde(rename = "type")]
    pub kind: String,
    /// When it happened, as RFC 3339.
    pub timestamp: String,
    pub data: Data<'a>,
}

/// Of a withdrawal, as it was at the change.
#[derive(Debug, Serialize)]
pub struct Data<'a> {
    /// Grows with each change of the store: of two messages about a withdrawal the one with more is newer.
    pub sequence: i64,
    pub id: &'a str,
    pub idempotency_key: &'a str,
    /// The asset's symbol, or its address when the deployment does not name it.
    pub asset: String,
    /// In whole tokens, as a decimal number; in units where the deployment does not name the asset.
    pub amount: String,
    pub recipient: String,
    pub from: Option<&'a str>,
    pub to: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'a str>,
    /// What the person said who refused it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example that the specification's own libraries are tested with.
    #[test]
    fn a_signature_is_that_of_the_specification() {
        let secret = Secret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let (id, body) = ("msg_p5jXN8AQM9LWM0D4loKWxJek", r#"{"test": 2432232314}"#);
        let expected = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        assert_eq!(signatures(std::slice::from_ref(&secret), id, 1_614_265_330, body), expected);
        let both = signatures(&[secret.clone(), secret], id, 1_614_265_330, body);
        assert_eq!(both, format!("{expected} {expected}"));
    }

    #[test]
    fn a_secret_has_its_form() {
        for wrong in ["", "whsec_", "whsec_AAAA", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_!!!!"] {
            assert!(Secret::parse(wrong).is_none(), "{wrong}");
        }
        let secret = Secret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n").unwrap();
        assert_eq!(format!("{secret:?}"), "[hidden]");
    }

    #[test]
    fn the_wait_grows_up_to_its_bound() {
        let first = Duration::from_secs(5);
        let waits: Vec<_> = (1..=9).map(|n| pause_after(n, first).as_secs()).collect();
        assert_eq!(waits, [5, 20, 80, 320, 1_280, 5_120, 20_480, 21_600, 21_600]);
        assert_eq!(pause_after(u32::MAX, first), LONGEST);
    }
}
