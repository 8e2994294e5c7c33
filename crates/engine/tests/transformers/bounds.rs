//! Filters that would take the engine down: each is stopped, and the process lives.

use super::{jq, registry};
use serde_json::{Value, json};

/// Runs on a small thread, as the engine's workers are, and says how it ended.
fn code(filter: &str, payload: Value) -> String {
    let filter = filter.to_owned();
    let run = move || match jq(&filter, payload) {
        Ok(outputs) => format!("{} outputs", outputs.len()),
        Err(problem) => problem.code.into_owned(),
    };
    let thread = std::thread::Builder::new().stack_size(2 << 20).spawn(run).unwrap();
    thread.join().unwrap_or_else(|_| "panicked".to_owned())
}

#[test]
fn what_never_ends_or_fills_memory_is_stopped() {
    // Those that make the longest chains and the deepest calls, which must be freed again; many more, with less patience,
    // are tested beside the interpreter.
    let filters = [
        "def f(g): f(g | .); f(.)",
        "def f(g): g | f(f(g)); f(.)",
        "last(path(recurse(.a)))",
        "last(path(recurse(.[1:])))",
        "[[1]] | last(path(recurse(.[0:])))",
        "[] | last(path(recurse(.[[]])))",
        "def f: [f]; f",
        "def r: ., (r | .); last(r)",
        "(def f: .a | f; f) |= 1",
        "[range(1e10)]",
    ];
    let wrong: Vec<String> = filters
        .iter()
        .map(|filter| (filter, code(filter, Value::Null)))
        .filter(|(_, code)| code != "jq_too_costly")
        .map(|(filter, code)| format!("{filter}: {code}"))
        .collect();
    assert!(wrong.is_empty(), "{} filters were not stopped:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn a_payload_cannot_take_the_engine_down() {
    let mut deep = json!(1);
    for _ in 0..1_000 {
        deep = Value::Array(vec![deep]);
    }
    let text = "[".repeat(1_000_000);
    assert_eq!(code(".", deep), "jq_too_costly");
    assert_eq!(code("fromjson", json!(text)), "jq_failed");
    assert_eq!(code("tonumber", json!(text)), "jq_failed");
    assert_eq!(code("test(.)", json!("(a{1000}){1000}")), "jq_failed");
    assert_eq!(code("test(.)", json!("(".repeat(10_000))), "jq_failed");
    assert_eq!(code("strptime(\"%Q\")", json!("Europe/Amsterdam")), "jq_failed");
    assert_eq!(code("strftime(.)", json!("%Q")), "jq_failed");
    assert_eq!(code("implode", json!([-9_223_372_036_854_775_808_i64])), "jq_failed");
    assert_eq!(code("length, -., abs, floor, tostring", json!(-9_223_372_036_854_775_808_i64)), "5 outputs");
}

#[test]
fn what_long_work_needs_is_not_refused() {
    let items: Vec<Value> = (0..10_000).map(|n| json!({ "n": n, "s": format!("item {n}") })).collect();
    let many = json!(items);
    let filters = [
        "map(.n) | add",
        "map(.s) | join(\", \") | length",
        "map(.s | gsub(\"item\"; \"row\")) | length",
        "map(select(.n % 2 == 0) | {n, t: (.s | ascii_upcase)}) | length",
        "[.[] | .n] | sort | reverse | .[0]",
        "group_by(.n % 10) | map(length)",
        "reduce .[] as $x ({}; .[$x.s] = $x.n) | length",
        "(map(.s) | join(\"\\n\")) | gsub(\"\\n\"; \" \") | length",
        "tojson | fromjson | length",
        "[limit(10; .[] | .n)]",
        "def total: if length == 0 then 0 else .[0].n + (.[1:] | total) end; .[:500] | total",
        "[.[].n] | until(length < 9500; .[1:]) | length",
        "walk(if type == \"number\" then . + 1 else . end) | .[0].n",
    ];
    for filter in filters {
        assert_eq!(code(filter, many.clone()), "1 outputs", "{filter}");
    }
}

/// A filter sees its payload and the time, nothing else.
#[test]
fn filters_reach_nothing_outside() {
    let outside = [
        "env",
        "$ENV",
        "$ENV.PATH",
        "input",
        "inputs",
        "debug",
        "debug(\"x\")",
        "stderr",
        "halt",
        "halt(1)",
        "halt_error",
        "halt_error(1)",
        "input_line_number",
        "input_filename",
        "get_search_list",
        "localtime",
        "strflocaltime(\"%Z\")",
        "localdate",
        "$__prog_args",
        "$__loc__",
        "modulemeta",
        "import \"a\" as a; a::x",
        "import \"a\" as $a; $a",
        "include \"a\"; .",
        "module {}; .",
        "a::b",
        "__tick",
        "__matches(\"a\"; \"\")",
        "def __x: 1; __x",
        "\"\\(__tick)\"",
        "{a: [__tick]}",
        ". as {(__tick): $x} | $x",
        "jn(1; 2)",
        "yn(1; 2)",
        "tobytes",
        "getpath(input)",
        "@env",
        "now(1)",
    ];
    let transformer = &registry().transformers["jq"];
    for filter in outside {
        let Err(problems) = transformer.compile(&json!({ "filter": filter })) else { panic!("{filter} compiles") };
        assert!(problems.iter().all(|problem| problem.code == "wrong_filter" && problem.place == "filter"), "{filter}");
    }
}

/// Texts at which a parser or compiler without bounds runs out of stack.
#[test]
fn monstrous_filters_are_refused_or_run() {
    let texts = [
        "[".repeat(30_000),
        format!("{}1{}", "[".repeat(15_000), "]".repeat(15_000)),
        format!("{}1", "-".repeat(30_000)),
        format!("1{}", "+1".repeat(15_000)),
        format!(".{}", "|.".repeat(15_000)),
        format!(".{}", "[0]".repeat(10_000)),
        "try ".repeat(8_000) + "1",
        "def f: ".repeat(4_000),
        format!("\"{}\"", "\\(1)".repeat(8_000)),
        format!("{{{}a: 1}}", "a: 1,".repeat(6_000)),
        format!("if 1 then 1 {} else 1 end", "elif 1 then 1 ".repeat(2_000)),
        "reduce ".repeat(4_000),
        ". as [".repeat(5_000),
        "x".repeat(100_000),
    ];
    for text in texts {
        let transformer = registry().transformers["jq"].clone();
        let start: String = text.chars().take(20).collect();
        let run = move || transformer.compile(&json!({ "filter": text })).map(drop);
        let thread = std::thread::Builder::new().stack_size(2 << 20).spawn(run).unwrap();
        let problems = thread.join().unwrap().expect_err(&start);
        assert!(problems.iter().all(|problem| problem.code == "wrong_filter"), "{start}");
    }
    // What is allowed runs: chains up to the bound, on a small stack.
    assert_eq!(code(&format!(".{}", "|.".repeat(450)), json!(1)), "1 outputs");
    assert_eq!(code(&format!("{}1{}", "[".repeat(100), "]".repeat(100)), json!(1)), "1 outputs");
    assert_eq!(code(&format!("1{}", "+1".repeat(450)), json!(1)), "1 outputs");
    assert_eq!(code(&format!("def a0: 1; {} a400", definitions(400)), json!(1)), "1 outputs");
    assert_eq!(code(&format!("{{{}z: 1}}", fields(400)), json!(1)), "1 outputs");
}

/// `def a1: a0; def a2: a1; …`
fn definitions(count: usize) -> String {
    (1..=count).map(|n| format!("def a{n}: a{} | .; ", n - 1)).collect()
}

fn fields(count: usize) -> String {
    (0..count).map(|n| format!("a{n}: {n}, ")).collect()
}
