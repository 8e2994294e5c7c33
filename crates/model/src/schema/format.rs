//! The formats that are asserted.

use jsonschema::ValidationOptions;

/// Formats that the validator would check by its own, narrow rules; here they are remarks.
const REMARKS: [&str; 16] = [
    "duration",
    "email",
    "hostname",
    "idn-email",
    "idn-hostname",
    "ipv4",
    "ipv6",
    "iri",
    "iri-reference",
    "json-pointer",
    "regex",
    "relative-json-pointer",
    "time",
    "uri",
    "uri-reference",
    "uri-template",
];

/// Turns our formats on and all others off.
pub(super) fn assert_ours(options: ValidationOptions<'_>) -> ValidationOptions<'_> {
    let options = options
        .should_validate_formats(true)
        .with_format("uuid", is_uuid)
        .with_format("date", is_date)
        .with_format("date-time", is_date_time);
    REMARKS.into_iter().fold(options, |options, name| options.with_format(name, |_| true))
}

/// 32 hex digits, with hyphens in the usual places or with none.
fn is_uuid(text: &str) -> bool {
    let digits = match text.len() {
        32 => text.to_owned(),
        36 if [8, 13, 18, 23].iter().all(|at| text.as_bytes()[*at] == b'-') => text.replace('-', ""),
        _ => return false,
    };
    digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// `2026-11-22`.
fn is_date(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() == 10
        && bytes[4] == b'-'
        && bytes[7] == b'-'
        && number(&bytes[..4]).is_some()
        && number(&bytes[5..7]).is_some_and(|month| (1..=12).contains(&month))
        && number(&bytes[8..]).is_some_and(|day| (1..=31).contains(&day))
}

/// RFC 3339, and what services read beside it: a space for the `T`, no seconds, no zone.
fn is_date_time(text: &str) -> bool {
    let Some((date, time)) = text.split_at_checked(10) else { return false };
    let Some(time) = time.strip_prefix(['T', 't', ' ']) else { return false };
    let (clock, zone) = match time.find(['Z', 'z', '+', '-']) {
        Some(at) => time.split_at(at),
        None => (time, "Z"),
    };
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    is_date(date)
        && !fraction.is_empty()
        && fraction.bytes().all(|byte| byte.is_ascii_digit())
        && is_clock(clock)
        && (zone.eq_ignore_ascii_case("z") || is_offset(&zone[1..]))
}

/// `10:15` or `10:15:30`; a leap second is one.
fn is_clock(text: &str) -> bool {
    let parts: Vec<&str> = text.split(':').collect();
    (2..=3).contains(&parts.len())
        && parts.iter().zip([23, 59, 60]).all(|(part, last)| two_digits(part).is_some_and(|number| number <= last))
}

/// `02:00`, `0200` or `02`.
fn is_offset(text: &str) -> bool {
    let text = text.replace(':', "");
    match text.len() {
        2 => two_digits(&text).is_some_and(|hours| hours <= 23),
        4 => number(text.as_bytes()).is_some_and(|both| both / 100 <= 23 && both % 100 <= 59),
        _ => false,
    }
}

fn two_digits(text: &str) -> Option<u32> {
    (text.len() == 2).then(|| number(text.as_bytes())).flatten()
}

fn number(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |all, byte| byte.is_ascii_digit().then(|| all * 10 + u32::from(byte - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_services_read() {
        let good = [
            "2026-11-22T10:15:30Z",
            "2026-11-22t10:15:30z",
            "2026-11-22T10:15:30.123456+02:00",
            "2026-11-22 10:15",
            "2026-11-22T10:15:30-0530",
            "2026-12-31T23:59:60Z",
        ];
        for text in good {
            assert!(is_date_time(text), "{text}");
        }
        let bad = [
            "",
            "yesterday",
            "2026-11-22",
            "2026-13-22T10:15:30Z",
            "2026-11-22T25:15:30Z",
            "2026-11-22T10:15:30.Z",
            "2026-11-22T10:15:30+2",
            "2026-11-22T10:15:30+é",
            "2026-11-2éT10:15:30Z",
            "é026-11-22T10:15:30Z",
        ];
        for text in bad {
            assert!(!is_date_time(text), "{text}");
        }
    }

    #[test]
    fn reads_ids_with_and_without_hyphens() {
        assert!(is_uuid("123e4567-e89b-12d3-A456-426614174000"));
        assert!(is_uuid("123e4567e89b12d3a456426614174000"));
        for text in
            ["", "123e4567", "123e4567-e89b-12d3-a456-42661417400g", "123e4567-e89b-12d3-a456426614174000-", "é"]
        {
            assert!(!is_uuid(text), "{text}");
        }
    }
}
