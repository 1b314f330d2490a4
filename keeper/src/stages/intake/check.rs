//! What a caller wrote becomes an order, or errors. Pure: the same text gets the same answer by every door.

use crate::{
    deployment::Deployment,
    domain::{
        amount::{Amount, AmountError},
        asset::{Asset, NATIVE},
        withdrawal::Order,
    },
};
use alloy::primitives::Address;
use serde::Serialize;
use std::{borrow::Cow, time::UNIX_EPOCH};

/// Characters that an idempotency key may have.
pub const MAX_KEY_LENGTH: usize = 128;
/// What the keys of withdrawals begin with that came in by the chain's door.
pub const RESERVED_PREFIX: &str = "request/";

/// An order as its caller wrote it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RawOrder {
    pub idempotency_key: String,
    /// Symbol or address.
    pub asset: String,
    pub recipient: String,
    /// A decimal number such as `12.5`, in whole tokens.
    pub amount: String,
    /// RFC 3339, such as `2030-01-31T12:00:00Z`; empty for none.
    pub deadline: String,
}

/// What is wrong with one field: a stable code for machines, a sentence with the next step for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct FieldError {
    pub field: Cow<'static, str>,
    pub code: &'static str,
    pub message: String,
}

impl FieldError {
    pub fn new(field: impl Into<Cow<'static, str>>, code: &'static str, message: impl Into<String>) -> Self {
        Self { field: field.into(), code, message: message.into() }
    }
}

/// Reads an order. All that is wrong with it is told at once.
pub fn check(raw: &RawOrder, deployment: &Deployment) -> Result<Order, Vec<FieldError>> {
    let mut errors = Vec::new();
    let mut keep = |error| errors.push(error);

    let key = check_key(&raw.idempotency_key).map_err(&mut keep).ok();
    let asset = check_asset(&raw.asset, deployment).map_err(&mut keep).ok();
    let recipient = check_recipient(&raw.recipient, asset, deployment).map_err(&mut keep).ok();
    // How many decimals an amount may have is known with its asset only.
    let amount = asset.and_then(|a| check_amount(&raw.amount, a).map_err(&mut keep).ok());

    let deadline = check_deadline(&raw.deadline).map_err(&mut keep).ok();

    match (key, asset, recipient, amount, deadline) {
        (Some(key), Some(asset), Some(recipient), Some(amount), Some(deadline)) => {
            let idempotency_key = key.to_owned();
            Ok(Order { idempotency_key, asset: asset.address, recipient, amount, deadline })
        }
        _ => Err(errors),
    }
}

fn check_key(key: &str) -> Result<&str, FieldError> {
    let error = |code, message: String| Err(FieldError::new("idempotency_key", code, message));
    if key.is_empty() {
        let message = "the idempotency key is missing; send one of your own for each withdrawal, such as its number in your books, and the same one again when you retry";
        return error("missing_idempotency_key", message.to_owned());
    }
    if key.len() > MAX_KEY_LENGTH {
        let message = format!(
            "the idempotency key is longer than {MAX_KEY_LENGTH} characters; shorten it, for example to its hash"
        );
        return error("idempotency_key_too_long", message);
    }
    let printable = key.bytes().all(|b| b == b' ' || b.is_ascii_graphic());
    if !printable || key.trim() != key {
        let message = format!(
            "the idempotency key {} may have printable ASCII characters only, and no space at either end",
            quoted(key)
        );
        return error("bad_idempotency_key", message);
    }
    if key.starts_with(RESERVED_PREFIX) {
        let message = format!(
            "idempotency keys that begin with {RESERVED_PREFIX} are those of requests on chain; choose another one"
        );
        return error("reserved_idempotency_key", message);
    }
    Ok(key)
}

fn check_asset<'a>(text: &str, deployment: &'a Deployment) -> Result<&'a Asset, FieldError> {
    deployment.assets.find(text).ok_or_else(|| {
        let message = format!(
            "the vault has no asset {}; write one of {}, or its address",
            quoted(text),
            deployment.assets.symbols()
        );
        FieldError::new("asset", "unknown_asset", message)
    })
}

fn check_recipient(
    text: &str,
    asset: Option<&Asset>,
    deployment: &Deployment,
) -> Result<Address, FieldError> {
    let error = |code, message: String| Err(FieldError::new("recipient", code, message));
    let text = text.trim();
    let digits = text.strip_prefix("0x").unwrap_or_default();
    let parsed = text.parse::<Address>().ok();
    let Some(address) = parsed.filter(|_| digits.len() == 40) else {
        let message = format!("{} is no address; write 0x and 40 hexadecimal digits", quoted(text));
        return error("bad_address", message);
    };
    let mixed =
        digits.bytes().any(|b| b.is_ascii_lowercase()) && digits.bytes().any(|b| b.is_ascii_uppercase());
    if mixed && Address::parse_checksummed(text, None).is_err() {
        // The right spelling is not offered: the one thing that is sure is that a digit may be wrong.
        let message = format!(
            "the capital letters of {text} are no EIP-55 checksum, so a digit may be mistyped; copy the address again from its owner"
        );
        return error("bad_checksum", message);
    }
    if address.is_zero() {
        return error(
            "zero_address",
            "the zero address has no owner; write the recipient's address".to_owned(),
        );
    }
    // Money sent to the contract that holds or makes it is lost, or comes back as nobody's.
    if address == deployment.vault || address == NATIVE || asset.is_some_and(|a| a.address == address) {
        let message =
            format!("{address} is the vault or the token itself; write the recipient's own address");
        return error("bad_recipient", message);
    }
    Ok(address)
}

fn check_amount(text: &str, asset: &Asset) -> Result<Amount, FieldError> {
    Amount::parse(text, asset.decimals).map_err(|e| FieldError::new("amount", amount_code(&e), e.to_string()))
}

/// A moment, in unix milliseconds. One that has passed is accepted: a repeat must get the answer of the first time.
fn check_deadline(text: &str) -> Result<Option<i64>, FieldError> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let since = humantime::parse_rfc3339(text).ok().and_then(|t| t.duration_since(UNIX_EPOCH).ok());
    since.and_then(|d| i64::try_from(d.as_millis()).ok()).map(Some).ok_or_else(|| {
        let message = format!(
            "{} is no moment in UTC; write RFC 3339, such as 2030-01-31T12:00:00Z, or leave it out",
            quoted(text)
        );
        FieldError::new("deadline", "bad_deadline", message)
    })
}

fn amount_code(error: &AmountError) -> &'static str {
    match error {
        AmountError::Empty => "amount_empty",
        AmountError::Negative => "amount_negative",
        AmountError::Zero => "amount_zero",
        AmountError::NotANumber(_) => "amount_not_a_number",
        AmountError::TooManyDecimals { .. } => "amount_too_many_decimals",
        AmountError::TooLarge => "amount_too_large",
    }
}

/// What a caller wrote, in quotes, short and without control characters.
pub(super) fn quoted(text: &str) -> String {
    let short: String = text.chars().take(48).collect();
    let more = if short.len() < text.len() { "..." } else { "" };
    format!("'{}{more}'", short.escape_debug())
}

#[cfg(test)]
mod tests {
    use super::{super::testing, *};
    use proptest::prelude::*;

    const RECIPIENT: &str = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";

    fn raw(change: impl FnOnce(&mut RawOrder)) -> RawOrder {
        let mut raw = testing::raw("invoice-7", "TUSD", "12.5");
        change(&mut raw);
        raw
    }

    fn code(change: impl FnOnce(&mut RawOrder)) -> (&'static str, &'static str) {
        let errors = check(&raw(change), &testing::deployment()).unwrap_err();
        assert_eq!(errors.len(), 1, "{errors:?}");
        let Cow::Borrowed(field) = errors[0].field else { panic!("{errors:?}") };
        (field, errors[0].code)
    }

    #[test]
    fn a_good_order_is_read_exactly() {
        let order = check(&raw(|_| ()), &testing::deployment()).unwrap();
        assert_eq!(order.amount, Amount::from(12_500_000));
        assert_eq!(order.recipient.to_string(), RECIPIENT);
        for spelling in [RECIPIENT.to_lowercase(), format!("0x{}", RECIPIENT[2..].to_uppercase())] {
            assert_eq!(check(&raw(|r| r.recipient = spelling), &testing::deployment()).unwrap(), order);
        }
        let by_address = raw(|r| r.asset = order.asset.to_string().to_lowercase());
        assert_eq!(check(&by_address, &testing::deployment()).unwrap(), order);
    }

    #[test]
    fn a_deadline_is_read_to_the_millisecond_and_may_have_passed() {
        let read = |text: &str| {
            check(&raw(|r| r.deadline = text.to_owned()), &testing::deployment()).unwrap().deadline
        };
        assert_eq!(read(""), None);
        assert_eq!(read("2001-09-09T01:46:40.123Z"), Some(1_000_000_000_123));
    }

    #[test]
    fn each_bad_field_has_its_code() {
        let deployment = testing::deployment();
        let token = deployment.assets.find("TUSD").unwrap().address;
        let set = |f: &'static str, v: &str| {
            let v = v.to_owned();
            code(move |r| match f {
                "asset" => r.asset = v,
                "recipient" => r.recipient = v,
                "amount" => r.amount = v,
                "deadline" => r.deadline = v,
                _ => r.idempotency_key = v,
            })
        };
        assert_eq!(set("asset", "DOGE"), ("asset", "unknown_asset"));
        assert_eq!(set("recipient", "alice.eth"), ("recipient", "bad_address"));
        assert_eq!(set("recipient", &RECIPIENT[2..]), ("recipient", "bad_address"));
        assert_eq!(set("recipient", "0x1234"), ("recipient", "bad_address"));
        assert_eq!(set("recipient", &RECIPIENT.replace('C', "c")), ("recipient", "bad_checksum"));
        assert_eq!(set("recipient", &format!("0x{}", "0".repeat(40))), ("recipient", "zero_address"));
        assert_eq!(set("recipient", &deployment.vault.to_string()), ("recipient", "bad_recipient"));
        assert_eq!(set("recipient", &token.to_string()), ("recipient", "bad_recipient"));
        assert_eq!(set("amount", ""), ("amount", "amount_empty"));
        assert_eq!(set("amount", "-3"), ("amount", "amount_negative"));
        assert_eq!(set("amount", "0"), ("amount", "amount_zero"));
        assert_eq!(set("amount", "1e3"), ("amount", "amount_not_a_number"));
        assert_eq!(set("amount", "0.1234567"), ("amount", "amount_too_many_decimals"));
        assert_eq!(set("amount", &"9".repeat(78)), ("amount", "amount_too_large"));
        assert_eq!(set("deadline", "tomorrow"), ("deadline", "bad_deadline"));
        assert_eq!(set("deadline", "2030-01-31T12:00:00+02:00"), ("deadline", "bad_deadline"));
        assert_eq!(set("deadline", "1969-01-01T00:00:00Z"), ("deadline", "bad_deadline"));
        assert_eq!(set("key", ""), ("idempotency_key", "missing_idempotency_key"));
        assert_eq!(set("key", &"k".repeat(129)), ("idempotency_key", "idempotency_key_too_long"));
        assert_eq!(set("key", "ключ"), ("idempotency_key", "bad_idempotency_key"));
        assert_eq!(set("key", " k"), ("idempotency_key", "bad_idempotency_key"));
        assert_eq!(set("key", "a\tb"), ("idempotency_key", "bad_idempotency_key"));
        assert_eq!(set("key", "request/7"), ("idempotency_key", "reserved_idempotency_key"));
    }

    #[test]
    fn all_that_is_wrong_is_told_at_once() {
        let errors = check(&RawOrder::default(), &testing::deployment()).unwrap_err();
        let fields: Vec<_> = errors.iter().map(|e| &*e.field).collect();
        assert_eq!(fields, ["idempotency_key", "asset", "recipient"]);
    }

    proptest! {
        #[test]
        fn no_text_panics_or_makes_a_long_message(key: String, asset: String, recipient: String, amount: String) {
            let raw = RawOrder { idempotency_key: key, asset, recipient, deadline: amount.clone(), amount };
            for error in check(&raw, &testing::deployment()).err().into_iter().flatten() {
                prop_assert!(error.message.len() < 1_000);
                prop_assert!(!error.message.chars().any(char::is_control));
            }
        }

        #[test]
        fn what_is_accepted_says_what_was_written(units in 1u128.., key in "[!-~]{1,128}") {
            prop_assume!(!key.starts_with(RESERVED_PREFIX));
            let amount = Amount::from(units).to_decimal(6);
            let order = check(&testing::raw(&key, "tusd", &amount), &testing::deployment()).unwrap();
            prop_assert_eq!(order.amount, Amount::from(units));
            prop_assert_eq!(order.idempotency_key, key);
        }

        #[test]
        fn one_wrong_capital_is_noticed(digits in "[0-9a-f]{40}", flip in 0usize..40) {
            let good = digits_to_checksummed(&digits);
            let letter = good.as_bytes()[2 + flip];
            prop_assume!(letter.is_ascii_alphabetic());
            let mut bad = good.clone().into_bytes();
            bad[2 + flip] = letter ^ 0x20;
            let bad = String::from_utf8(bad).unwrap();
            let mixed = |s: &str| s[2..].bytes().any(|b| b.is_ascii_lowercase())
                && s[2..].bytes().any(|b| b.is_ascii_uppercase());
            prop_assume!(mixed(&bad));
            prop_assert_eq!(code(|r| r.recipient = bad), ("recipient", "bad_checksum"));
        }
    }

    fn digits_to_checksummed(digits: &str) -> String {
        format!("0x{digits}").parse::<Address>().unwrap().to_checksum(None)
    }
}
