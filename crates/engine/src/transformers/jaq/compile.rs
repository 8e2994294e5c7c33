//! Filter text into a program.

use super::funs::{self, HIDDEN};
use super::term;
use super::{Jq, Program};
use jaq_core::Compiler;
use jaq_core::compile::Undefined;
use jaq_core::load::{Arena, File, Lexer, Loader, Parser, parse};
use model::{Problem, suggest};

/// The longest filter text, in bytes.
const MAX_TEXT: usize = 32 << 10;

/// Stack for reading the longest text, four KiB for each byte and two for what follows. It is only touched as far as it is
/// used.
const PARSER_STACK: usize = 6 * 1024 * MAX_TEXT;

/// The most terms in each other.
const MAX_NESTING: usize = 1_000;

/// Stack for one level of terms, between two charges. Measured in a build without optimisation, where it is largest.
const LEVEL: usize = 6 << 10;

/// Stack for what is below all terms, and to free the chains that a short run can make.
const GROUND: usize = 192 << 10;

/// The definition that the filter becomes.
const MAIN: &str = "__main";

/// Filters of jq that exist elsewhere and are left out here on purpose.
const LEFT_OUT: [(&str, &str); 19] = [
    ("env", NO_ENVIRONMENT),
    ("$ENV", NO_ENVIRONMENT),
    ("halt", NO_END),
    ("halt_error", NO_END),
    ("input", NO_INPUT),
    ("inputs", NO_INPUT),
    ("input_filename", NO_INPUT),
    ("input_line_number", NO_INPUT),
    ("debug", NO_LOG),
    ("stderr", NO_LOG),
    ("localtime", NO_ZONE),
    ("strflocaltime", NO_ZONE),
    ("localdate", NO_ZONE),
    ("get_search_list", NO_MODULES),
    ("modulemeta", NO_MODULES),
    ("import", NO_MODULES),
    ("include", NO_MODULES),
    ("module", NO_MODULES),
    ("$__prog_args", NO_ENVIRONMENT),
];
const NO_ENVIRONMENT: &str = "a filter does not see the environment; put the value into the payload with \"set\"";
const NO_END: &str = "a filter cannot end the engine; \"error\" fails the task";
const NO_INPUT: &str = "a filter sees one payload alone, as \".\"";
const NO_LOG: &str = "a filter writes nothing but its outputs; try it on a sample to see what it does";
const NO_ZONE: &str = "a filter does not know the host's time zone; times are UTC (gmtime, strftime)";
const NO_MODULES: &str = "filters have no modules; write the definition into the filter";

/// Compiles a filter. Places are empty: the caller knows which option it was.
///
/// # Errors
/// `wrong_filter` for each thing that is wrong with the text.
pub(crate) fn compile(text: &str) -> Result<Program, Vec<Problem>> {
    if text.len() > MAX_TEXT {
        let reason = format!("the filter has {} bytes, {MAX_TEXT} are allowed", text.len());
        return Err(vec![Problem::new("wrong_filter", reason).hint("use several jq transformers after each other")]);
    }
    // The parser calls itself for every term in a term, so the longest text decides how much stack it needs.
    stacker::grow(PARSER_STACK, || compile_here(text))
}

fn compile_here(text: &str) -> Result<Program, Vec<Problem>> {
    let mut main = read(text)?;
    let depth = term::depth(&mut main);
    if depth > MAX_NESTING {
        let reason = format!("the filter is nested {depth} levels deep, {MAX_NESTING} are allowed");
        return Err(vec![Problem::new("wrong_filter", reason)]);
    }
    let names = term::names(&mut main);
    if let Some(name) = names.iter().find(|name| name.starts_with(HIDDEN)) {
        return Err(vec![at(text, name, format!("names that start with {HIDDEN} are not for use: \"{name}\""))]);
    }
    let library = funs::needed(names);
    let own = term::defined(&mut main);
    term::pay_for_outputs(&mut main, &own, true);
    let main = term::pay_for_calls(parse::Def { name: MAIN, args: Vec::new(), body: main }, true);
    let arena = Arena::default();
    let file = File { code: MAIN, path: () };
    let modules = Loader::new(library.into_iter().chain([main])).load(&arena, file);
    // A filter text without imports that was parsed already loads, so what is wrong is said below.
    let modules = modules.map_err(|_| vec![Problem::new("wrong_filter", "the filter cannot be loaded")])?;
    let filter = Compiler::<_, Jq>::default().with_funs(funs::natives()).compile(modules).map_err(|errors| {
        let errors = errors.into_iter().flat_map(|(_, errors)| errors);
        errors.map(|(name, kind)| undefined(text, name, &kind)).collect::<Vec<_>>()
    })?;
    Ok(Program { filter, stack: GROUND + depth * LEVEL })
}

/// The text as a tree.
fn read(text: &str) -> Result<parse::Term<&str>, Vec<Problem>> {
    let first = text.split(|c: char| !c.is_ascii_alphabetic()).find(|word| !word.is_empty());
    if let Some(word @ ("import" | "include" | "module")) = first
        && text.trim_start().starts_with(word)
    {
        return Err(vec![at(text, word, format!("\"{word}\" is not known here")).hint(NO_MODULES)]);
    }
    let tokens = Lexer::new(text).lex().map_err(|errors| {
        let errors = errors.into_iter();
        errors.map(|(expected, found)| unexpected(text, expected.as_str(), found)).collect::<Vec<_>>()
    })?;
    Parser::new(&tokens).parse(|parser| parser.term()).map_err(|errors| {
        let errors = errors.into_iter();
        errors
            .map(|(expected, found)| unexpected(text, expected.as_str(), found.map_or("", |token| token.as_str())))
            .collect()
    })
}

fn unexpected(text: &str, expected: &str, found: &str) -> Problem {
    let found_text: String = found.lines().next().unwrap_or("").chars().take(20).collect();
    let found_text = if found_text.is_empty() { "the end".to_owned() } else { format!("\"{found_text}\"") };
    let found = if found.is_empty() { &text[text.len()..] } else { found };
    at(text, found, format!("expected {expected}, found {found_text}"))
}

fn undefined(text: &str, name: &str, kind: &Undefined) -> Problem {
    let problem = at(text, name, format!("unknown {} \"{name}\"", kind.as_str()));
    if let Some((_, hint)) = LEFT_OUT.iter().find(|(left_out, _)| *left_out == name) {
        return problem.hint(*hint);
    }
    let Undefined::Filter(given) = kind else { return problem };
    let known: Vec<(&str, usize)> = funs::library()
        .iter()
        .map(|definition| (definition.def.name, definition.def.args.len()))
        .chain(funs::natives().map(|(name, args, _)| (name, args.len())))
        .filter(|(name, _)| !name.starts_with(HIDDEN))
        .collect();
    let mut counts: Vec<String> =
        known.iter().filter(|(known, _)| *known == name).map(|(_, count)| count.to_string()).collect();
    counts.sort();
    counts.dedup();
    if !counts.is_empty() {
        let hint = format!("\"{name}\" takes {} arguments, not {given}", counts.join(" or "));
        return problem.hint(hint);
    }
    match suggest::nearest(name, known.iter().map(|(name, _)| *name)) {
        Some(near) => problem.hint(format!("did you mean \"{near}\"?")),
        None => problem,
    }
}

/// A problem with a part of the text, which says where the part is.
fn at(text: &str, part: &str, reason: String) -> Problem {
    let offset = (part.as_ptr() as usize).wrapping_sub(text.as_ptr() as usize);
    let Some(before) = text.get(..offset) else { return Problem::new("wrong_filter", reason) };
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
    Problem::new("wrong_filter", format!("line {line}, column {column}: {reason}"))
}
