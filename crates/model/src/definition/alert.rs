//! What is worth telling somebody, and whom.

use super::Span;
use crate::Millis;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Watches for something, and tells people when it comes, while it lasts, and when it is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Alert {
    /// What it watches for.
    pub when: When,
    /// Whom it tells: all of them.
    #[schemars(length(min = 1, max = 20))]
    pub send: Vec<Target>,
    /// While it lasts, it is said again so long after it was said last.
    #[serde(default = "four_hours", skip_serializing_if = "is_four_hours")]
    pub repeat: Span,
    /// What comes to it within this time is said in one message, and it is over when it was quiet for so long. What
    /// comes first is said at once.
    #[serde(default = "half_minute", skip_serializing_if = "is_half_minute")]
    pub group_for: Span,
    /// Messages in an hour. What is beyond waits, and is said as it stands then.
    #[serde(default = "ten", skip_serializing_if = "is_ten")]
    #[schemars(range(min = 1, max = 1_000))]
    pub at_most: u32,
    /// `false`: it watches for nothing.
    #[serde(default = "super::yes", skip_serializing_if = "is_true")]
    pub enabled: bool,
}

/// What an alert watches for. Where a name is left out, all are watched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum When {
    /// So many tasks of a route failed within a time. Without a route: of any route or incoming.
    FailedTasks {
        /// Name of a route.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        route: Option<String>,
        /// How many.
        #[serde(default = "one", skip_serializing_if = "is_one")]
        #[schemars(range(min = 1, max = 1_000_000))]
        count: u64,
        /// Within this time.
        #[serde(default = "ten_minutes", skip_serializing_if = "is_ten_minutes")]
        within: Span,
    },
    /// There are tasks whose outcome is unknown.
    UnknownOutcomes {
        /// Name of a route.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        route: Option<String>,
    },
    /// A task could be begun and is not, for longer than this.
    OldestWaiting {
        /// How long.
        longer_than: Span,
        /// Name of a route.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        route: Option<String>,
    },
    /// The latest time of a schedule was left out, or is overdue.
    ScheduleMissed {
        /// Name of a schedule.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        schedule: Option<String>,
    },
    /// So much of what an HTTP client may spend or be asked in a day is used: `cost_per_day`, `calls_per_day`.
    Budget {
        /// Name of an HTTP client.
        client: String,
        /// From this part on.
        #[serde(default = "eighty", skip_serializing_if = "is_eighty")]
        #[schemars(range(min = 1, max = 100))]
        percent: u32,
    },
    /// The service refuses the key of an HTTP client.
    KeyRefused {
        /// Name of an HTTP client.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        client: Option<String>,
    },
    /// The disk of the data folder has less room than this.
    Disk {
        /// `5GiB`, `500MiB`, `10%`.
        free_below: Room,
    },
    /// A model that is in use goes within this time.
    ModelRetirement {
        /// This time.
        #[serde(default = "thirty_days", skip_serializing_if = "is_thirty_days")]
        within: Span,
    },
}

/// Whom an alert tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Target {
    /// A POST of JSON.
    Webhook {
        /// Where to. `${NAME}` is replaced at use.
        url: String,
        /// Signs what is sent as Standard Webhooks has it: `${secret:NAME}`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signing_secret: Option<String>,
        /// Allows addresses on loopback, link-local and private networks.
        #[serde(default, skip_serializing_if = "super::is_default")]
        allow_private_addresses: bool,
    },
    /// A mail of plain text.
    Email {
        /// The server: `smtp://host` (port 587, STARTTLS) or `smtps://host` (port 465, TLS from the start). `${NAME}` is
        /// replaced at use.
        smtp: String,
        /// With `none` it goes in the open, and without a password: to a relay on this machine or the LAN.
        #[serde(default, skip_serializing_if = "super::is_default")]
        tls: MailTls,
        /// Who signs in there.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        username: Option<String>,
        /// With what: `${secret:NAME}`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        password: Option<String>,
        /// `alerts@example.com`, or with a name: `Alerts <alerts@example.com>`.
        from: String,
        /// Whom it goes to.
        #[schemars(length(min = 1, max = 50))]
        to: Vec<String>,
        /// Allows servers on loopback, link-local and private networks.
        #[serde(default, skip_serializing_if = "super::is_default")]
        allow_private_addresses: bool,
    },
    /// A message to a channel of Slack, or of what takes the same: Mattermost, Rocket.Chat.
    Slack {
        /// The address of its incoming webhook, which is all that is needed to post there: `${secret:NAME}`.
        url: String,
        /// Allows addresses on loopback, link-local and private networks.
        #[serde(default, skip_serializing_if = "super::is_default")]
        allow_private_addresses: bool,
    },
}

/// Whether mail goes to its server under TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MailTls {
    /// It does, or does not go.
    #[default]
    Required,
    /// It does not.
    None,
}

/// Room on a disk: bytes, or a part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// So many bytes.
    Bytes(u64),
    /// So many hundredths.
    Percent(u32),
}

const SIZES: [(&str, u32); 5] = [("B", 0), ("KiB", 10), ("MiB", 20), ("GiB", 30), ("TiB", 40)];

impl std::str::FromStr for Room {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("\"{text}\" is no size; write 5GiB, 500MiB or 10%");
        let split = text.find(|letter: char| !letter.is_ascii_digit()).ok_or_else(wrong)?;
        let (number, unit) = text.split_at(split);
        let number: u64 = number.parse().map_err(|_| wrong())?;
        if unit == "%" {
            return u32::try_from(number).ok().filter(|part| *part <= 100).map(Self::Percent).ok_or_else(wrong);
        }
        let (_, shift) = SIZES.iter().find(|(name, _)| *name == unit.trim()).ok_or_else(wrong)?;
        number.checked_mul(1 << shift).map(Self::Bytes).ok_or_else(wrong)
    }
}

impl std::fmt::Display for Room {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Percent(part) => write!(f, "{part}%"),
            Self::Bytes(bytes) => {
                let (unit, shift) =
                    SIZES.iter().rev().find(|(_, shift)| bytes % (1 << shift) == 0).unwrap_or(&SIZES[0]);
                write!(f, "{}{unit}", bytes >> shift)
            }
        }
    }
}

impl Serialize for Room {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Room {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Room {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Room".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": "^([0-9]{1,7} ?(B|KiB|MiB|GiB|TiB)|([0-9]{1,2}|100)%)$",
            "description": "Room on a disk: 5GiB, 500MiB, 10%."
        })
    }
}

macro_rules! defaults {
    ($($name:ident, $is:ident: $type:ty = $value:expr;)+) => { $(
        fn $name() -> $type {
            $value
        }

        #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
        fn $is(value: &$type) -> bool {
            *value == $value
        }
    )+ };
}

const MINUTE: Millis = 60_000;
const HOUR: Millis = 60 * MINUTE;

defaults! {
    four_hours, is_four_hours: Span = Span(4 * HOUR);
    half_minute, is_half_minute: Span = Span(MINUTE / 2);
    ten_minutes, is_ten_minutes: Span = Span(10 * MINUTE);
    thirty_days, is_thirty_days: Span = Span(30 * 24 * HOUR);
    ten, is_ten: u32 = 10;
    eighty, is_eighty: u32 = 80;
    one, is_one: u64 = 1;
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_true(value: &bool) -> bool {
    *value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_read_and_written_back() {
        let cases = [
            ("10%", Room::Percent(10)),
            ("100%", Room::Percent(100)),
            ("0B", Room::Bytes(0)),
            ("5GiB", Room::Bytes(5 << 30)),
            ("500MiB", Room::Bytes(500 << 20)),
            ("1536KiB", Room::Bytes(1536 << 10)),
            ("1TiB", Room::Bytes(1 << 40)),
        ];
        for (text, room) in cases {
            assert_eq!(text.parse(), Ok(room), "{text}");
            assert_eq!(room.to_string().parse(), Ok(room), "{text}");
        }
        for wrong in ["", "5", "GiB", "5GB", "101%", "-1B", "5.5GiB", "99999999999999999TiB", "18446744073709551615KiB"]
        {
            assert!(wrong.parse::<Room>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_alert_is_read_with_its_defaults_and_written_without_them() {
        let text = r#"{"when":{"type":"failed_tasks","route":"ocr"},"send":[{"type":"slack","url":"${secret:S}"}]}"#;
        let alert: Alert = serde_json::from_str(text).unwrap();
        let failed = When::FailedTasks { route: Some("ocr".to_owned()), count: 1, within: Span(600_000) };
        assert_eq!(alert.when, failed);
        assert_eq!((alert.repeat, alert.group_for, alert.at_most), (Span(14_400_000), Span(30_000), 10));
        assert_eq!(serde_json::to_string(&alert).unwrap(), text);
        for wrong in [
            r#"{"when":{"type":"failed_tasks","routes":"ocr"},"send":[]}"#,
            r#"{"when":{"type":"other"},"send":[]}"#,
            r#"{"when":{"type":"disk"},"send":[]}"#,
        ] {
            assert!(serde_json::from_str::<Alert>(wrong).is_err(), "{wrong}");
        }
    }
}
