use super::*;
use jiff::civil::Date;
use proptest::prelude::*;

/// The first firings after a moment, by the local clock.
fn fires(cron: &str, zone: &str, after: &str, count: usize) -> Vec<String> {
    let times = Times::parse(cron, zone).unwrap();
    let after: Timestamp = after.parse().unwrap();
    let next = |after: &Millis| times.next_after(*after);
    let all = std::iter::successors(next(&after.as_millisecond()), next).take(count);
    let local = all.map(|at| {
        let at = Timestamp::from_millisecond(at).unwrap();
        at.display_with_offset(times.zone.to_offset(at)).to_string()
    });
    local.collect()
}

fn check(cases: &[(&str, &str, &str, &[&str])]) {
    for (cron, zone, after, expected) in cases {
        assert_eq!(fires(cron, zone, after, expected.len()), *expected, "{cron} in {zone} after {after}");
    }
}

fn codes(cron: &str, zone: &str) -> Vec<(String, String)> {
    let problems = Times::parse(cron, zone).err().unwrap_or_default();
    problems.into_iter().map(|problem| (problem.code.into_owned(), problem.place)).collect()
}

#[test]
fn a_time_in_a_gap_comes_at_its_end_once() {
    check(&[
        (
            "30 2 * * *",
            "Europe/Amsterdam",
            "2025-03-29T00:00:00+01:00",
            &["2025-03-29T02:30:00+01:00", "2025-03-30T03:00:00+02:00", "2025-03-31T02:30:00+02:00"],
        ),
        (
            "30 2 9 MAR *",
            "America/New_York",
            "2025-03-09T01:59:59.999-05:00",
            &["2025-03-09T03:00:00-04:00", "2026-03-09T02:30:00-04:00"],
        ),
        ("30 1 * * SUN", "Europe/London", "2025-03-30T00:00:00Z", &["2025-03-30T02:00:00+01:00"]),
        // Four in the gap, one at its end.
        (
            "*/15 2-3 * * *",
            "Europe/Amsterdam",
            "2025-03-30T00:00:00Z",
            &["2025-03-30T03:00:00+02:00", "2025-03-30T03:15:00+02:00"],
        ),
        // Half an hour.
        (
            "10 2 * * *",
            "Australia/Lord_Howe",
            "2025-10-04T12:00:00+10:30",
            &["2025-10-05T02:30:00+11:00", "2025-10-06T02:10:00+11:00"],
        ),
        // At midnight.
        (
            "@daily",
            "America/Sao_Paulo",
            "2018-11-03T12:00:00-03:00",
            &["2018-11-04T01:00:00-02:00", "2018-11-05T00:00:00-02:00"],
        ),
        (
            "0 */6 * * *",
            "America/Sao_Paulo",
            "2018-11-03T18:00:00-03:00",
            &["2018-11-04T01:00:00-02:00", "2018-11-04T06:00:00-02:00"],
        ),
        // A day: its times come together.
        (
            "0 9,17 * * *",
            "Pacific/Apia",
            "2011-12-29T10:00:00-10:00",
            &["2011-12-29T17:00:00-10:00", "2011-12-31T00:00:00+14:00", "2011-12-31T09:00:00+14:00"],
        ),
        ("0 9 30 12 *", "Pacific/Apia", "2011-01-01T00:00:00Z", &["2011-12-31T00:00:00+14:00"]),
    ]);
}

#[test]
fn a_time_that_is_repeated_comes_the_first_time_only() {
    check(&[
        (
            "30 2 * * *",
            "Europe/Amsterdam",
            "2025-10-26T00:00:00+02:00",
            &["2025-10-26T02:30:00+02:00", "2025-10-27T02:30:00+01:00"],
        ),
        // Asked in the midst of the second pass.
        ("30 2 * * *", "Europe/Amsterdam", "2025-10-26T02:10:00+01:00", &["2025-10-27T02:30:00+01:00"]),
        (
            "*/30 1 * * *",
            "America/New_York",
            "2025-11-02T00:00:00-04:00",
            &["2025-11-02T01:00:00-04:00", "2025-11-02T01:30:00-04:00", "2025-11-03T01:00:00-05:00"],
        ),
        (
            "45 1 * * *",
            "Australia/Lord_Howe",
            "2025-04-06T00:00:00+11:00",
            &["2025-04-06T01:45:00+11:00", "2025-04-07T01:45:00+10:30"],
        ),
        // At midnight, back into the day before.
        (
            "30 23 * * *",
            "America/Sao_Paulo",
            "2018-02-17T12:00:00-02:00",
            &["2018-02-17T23:30:00-02:00", "2018-02-18T23:30:00-03:00"],
        ),
        // Into the month of fasting, and out of it.
        (
            "30 2 * * *",
            "Africa/Casablanca",
            "2025-02-22T12:00:00+01:00",
            &["2025-02-23T02:30:00+01:00", "2025-02-24T02:30:00+00:00"],
        ),
        ("30 2 * * *", "Africa/Casablanca", "2025-04-05T12:00:00Z", &["2025-04-06T03:00:00+01:00"]),
    ]);
}

#[test]
fn lines_of_every_hour_go_by_the_time_that_passes() {
    check(&[
        (
            "*/30 * * * *",
            "Europe/Amsterdam",
            "2025-03-30T01:15:00+01:00",
            &["2025-03-30T01:30:00+01:00", "2025-03-30T03:00:00+02:00", "2025-03-30T03:30:00+02:00"],
        ),
        (
            "*/30 * * * *",
            "Europe/Amsterdam",
            "2025-10-26T02:00:00+02:00",
            &["2025-10-26T02:30:00+02:00", "2025-10-26T02:00:00+01:00", "2025-10-26T02:30:00+01:00"],
        ),
        (
            "@hourly",
            "Australia/Lord_Howe",
            "2025-10-05T00:30:00+10:30",
            &["2025-10-05T01:00:00+10:30", "2025-10-05T03:00:00+11:00"],
        ),
        (
            "40 0-23 * * *",
            "Australia/Lord_Howe",
            "2025-04-06T01:00:00+11:00",
            &["2025-04-06T01:40:00+11:00", "2025-04-06T01:40:00+10:30", "2025-04-06T02:40:00+10:30"],
        ),
        (
            "0 * * * *",
            "Pacific/Apia",
            "2011-12-29T22:30:00-10:00",
            &["2011-12-29T23:00:00-10:00", "2011-12-31T00:00:00+14:00"],
        ),
        // The second pass, though the day was over once.
        (
            "10 * 17 2 *",
            "America/Sao_Paulo",
            "2018-02-17T23:50:00-02:00",
            &["2018-02-17T23:10:00-03:00", "2019-02-17T00:10:00-03:00"],
        ),
        (
            "59 59 * * * *",
            "Asia/Kathmandu",
            "2025-01-01T00:00:00+05:45",
            &["2025-01-01T00:59:59+05:45", "2025-01-01T01:59:59+05:45"],
        ),
    ]);
}

#[test]
fn days_are_those_of_the_calendar() {
    let start = "2025-01-01T00:00:00Z";
    check(&[
        ("0 0 29 2 *", "UTC", start, &["2028-02-29T00:00:00+00:00", "2032-02-29T00:00:00+00:00"]),
        ("0 0 29 2 *", "UTC", "2096-03-01T00:00:00Z", &["2104-02-29T00:00:00+00:00"]),
        ("0 0 29 2 +MON", "UTC", start, &["2044-02-29T00:00:00+00:00", "2072-02-29T00:00:00+00:00"]),
        ("0 6 31 * *", "UTC", start, &["2025-01-31T06:00:00+00:00", "2025-03-31T06:00:00+00:00"]),
        ("0 6 L * *", "UTC", start, &["2025-01-31T06:00:00+00:00", "2025-02-28T06:00:00+00:00"]),
        ("0 6 LW 8 *", "UTC", start, &["2025-08-29T06:00:00+00:00"]),
        ("0 6 15W 2,3 *", "UTC", start, &["2025-02-14T06:00:00+00:00", "2025-03-14T06:00:00+00:00"]),
        ("0 6 1W 2,6 *", "UTC", start, &["2025-02-03T06:00:00+00:00", "2025-06-02T06:00:00+00:00"]),
        ("0 6 * * 5L", "UTC", start, &["2025-01-31T06:00:00+00:00", "2025-02-28T06:00:00+00:00"]),
        ("0 6 * * friL", "UTC", start, &["2025-01-31T06:00:00+00:00"]),
        ("0 6 ? * TUE#3", "UTC", start, &["2025-01-21T06:00:00+00:00", "2025-02-18T06:00:00+00:00"]),
        ("0 6 13 * FRI", "UTC", start, &["2025-01-03T06:00:00+00:00", "2025-01-10T06:00:00+00:00"]),
        ("0 6 13 * +FRI", "UTC", start, &["2025-06-13T06:00:00+00:00"]),
        ("30 4 * * 7", "Asia/Kathmandu", start, &["2025-01-05T04:30:00+05:45"]),
        ("@weekly", "UTC", start, &["2025-01-05T00:00:00+00:00"]),
        ("*/20 30 4 1 1 *", "UTC", start, &["2025-01-01T04:30:00+00:00", "2025-01-01T04:30:20+00:00"]),
        ("\t5  0 * * * ", "UTC", start, &["2025-01-01T00:05:00+00:00"]),
        // Local mean time: an offset with seconds.
        ("0 12 * * *", "Europe/Amsterdam", "1890-01-01T00:00:00Z", &["1890-01-01T12:00:00+00:18"]),
    ]);
}

#[test]
fn next_is_never_the_same_moment_and_the_ends_of_time_hold() {
    let times = Times::parse("0 12 * * *", "UTC").unwrap();
    let noon = 43_200_000;
    assert_eq!(times.next_after(noon - 1), Some(noon));
    assert_eq!(times.next_after(noon), Some(noon + 86_400_000));
    assert_eq!(times.next_after(noon + 1), Some(noon + 86_400_000));
    assert_eq!(times.next_after(-1), Some(noon));
    for cron in ["0 12 * * *", "* * * * * *", "@yearly", "0 0 29 2 +MON"] {
        for zone in ["UTC", "Pacific/Apia", "America/New_York", "Australia/Lord_Howe"] {
            let times = Times::parse(cron, zone).unwrap();
            assert!(times.next_after(Millis::MIN).unwrap() <= times.next_after(EARLIEST * 1000 + 1).unwrap());
            assert_eq!(times.next_after(Millis::MAX), None);
            for at in [253_402_300_799_999, 253_402_207_200_000, 253_402_207_199_999] {
                assert!(times.next_after(at).is_none_or(|next| next > at), "{cron} in {zone} after {at}");
            }
        }
    }
}

#[test]
fn what_is_wrong_is_said() {
    let wrong = [
        "",
        " ",
        "@reboot",
        "@daily 5",
        "* * * *",
        "* * * * * * *",
        "60 * * * *",
        "* 24 * * *",
        "* * 0 * *",
        "* * * 13 *",
        "* * * * 8",
        "5-1 * * * *",
        "*/0 * * * *",
        "/5 * * * *",
        "5/5 * * * *",
        "1,,2 * * * *",
        ", * * * *",
        "- * * * *",
        "* * MON * *",
        "* * * MON *",
        "* * * JANFEB *",
        "* * * 1JAN *",
        "* * * * L",
        "* * L,LW * *",
        "* * W * *",
        "* * 32W * *",
        "* * * * 5#6",
        "* * * * 5#",
        "* * * * +",
        "+1 * * * *",
        "99999999999999999999 * * * *",
        "* * * * \u{17f}UN",
        "\0 * * * *",
        "* * *\n* *",
    ];
    for cron in wrong {
        assert_eq!(codes(cron, "UTC"), [("cron_wrong".to_owned(), "cron".to_owned())], "{cron:?}");
    }
    for cron in ["0 0 30 2 *", "0 0 31 4,6,9,11 *", "0 0 30 2 +MON", "0 0 31W 2 *", "0 0 LW * +SUN", "0 0 29 2 +1#1"] {
        assert_eq!(codes(cron, "UTC"), [("cron_never".to_owned(), "cron".to_owned())], "{cron:?}");
    }
    for zone in ["", "Europe/Nowhere", "europe/berlin", "+02:00", "CET-1CEST,M3.5.0,M10.5.0/3", "../UTC", "Z"] {
        assert_eq!(codes("* * * * *", zone), [("time_zone_unknown".to_owned(), "time_zone".to_owned())], "{zone:?}");
    }
    assert_eq!(codes("x", "x").len(), 2);
}

#[test]
fn reasons_and_hints_help() {
    let problem = |cron, zone| Times::parse(cron, zone).unwrap_err().remove(0);
    assert_eq!(problem("0 25 * * *", "UTC").reason, "the hour \"25\" cannot be read: number out of bounds");
    assert_eq!(
        problem("0 0 * MON *", "UTC").reason,
        "the month \"MON\" cannot be read: there is a word that means nothing here"
    );
    assert_eq!(problem("@dayly", "UTC").hint.unwrap(), "did you mean \"@daily\"?");
    let hints =
        [("Europe/Berlni", "Europe/Berlin"), ("amsterdam", "Europe/Amsterdam"), ("new york", "America/New_York")];
    for (given, meant) in hints {
        assert_eq!(problem("@daily", given).hint.unwrap(), format!("did you mean \"{meant}\"?"));
    }
}

#[test]
fn long_texts_are_refused_at_once() {
    let (line, zone) = ("*,".repeat(500_000), "A/".repeat(500_000));
    let problems = Times::parse(&line, &zone).unwrap_err();
    assert_eq!(problems.len(), 2);
    assert!(problems.iter().all(|problem| problem.reason.len() < 200), "{problems:?}");
}

/// Every zone there is, and every change that it ever had: never twice, never without end, and once a day.
#[test]
fn no_zone_loses_or_doubles_a_day() {
    const DAY: i64 = 86_400;
    for name in TimeZoneDatabase::bundled().available() {
        let times = Times::parse("30 0,2 * * *", name.as_str()).unwrap();
        let until = Timestamp::from_second(2_145_916_800).unwrap();
        for change in times.zone.following(Timestamp::from_second(-5_000_000_000).unwrap()) {
            if change.timestamp() > until {
                break;
            }
            let mut at = (change.timestamp().as_second() - 2 * DAY) * 1000;
            let mut days: Vec<Date> = Vec::new();
            for _ in 0..8 {
                let next = times.next_after(at).unwrap();
                assert!(next > at, "{name:?}");
                days.push(times.zone.to_datetime(Timestamp::from_millisecond(next).unwrap()).date());
                at = next;
            }
            let most = days.iter().map(|day| days.iter().filter(|other| *other == day).count()).max();
            assert!(days.is_sorted() && most <= Some(3), "{name:?}: {days:?}");
            days.dedup();
            let skips = days.windows(2).filter(|pair| pair[0].tomorrow().unwrap() != pair[1]).count();
            let left_out = |day: Date| {
                matches!(times.zone.to_ambiguous_timestamp(day.at(12, 0, 0, 0)).offset(), AmbiguousOffset::Gap { .. })
            };
            assert!(skips == 0 || days.iter().any(|day| left_out(day.tomorrow().unwrap())), "{name:?}: {days:?}");
        }
    }
}

fn field(low: i8, high: i8) -> impl Strategy<Value = String> {
    prop_oneof![
        Just("*".to_owned()),
        (low..=high).prop_map(|value| value.to_string()),
        (1..=high).prop_map(|step| format!("*/{step}")),
        (low..=high, low..=high).prop_map(|(a, b)| format!("{}-{}", a.min(b), a.max(b))),
        (low..=high, low..=high).prop_map(|(a, b)| format!("{a},{b}")),
    ]
}

proptest! {
    #[test]
    fn iterating_goes_on_and_names_what_the_line_names(
        line in (field(0, 59), field(0, 59), field(0, 23), field(1, 31), field(1, 12), field(0, 7)),
        seconds in any::<bool>(),
        zone in prop::sample::select(
            TimeZoneDatabase::bundled().available().map(|name| name.to_string()).collect::<Vec<_>>()
        ),
        after in -4_000_000_000_000_i64..8_000_000_000_000,
    ) {
        let (second, minute, hour, day, month, weekday) = line;
        let second = if seconds { format!("{second} ") } else { String::new() };
        let line = format!("{second}{minute} {hour} {day} {month} {weekday}");
        let parsed = Times::parse(&line, &zone);
        prop_assume!(parsed.is_ok(), "a line may name no day: 31 in June");
        let times = parsed.unwrap();
        let mut last = after;
        for _ in 0..20 {
            let next = times.next_after(last).unwrap();
            prop_assert!(next > last, "{line} in {zone}: {next} after {last}");
            let at = Timestamp::from_millisecond(next).unwrap();
            let local = times.zone.to_datetime(at);
            let named = times.line.first_from(local) == Some(local);
            let second_before = at.checked_sub(SECOND).unwrap();
            let jump = times.zone.to_offset(at).seconds() - times.zone.to_offset(second_before).seconds();
            prop_assert!(named || (jump > 0 && !times.line.every_hour()), "{line} in {zone}: {local} is not named");
            last = next;
        }
    }

    #[test]
    fn hostile_text_is_a_problem_or_a_line(
        cron in prop_oneof![any::<String>(), "[0-9*/,#LW+?@A-Za-z -]{0,60}", "([0-9*/,#LW+?-]{1,8} ){4,6}[0-9*/,#L+?-]{1,8}"],
        zone in prop_oneof![any::<String>(), Just("Europe/Berlin".to_owned()), "[A-Za-z/_+0-9:]{0,40}"],
        after in any::<i64>(),
    ) {
        if let Ok(times) = Times::parse(&cron, &zone) {
            prop_assert!(times.next_after(after).is_none_or(|next| next > after));
        }
    }
}
