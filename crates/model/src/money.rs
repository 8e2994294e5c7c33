//! Amounts of money.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// Billionths in one.
const ONE: u64 = 1_000_000_000;

/// An estimated amount, in billionths of the unit of the price book's currency. In JSON it is a number of whole units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Money(pub u64);

impl Money {
    /// More than anything costs; what is beyond is held for this.
    pub const MOST: Self = Self(i64::MAX as u64);

    /// From a number of whole units; `None` where it is negative, no number, or more than 9 thousand million.
    #[must_use]
    pub fn from_units(units: f64) -> Option<Self> {
        let billionths = (units * ONE as f64).round();
        (0.0..i64::MAX as f64).contains(&billionths).then_some(Self(billionths as u64))
    }

    /// The sum, or [`Money::MOST`].
    #[must_use]
    pub fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0)).min(Self::MOST)
    }
}

impl fmt::Display for Money {
    /// Whole units with two digits behind the point at least, and as many more as it takes: up to four from one unit on,
    /// up to nine below.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rounded = if self.0 < ONE { self.0 } else { self.0.saturating_add(50_000) / 100_000 * 100_000 };
        let digits = format!("{:09}", rounded % ONE);
        let kept = digits.trim_end_matches('0').len().max(2);
        write!(f, "{}.{}", rounded / ONE, digits.get(..kept).unwrap_or(&digits))
    }
}

impl Serialize for Money {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.0 as f64 / ONE as f64)
    }
}

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_units(f64::deserialize(deserializer)?).ok_or_else(|| serde::de::Error::custom("no amount of money"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_shown_as_finely_as_they_need() {
        let cases = [
            (0, "0.00"),
            (1, "0.000000001"),
            (500, "0.0000005"),
            (4_000_000, "0.004"),
            (120_000_000, "0.12"),
            (ONE, "1.00"),
            (1_234_567_891, "1.2346"),
            (99_999_999_999, "100.00"),
            (u64::MAX, "18446744073.7095"),
        ];
        for (billionths, shown) in cases {
            assert_eq!(Money(billionths).to_string(), shown);
        }
    }

    #[test]
    fn amounts_go_through_json_unchanged() {
        for billionths in [0, 1, 7, 150, 999_999_999, ONE, 123_456_789_012_345] {
            let text = serde_json::to_string(&Money(billionths)).unwrap();
            assert_eq!(serde_json::from_str::<Money>(&text).unwrap(), Money(billionths), "{text}");
        }
        for wrong in ["-1", "1e300", "\"1\""] {
            assert!(serde_json::from_str::<Money>(wrong).is_err(), "{wrong}");
        }
    }
}
