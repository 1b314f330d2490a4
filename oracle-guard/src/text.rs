//! Large integers in files: decimal text, or a number where it is small enough.

use serde::{Deserialize, Deserializer, Serializer};
use std::{fmt::Display, str::FromStr};

#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Small(i64),
    Text(String),
}

pub fn serialize<T: Display, S: Serializer>(value: &T, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(value)
}

pub fn deserialize<'de, T: FromStr, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
    parse(Written::deserialize(from)?)
}

fn parse<T: FromStr, E: serde::de::Error>(written: Written) -> Result<T, E> {
    let text = match written {
        Written::Small(n) => n.to_string(),
        Written::Text(text) => text,
    };
    text.parse().map_err(|_| E::custom(format!("{text:?} is no number of this kind")))
}

/// The same where nothing may be written.
pub mod option {
    use super::{Deserialize, Deserializer, FromStr, Written, parse};

    pub fn deserialize<'de, T: FromStr, D: Deserializer<'de>>(from: D) -> Result<Option<T>, D::Error> {
        Option::<Written>::deserialize(from)?.map(parse).transpose()
    }
}
