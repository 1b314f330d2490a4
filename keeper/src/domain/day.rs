//! Days of UTC.

use std::{
    fmt,
    str::FromStr,
    time::{Duration, UNIX_EPOCH},
};

/// A day of UTC, from 1970 on. Written as `2026-11-26`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(u64);

const MS: u64 = 86_400_000;
/// The last moment that RFC 3339 can write, in unix milliseconds.
const LAST: u64 = 253_402_300_799_999;

impl Day {
    /// The day of a time in unix milliseconds.
    pub fn of(at: i64) -> Self {
        Self(u64::try_from(at).unwrap_or(0).min(LAST) / MS)
    }

    /// Its first moment, and the first after it, in unix milliseconds.
    pub fn bounds(self) -> (i64, i64) {
        let start = |day: u64| i64::try_from(day * MS).unwrap_or(i64::MAX);
        (start(self.0), start(self.0 + 1))
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text =
            humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_millis(self.0 * MS)).to_string();
        f.write_str(text.split('T').next().unwrap_or_default())
    }
}

impl FromStr for Day {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = "expected a day such as 2026-11-26";
        let start = humantime::parse_rfc3339(&format!("{text}T00:00:00Z")).map_err(|_| wrong)?;
        let since = start.duration_since(UNIX_EPOCH).map_err(|_| wrong)?;
        Ok(Self(since.as_secs() * 1_000 / MS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_written_as_it_is_read_and_holds_its_moments() {
        let day: Day = "2026-11-26".parse().unwrap();
        assert_eq!(day.to_string(), "2026-11-26");
        let (start, end) = day.bounds();
        assert_eq!((Day::of(start), Day::of(end - 1)), (day, day));
        assert_eq!(Day::of(end).to_string(), "2026-11-27");
        assert_eq!(end - start, 86_400_000);
        for wrong in ["2026-13-01", "2026-11-26T00:00:00Z", "today", "1969-12-31", ""] {
            assert!(wrong.parse::<Day>().is_err(), "{wrong}");
        }
    }
}
