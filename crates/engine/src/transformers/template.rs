//! `template`: text with fields of the payload in it.

use super::options::{FromOptions, path};
use super::path::Path;
use minijinja::value::{Serde, merge_maps};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, State, UndefinedBehavior};
use model::{Problem, Transform, TransformContext};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

/// The longest template, in bytes.
const MAX_TEXT: usize = 64 << 10;

/// What rendering may cost: one for each instruction and for each 64 bytes made, so a text has at most 64 MB.
const FUEL: u64 = 1_000_000;
const BYTES_PER_FUEL: usize = 64;

/// How deep macros and recursive loops may call; a call of a macro counts four times.
const MAX_CALLS: usize = 50;

/// The name of the template, which nobody sees.
const NAME: &str = "template";

/// Writes a text with fields of the payload in it, in the language Jinja: `Describe {{ name }} in {{ words }} words`.
/// Members of the payload are variables, and `payload` is all of it. A variable that is missing is a problem; write
/// `{{ name | default("…") }}` or `{% if name is defined %}` for what may be missing. Nothing is escaped, and there are
/// no includes and no imports.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Options {
    /// Path that the text is put at; objects and lists on the way are made.
    to: String,
    /// The template.
    template: String,
}

pub(crate) struct Template {
    to: Path,
    environment: Environment<'static>,
}

impl FromOptions for Template {
    const KIND: &'static str = "template";
    type Options = Options;

    fn from_options(options: Options) -> Result<Self, Vec<Problem>> {
        let to = path(&options.to, "to")?;
        if options.template.len() > MAX_TEXT {
            let reason = format!("the template has {} bytes, {MAX_TEXT} are allowed", options.template.len());
            return Err(vec![Problem::new("wrong_template", reason).at("template")]);
        }
        let mut environment = Environment::new();
        environment.set_auto_escape_callback(|_| AutoEscape::None);
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_fuel(Some(FUEL));
        environment.set_recursion_limit(MAX_CALLS);
        // Lets an error name the variable that is missing.
        environment.set_debug(true);
        environment.remove_global("debug");
        // Lists are put together without being paid for. What is carried from turn to turn could double each time: no loop
        // hands anything on, and macros call each other only a dozen times.
        environment.remove_global("namespace");
        environment.add_filter("tojson", to_json);
        let added = environment.add_template_owned(NAME, options.template);
        added.map_err(|error| vec![describe("wrong_template", &error).at("template")])?;
        Ok(Self { to, environment })
    }
}

impl Transform for Template {
    fn apply(&self, mut payload: Value, _: &mut TransformContext) -> Result<Vec<Value>, Problem> {
        let text = self.render(&payload).map_err(|error| failed(&error, &payload))?;
        self.to.set(&mut payload, Value::String(text))?;
        Ok(vec![payload])
    }
}

impl Template {
    fn render(&self, payload: &Value) -> Result<String, Error> {
        let fields = minijinja::Value::from(Serde(payload));
        let whole = minijinja::context! { payload => fields.clone() };
        // A member that is itself called "payload" comes first.
        self.environment.get_template(NAME)?.render(merge_maps([whole, fields]))
    }
}

/// JSON on one line, as it would be sent. Jinja's own filter escapes it for HTML.
fn to_json(state: &State, value: &minijinja::Value) -> Result<String, Error> {
    let mut text = Metered { state, text: Vec::new(), unpaid: 0 };
    serde_json::to_writer(&mut text, value).map_err(|error| match state.consume_fuel(0) {
        Err(out_of_fuel) => out_of_fuel,
        Ok(()) => Error::new(ErrorKind::BadSerialization, error.to_string()),
    })?;
    String::from_utf8(text.text).map_err(|error| Error::new(ErrorKind::BadSerialization, error.to_string()))
}

/// Text that is paid for while it is written.
struct Metered<'a, 'env> {
    state: &'a State<'a, 'env>,
    text: Vec<u8>,
    unpaid: usize,
}

impl std::io::Write for Metered<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.unpaid += bytes.len();
        let fuel = self.unpaid / BYTES_PER_FUEL;
        self.unpaid %= BYTES_PER_FUEL;
        self.state.consume_fuel(fuel as u64).map_err(std::io::Error::other)?;
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn failed(error: &Error, payload: &Value) -> Problem {
    match error.kind() {
        ErrorKind::OutOfFuel => describe("template_too_costly", error),
        ErrorKind::UndefinedError => missing(error, payload),
        _ => describe("template_failed", error),
    }
}

/// What is wrong, in which line of the template.
fn describe(code: &'static str, error: &Error) -> Problem {
    let reason = match (error.kind(), error.detail()) {
        (ErrorKind::OutOfFuel, _) => "the template takes too much work or makes too long a text".to_owned(),
        (kind, Some(detail)) => format!("{kind}: {detail}"),
        (kind, None) => kind.to_string(),
    };
    let problem = Problem::new(code, format!("line {}: {reason}", error.line().unwrap_or(1)));
    match error.kind() {
        ErrorKind::UnknownFilter => problem.hint("the filters are those of Jinja; calculations are easier in \"jq\""),
        _ => problem,
    }
}

/// A variable that is not there, with the name that was probably meant.
fn missing(error: &Error, payload: &Value) -> Problem {
    // In debug mode the detail has the expression in back quotes. Where that is a path, the payload says more.
    let name = error.detail().and_then(|detail| detail.split('`').nth(1)).unwrap_or("");
    let Ok(path) = name.parse::<Path>() else { return describe("missing_value", error) };
    let near = path.missing(payload);
    let line = error.line().unwrap_or(1);
    let reason = format!("line {line}: there is no \"{name}\" in the payload");
    let problem = Problem::new("missing_value", reason).at(near.place);
    match near.hint {
        Some(hint) => problem.hint(hint),
        None => problem.hint("write {{ name | default(\"\") }} for what may be missing"),
    }
}
