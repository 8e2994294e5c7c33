//! Filters that would take the engine down, each under a small budget: every one is stopped, and the process lives.

use super::{MAX_BYTES, compile, funs};
use proptest::prelude::*;
use serde_json::{Value, json};

const STEPS: u64 = 100_000;

/// Runs on a small thread, as the engine's workers are, and says how it ended.
fn code(filter: &'static str) -> String {
    let run = move || {
        let program = compile(filter).unwrap_or_else(|problems| panic!("{filter}: {problems:?}"));
        match program.run_within(&Value::Null, 0, STEPS) {
            Ok(outputs) => format!("{} outputs", outputs.len()),
            Err(problem) => problem.code.into_owned(),
        }
    };
    let thread = std::thread::Builder::new().stack_size(2 << 20).spawn(run).unwrap();
    thread.join().unwrap_or_else(|_| "panicked".to_owned())
}

fn all_are_stopped(filters: &[&'static str]) {
    let ended = filters.iter().map(|filter| (filter, code(filter))).filter(|(_, code)| code != "jq_too_costly");
    let wrong: Vec<String> = ended.map(|(filter, code)| format!("{filter}: {code}")).collect();
    assert!(wrong.is_empty(), "{} filters were not stopped:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn loops_are_stopped() {
    all_are_stopped(&[
        "def f: f; f",
        "def f: f | f; f",
        "def f: 1 as $x | f; f",
        "def f(g): f(g | .); f(.)",
        "def f(g): g | f(f(g)); f(.)",
        "def f($n): f($n + 1); f(0)",
        "def f: def g: f, g; g; f",
        "repeat(.)",
        "last(repeat(.))",
        "[repeat(1)]",
        "repeat(empty)",
        "last(range(0; 1; 0))",
        "[range(1e10)]",
        "reduce range(1e12) as $i (0; .)",
        "until(false; .)",
        "while(true; .) | empty",
        "last(limit(1e12; repeat(1)))",
        "first(range(1e12) | select(. < 0))",
        "isempty(repeat(empty))",
        "label $out | repeat(1) | empty",
        "any(repeat(false); .)",
        "[limit(1e9; repeat(1))] | length",
        "skip(1e12; repeat(1))",
        "nth(1e12; repeat(1))",
        "foreach repeat(1) as $x (0; . + $x; empty)",
    ]);
}

#[test]
fn what_is_stopped_cannot_be_caught() {
    all_are_stopped(&[
        "try repeat(empty) catch 1",
        "def f: try f catch f; f",
        "(repeat(empty))?",
        "[.[]?, (repeat(empty) // 1)]",
    ]);
}

#[test]
fn recursion_is_stopped() {
    all_are_stopped(&[
        "def f: [f]; f",
        "def f: 1 + f; f",
        "def f: {a: f}; f",
        "def f: f + 1; try f catch 0",
        "def f: (f | .), 1; f",
        "def f: reduce f as $x (0; .); f",
        "path(def f: .a | f; f)",
        "path(repeat(.a)) | empty",
        "last(path(recurse(.a)))",
        "[[1]] | last(path(recurse(.[0:])))",
        "def f: .a |= f; {} | f",
        "def r: ., (r | .); last(r)",
        "def r: def g: r; ., (g | .); last(r)",
        "def h(g): g | .; def r: ., h(r); last(r)",
        "def r(g): ., (r(g) | g); last(r(.))",
        "def @r: ., (@r \"\\(.)\" | .); last(@r)",
        "(def f: .a | f; f) |= 1",
        "def f: label $x | f; f",
        "def f: first(f); f",
        "def f: [.[]? | f], f; f",
    ]);
}

#[test]
fn growth_is_stopped() {
    all_are_stopped(&[
        r#""x" * 1e12"#,
        r#""x" * 1000000000000"#,
        r#"reduce range(60) as $i ("a"; . + .)"#,
        "reduce range(60) as $i ([1]; . + .)",
        "reduce range(100) as $i (1; [., .]) | tojson",
        "reduce range(100) as $i (1; [., .])",
        "reduce range(100) as $i (1; [., .]) | [..] | length",
        "reduce range(100) as $i (1; [., .]) | . == .",
        "reduce range(100) as $i (1; {a: ., b: .}) | . * .",
        "reduce range(100) as $i (1; [., .]) | flatten",
        "[range(100) | [1, 2]] | combinations | empty",
        "[limit(100; repeat([1, 2]))] | [combinations]",
        "reduce range(1000000) as $i (null; [.])",
        "reduce range(1000000) as $i (null; {a: .})",
        "reduce range(1e7) as $i (2; . * .)",
        "reduce range(40) as $i (\"a,\"; . + .) | split(\",\")",
        ".[1e9] = 1",
        ".[9223372036854775807] = 1",
        "[limit(60; repeat(\"ab\"))] | reduce range(30) as $i (.; map(. + .)) | add",
        "reduce range(24) as $i (\"&\"; . + .) | reduce range(20) as $i (.; @html)",
        "\"a\" * 1000000 | gsub(\"\"; \"b\" * 1000)",
        "\"a\" * 1000000 | [match(\"a{1,900}\"; \"g\")]",
        "\"a\" * 1000000 | [explode, explode, explode, explode] | map(implode) | [limit(1000; repeat(.))] | tojson",
        "[range(100000)] | map([range(100000)])",
        "[range(1000000)] | until(length == 0; .[1:])",
        "[range(300000)] as $a | reduce range(1e6) as $i (0; . + ($a | index(-1)))",
        "[range(300000)] as $a | [range(1e6) | $a == $a]",
        "[range(300000)] as $a | [range(1e6) | $a - [1]]",
        "[range(300000)] as $a | [range(1e6) | $a | sort]",
        "[range(300000)] as $a | [range(1e6) | $a | contains([-1])]",
        "[range(300000)] as $a | [range(1e6) | first($a[])]  | [range(1e9)]",
        "(\"x\" * 5000000) as $a | [range(1e6) | $a | length]",
        "(\"x\" * 5000000) as $a | [range(1e6) | $a | ascii_downcase]",
        "(\"x\" * 5000000) as $a | [range(1e6) | $a | test(\"y\")]",
        "(\"x\" * 5000000) as $a | [range(1e6) | $a[1:2]]",
        "(\"x\" * 5000000) as $a | [range(1e6) | {($a): 1}]",
        "(\"[\" * 5000000) as $a | [range(1e6) | try ($a | fromjson) catch 0]",
    ]);
}

#[test]
fn the_bound_on_bytes_is_what_stops_growth() {
    let program = compile(r#"reduce range(60) as $i ("a"; . + .)"#).unwrap();
    let reason = program.run_within(&Value::Null, 0, u64::MAX).unwrap_err().reason;
    assert_eq!(reason, format!("the filter made more than {} MiB of values and was stopped", MAX_BYTES >> 20));
}

#[test]
fn the_same_filter_always_stops_at_the_same_step() {
    let program = compile("[range(10000)] | map(. + 1) | length").unwrap();
    let ends = |steps| program.run_within(&Value::Null, 0, steps).is_ok();
    let needed = (0..32).rev().fold(0u64, |low, bit| if ends(low + (1 << bit)) { low } else { low + (1 << bit) });
    assert!(needed > 50_000, "{needed}");
    for _ in 0..3 {
        assert_eq!((ends(needed), ends(needed + 1)), (false, true));
    }
}

/// What there is: a name more in a new version of the interpreter is looked at before it is let in.
#[test]
fn the_list_of_filters_is_known() {
    let mut names: Vec<&str> = funs::library().iter().map(|definition| definition.def.name).collect();
    names.extend(funs::natives().map(|(name, ..)| name).filter(|name| !name.starts_with(funs::HIDDEN)));
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.join(" "), NAMES);
}

const NAMES: &str = "\
@base64 @base64d @csv @html @htmld @json @sh @text @tsv @uri @urid abs acos acosh add all any arrays \
ascii_downcase ascii_upcase asin asinh atan atan2 atanh booleans bsearch capture capture_of_match cbrt ceil \
combinations contains copysign cos cosh decode_base64 decode_uri del delpaths drem empty encode_base64 \
encode_uri endswith erf erfc error error_empty escape_html escape_sh exp exp10 exp2 explode expm1 fabs false \
fdim finites first flatten floor fma fmax fmin fmod frexp from_entries fromdate fromdateiso8601 fromjson gamma \
getpath gmtime group_by gsub has hypot ilogb implode in index indices infinite inside isarray isboolean isempty \
isfinite isinfinite isnan isnormal isnumber isobject isstring iterables j0 j1 join key_values keys keys_unsorted \
last ldexp length lgamma limit log log10 log1p log2 logb ltrim ltrimstr map map_values match matches max max_by \
max_by_or_empty min min_by min_by_or_empty mktime modf nan nearbyint nextafter nexttoward normals not now nth \
null nulls numbers objects path path_value paths pick pow pow10 range recurse remainder repeat reverse rindex \
rint round rtrim rtrimstr scalars scalb scalbln scan scan_ select setpath significand sin sinh skip sort sort_by \
split split_ split_matches splits sqrt startswith strftime strings strptime sub tan tanh test tgamma to_entries \
toarray toboolean todate todateiso8601 tojson tonumber tostring totype transpose trim true trunc type \
unescape_html unique unique_by until utf8bytelength values walk while with_entries y0 y1";

/// Filters made of everything there is, as nobody would write them.
fn any_filter() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("."),
        Just(".a"),
        Just(".[0]"),
        Just(".[]"),
        Just(".[1:]"),
        Just(".."),
        Just("0"),
        Just("-1.5"),
        Just("null"),
        Just("\"a\""),
        Just("\"%Y\""),
        Just("[]"),
        Just("{}"),
        Just("empty"),
        Just("1e300"),
        Just("9223372036854775807"),
        Just("-9223372036854775807 - 1"),
        Just("nan"),
        Just("infinite"),
        Just("error"),
        Just("[\"a\", 0]"),
        Just("true"),
    ]
    .prop_map(str::to_owned);
    let calls: Vec<(&str, usize)> = funs::library()
        .iter()
        .map(|definition| (definition.def.name, definition.def.args.len()))
        .chain(funs::natives().map(|(name, args, _)| (name, args.len())))
        .filter(|(name, _)| !name.starts_with(funs::HIDDEN))
        .collect();
    leaf.prop_recursive(5, 30, 3, move |inner| {
        let call = (prop::sample::select(calls.clone()), prop::collection::vec(inner.clone(), 3)).prop_map(
            |((name, arity), args)| match arity {
                0 => name.to_owned(),
                _ => format!("{name}({})", args[..arity.min(3)].join("; ")),
            },
        );
        let form = prop::sample::select(vec![
            "(L) | (R)",
            "(L), (R)",
            "[L, R]",
            "{a: (L), b: (R)}",
            "(L) + (R)",
            "(L) - (R)",
            "(L) * (R)",
            "(L) / (R)",
            "(L) % (R)",
            "(L) == (R)",
            "(L) < (R)",
            "(L) // (R)",
            "try (L) catch (R)",
            "(L)?",
            "path(L)",
            "(L) |= (R)",
            "(L) = (R)",
            "(L) += (R)",
            "(L) as $x | (R) | $x",
            "reduce (L) as $x (.; R)",
            "foreach (L) as [$x] (.; R; $x)",
            "-(L)",
            "if (L) then (R) end",
            "def f: (L); f | (R)",
            "def f(g): (L) | g; f(R)",
            ".[L]",
            ".[L:R]",
            "\"\\(L)\"",
            "@csv \"\\(L)\"",
            "label $x | (L) | (R), break $x",
            "limit(3; L)",
            "del(L)",
            "to_entries | (L)",
            "(L) as {a: $y} | $y",
        ]);
        let form = (form, inner.clone(), inner).prop_map(|(form, l, r)| form.replace('L', &l).replace('R', &r));
        prop_oneof![2 => call, 3 => form]
    })
}

proptest! {
    #[test]
    fn no_filter_panics(filter in any_filter(), deep in any::<bool>()) {
        let payload = if deep { json!([{ "a": [1, "a", null, { "a": -0.5 }], "b": "é%Y" }, i64::MIN, u64::MAX]) } else { Value::Null };
        if let Ok(program) = compile(&filter) {
            // A panic fails the test here; an overflow of the stack ends it.
            let _ = program.run_within(&payload, 0, 20_000);
        }
    }
}
