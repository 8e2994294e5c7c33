//! From the validator's errors to problems that people can use.

use super::{MAX_PROBLEMS, code, pointer};
use crate::request::kind_of;
use crate::{Problem, suggest};
use jsonschema::error::{TypeKind, ValidationErrorKind as Kind};
use jsonschema::{JsonType, JsonTypeSet, ValidationError};
use serde_json::Value;

/// The most options that a reason lists.
const MAX_OPTIONS: usize = 12;
/// The most letters of a value that a reason repeats.
const MAX_LETTERS: usize = 60;
/// Members that tell the forms of a union apart, where the schema does not do it by `const`.
const DISCRIMINATORS: [&str; 4] = ["type", "role", "object", "kind"];
/// The most values of a payload that are looked at for an explanation.
const MAX_VALUES: usize = 10_000;
/// The most bytes of a text that are looked at for an explanation.
const MAX_BYTES: usize = 64 << 10;
/// How far references and unions are followed in search of known member names.
const MAX_DEPTH: usize = 8;

/// One mistake, with what is needed to weigh it against others and to join it with its like.
struct Finding {
    problem: Problem,
    /// The types that were wanted, of a `schema_type`.
    types: JsonTypeSet,
    /// The values that were wanted, of a `schema_enum`.
    options: Vec<Value>,
    /// The value that was found, shortened.
    found: String,
    /// Whether it is a `const`: what a union's form is told apart by.
    constant: bool,
}

impl Finding {
    fn new(code: &'static str, place: &str, reason: impl Into<String>) -> Self {
        Self {
            problem: Problem::new(code, reason).at(place),
            types: JsonTypeSet::empty(),
            options: Vec::new(),
            found: String::new(),
            constant: false,
        }
    }

    fn is_hard(&self) -> bool {
        self.problem.code != code::UNKNOWN_FIELD
    }

    /// Whether it says that the value at `place` is not of the form at all.
    fn is_other_kind(&self, place: &str) -> bool {
        self.problem.code == code::TYPE && self.problem.place == place
    }

    /// Whether it says that a member of the object at `place` names another form.
    fn is_other_form(&self, place: &str) -> bool {
        let Some(member) = self.problem.place.strip_prefix(place).and_then(|rest| rest.strip_prefix('/')) else {
            return false;
        };
        self.problem.code == code::ENUM
            && (DISCRIMINATORS.contains(&member) || (self.constant && !member.contains('/')))
    }

    /// Takes another's wanted types or values to its own, if both are about the same.
    fn join(&mut self, other: &Self) -> bool {
        if self.problem.code != other.problem.code || self.problem.place != other.problem.place {
            return false;
        }
        self.types = self.types.union(other.types);
        for option in &other.options {
            if !self.options.contains(option) {
                self.options.push(option.clone());
            }
        }
        true
    }

    /// The problem, with reason and hint of the joined types and values.
    fn into_problem(self) -> Problem {
        if self.problem.code == code::TYPE {
            let reason = format!("must be {}, is {}", types_in_words(self.types), self.found);
            return Problem { reason, ..self.problem };
        }
        if self.problem.code != code::ENUM {
            return self.problem;
        }
        let reason = format!("must be {}, is {}", options_in_words(&self.options), self.found);
        let names: Vec<&str> = self.options.iter().filter_map(Value::as_str).collect();
        let given = self.found.trim_matches('"');
        let hint = suggest::nearest(given, names.iter().copied()).map(|name| format!("did you mean \"{name}\"?"));
        Problem { reason, hint, ..self.problem }
    }
}

/// Explains the errors of one value under one schema.
pub(super) struct Explainer<'a> {
    schema: &'a Value,
}

impl<'a> Explainer<'a> {
    pub(super) fn new(schema: &'a Value) -> Self {
        Self { schema }
    }

    pub(super) fn explain<'i>(&self, errors: impl Iterator<Item = ValidationError<'i>>) -> Vec<Problem> {
        let mut findings = Vec::new();
        // Twice as many, since some will turn out to say the same.
        for error in errors.take(MAX_PROBLEMS * 2) {
            self.collect(&error, &mut findings);
        }
        let mut findings = settle(findings);
        findings.truncate(MAX_PROBLEMS);
        findings.into_iter().map(Finding::into_problem).collect()
    }

    fn collect(&self, error: &ValidationError<'_>, findings: &mut Vec<Finding>) {
        match error.kind() {
            Kind::AnyOf { context } | Kind::OneOfNotValid { context } => {
                findings.extend(self.best_form(error.instance_path().as_str(), context));
            }
            Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
                let first = unexpected.iter().take(MAX_PROBLEMS);
                findings.extend(first.map(|name| self.unknown(error, name)));
            }
            _ => findings.push(leaf(error)),
        }
    }

    /// What is wrong with the form of a union that the value comes nearest to. Where it comes near none, because
    /// its type or its discriminator is another, what all the forms would have taken is joined into one.
    fn best_form(&self, place: &str, forms: &[Vec<ValidationError<'static>>]) -> Vec<Finding> {
        let mut forms: Vec<Vec<Finding>> = forms
            .iter()
            .map(|errors| {
                let mut findings = Vec::new();
                errors.iter().for_each(|error| self.collect(error, &mut findings));
                settle(findings)
            })
            .collect();
        let none_of_the_kind = forms.iter().all(|form| form.iter().any(|finding| finding.is_other_kind(place)));
        if none_of_the_kind {
            forms.iter_mut().for_each(|form| form.retain(|finding| finding.is_other_kind(place)));
        }
        forms.sort_by_key(|form| distance(place, form));
        let Some(nearest) = forms.first() else { return Vec::new() };
        if nearest.iter().any(|finding| finding.is_other_form(place)) {
            forms.retain_mut(|form| {
                form.retain(|finding| finding.is_other_form(place));
                !form.is_empty()
            });
        }
        let mut forms = forms.into_iter();
        let mut best = forms.next().unwrap_or_default();
        if let [only] = &mut best[..] {
            let wants_a_value = only.problem.code == code::TYPE || only.problem.code == code::ENUM;
            for form in forms {
                if let ([other], true) = (&form[..], wants_a_value) {
                    only.join(other);
                }
            }
        }
        best
    }

    fn unknown(&self, error: &ValidationError<'_>, name: &str) -> Finding {
        let place = pointer(error.instance_path().as_str(), name);
        let shown = shorten(name);
        let mut finding = Finding::new(code::UNKNOWN_FIELD, &place, format!("there is no field \"{shown}\" here"));
        let parent = error.schema_path().as_str().rsplit_once('/').map_or("", |(parent, _)| parent);
        let mut known = Vec::new();
        if let Some(schema) = self.schema.pointer(parent) {
            self.members(schema, MAX_DEPTH, &mut known);
        }
        let present = error.instance().as_object();
        let absent = known.iter().copied().filter(|known| present.is_none_or(|object| !object.contains_key(*known)));
        finding.problem.hint = suggest::nearest(name, absent.clone())
            .map(|name| format!("did you mean \"{name}\"?"))
            .or_else(|| suggest::hint(name, known.iter().copied()));
        finding
    }

    /// The names of all members that a schema knows.
    fn members(&self, schema: &'a Value, depth: usize, names: &mut Vec<&'a str>) {
        if depth == 0 {
            return;
        }
        let properties = schema.get("properties").and_then(Value::as_object);
        for name in properties.into_iter().flat_map(|object| object.keys()) {
            if !names.contains(&name.as_str()) {
                names.push(name);
            }
        }
        for keyword in ["allOf", "anyOf", "oneOf"] {
            for part in schema.get(keyword).and_then(Value::as_array).into_iter().flatten() {
                self.members(part, depth - 1, names);
            }
        }
        let target = schema.get("$ref").and_then(Value::as_str).and_then(|reference| reference.strip_prefix('#'));
        if let Some(schema) = target.and_then(|pointer| self.schema.pointer(pointer)) {
            self.members(schema, depth - 1, names);
        }
    }
}

/// How far a value is from a form: less is nearer. A form whose only fault is unknown fields is the one that was
/// meant; then come those of its type, those of its discriminator, those with few mistakes, those wrong deep inside.
fn distance(place: &str, form: &[Finding]) -> (bool, bool, bool, usize, std::cmp::Reverse<usize>, usize) {
    let hard = form.iter().filter(|finding| finding.is_hard()).count();
    let depth = form.iter().map(|finding| finding.problem.place.matches('/').count()).max().unwrap_or(0);
    (
        hard > 0,
        form.iter().any(|finding| finding.is_other_kind(place)),
        form.iter().any(|finding| finding.is_other_form(place)),
        hard,
        std::cmp::Reverse(depth),
        form.len() - hard,
    )
}

/// Says each thing once. A value of the wrong type is not also out of range, unknown, or badly formed.
fn settle(findings: Vec<Finding>) -> Vec<Finding> {
    let mistyped: Vec<String> =
        findings.iter().filter(|f| f.problem.code == code::TYPE).map(|f| f.problem.place.clone()).collect();
    let mut settled: Vec<Finding> = Vec::new();
    for finding in findings {
        let of_type = finding.problem.code == code::TYPE;
        if !of_type && mistyped.contains(&finding.problem.place) {
            continue;
        }
        let twin = |other: &Finding| {
            other.problem.place == finding.problem.place
                && other.problem.code == finding.problem.code
                && (of_type || other.problem.reason == finding.problem.reason)
        };
        if !settled.iter().any(twin) {
            settled.push(finding);
        }
    }
    settled
}

/// The finding of an error that has no errors inside.
fn leaf(error: &ValidationError<'_>) -> Finding {
    let place = error.instance_path().as_str();
    let value = error.instance().as_ref();
    let plain = |code, reason: String| Finding::new(code, place, reason);
    let number =
        |words: &str, limit: &Value| plain(code::RANGE, format!("must be {words} {limit}, is {}", shown(value)));
    let size = |words: &str, limit: u64| plain(code::SIZE, format!("must have {words} {limit} {}", unit(value, limit)));
    match error.kind() {
        Kind::Type { kind } => of_type(place, value, kind),
        Kind::Enum { options } => of_options(place, value, options.as_array().cloned().unwrap_or_default(), false),
        Kind::Constant { expected_value } => of_options(place, value, vec![(**expected_value).clone()], true),
        Kind::Required { property } => {
            Finding::new(code::MISSING, &pointer(place, property.as_str().unwrap_or_default()), "is missing")
        }
        Kind::Minimum { limit } => number("at least", limit),
        Kind::Maximum { limit } => number("at most", limit),
        Kind::ExclusiveMinimum { limit } => number("more than", limit),
        Kind::ExclusiveMaximum { limit } => number("less than", limit),
        Kind::MultipleOf { multiple_of } => number("a multiple of", &Value::from(*multiple_of)),
        Kind::MinLength { limit } | Kind::MinItems { limit } | Kind::MinProperties { limit } => {
            size("at least", *limit)
        }
        Kind::MaxLength { limit } | Kind::MaxItems { limit } | Kind::MaxProperties { limit } => size("at most", *limit),
        Kind::AdditionalItems { limit } => size("at most", *limit as u64),
        Kind::Format { format } => {
            plain(code::FORMAT, format!("must be {}, is {}", format_in_words(format), shown(value)))
        }
        Kind::Pattern { pattern } => plain(code::PATTERN, format!("must match {pattern}, is {}", shown(value))),
        Kind::UniqueItems => plain(code::DUPLICATE, "has the same item twice".to_owned()),
        Kind::OneOfMultipleValid { .. } => {
            plain(code::AMBIGUOUS, "fits more than one of the forms that it may have".to_owned())
        }
        Kind::PropertyNames { error } => {
            let name = error.instance().as_str().unwrap_or_default();
            let inner = leaf(error).into_problem();
            Finding::new(code::PATTERN, &pointer(place, name), format!("as a name {}", inner.reason))
        }
        _ => plain(code::REFUSED, "does not fit what is allowed here".to_owned()),
    }
}

fn of_type(place: &str, value: &Value, kind: &TypeKind) -> Finding {
    let types = match kind {
        TypeKind::Single(one) => JsonTypeSet::from(*one),
        TypeKind::Multiple(many) => *many,
    };
    let found =
        if value.is_number() && types.contains(JsonType::Integer) { shown(value) } else { kind_of(value).into() };
    Finding { types, found, ..Finding::new(code::TYPE, place, "") }
}

fn of_options(place: &str, value: &Value, options: Vec<Value>, constant: bool) -> Finding {
    Finding { options, found: shown(value), constant, ..Finding::new(code::ENUM, place, "") }
}

fn types_in_words(types: JsonTypeSet) -> String {
    let words: Vec<&str> = [
        (JsonType::String, "a text"),
        (JsonType::Integer, "a whole number"),
        (JsonType::Number, "a number"),
        (JsonType::Boolean, "a boolean"),
        (JsonType::Array, "a list"),
        (JsonType::Object, "an object"),
        (JsonType::Null, "null"),
    ]
    .into_iter()
    .filter(|(kind, _)| types.contains(*kind) && !(*kind == JsonType::Integer && types.contains(JsonType::Number)))
    .map(|(_, word)| word)
    .collect();
    either(&words)
}

fn options_in_words(options: &[Value]) -> String {
    let words: Vec<String> = options.iter().take(MAX_OPTIONS).map(shown).collect();
    let mut words: Vec<&str> = words.iter().map(String::as_str).collect();
    let more = format!("{} others", options.len().saturating_sub(MAX_OPTIONS));
    if options.len() > MAX_OPTIONS {
        words.push(&more);
    }
    either(&words)
}

/// "a", "a or b", "a, b or c".
fn either(words: &[&str]) -> String {
    match words {
        [] => "something else".to_owned(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

fn format_in_words(format: &str) -> &str {
    match format {
        "date-time" => "a date and time like 2026-11-22T10:15:30Z",
        "date" => "a date like 2026-11-22",
        "uuid" => "a UUID like 123e4567-e89b-12d3-a456-426614174000",
        other => other,
    }
}

fn unit(value: &Value, count: u64) -> &'static str {
    match (value, count) {
        (Value::String(_), 1) => "character",
        (Value::String(_), _) => "characters",
        (Value::Object(_), 1) => "member",
        (Value::Object(_), _) => "members",
        (_, 1) => "item",
        _ => "items",
    }
}

/// A value as a reason repeats it: scalars as they are, shortened; of the rest only the type.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => format!("\"{}\"", shorten(text)),
        Value::Array(_) | Value::Object(_) => kind_of(value).to_owned(),
        scalar => scalar.to_string(),
    }
}

fn shorten(text: &str) -> String {
    let letters = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter });
    let mut short: String = letters.take(MAX_LETTERS).collect();
    if text.chars().nth(MAX_LETTERS).is_some() {
        short.push('…');
    }
    short
}

/// A copy that is small enough to be explained: the validator copies what it complains of, once per form of a union,
/// and lists every mistake there is. Long texts and lists lose their ends.
pub(super) fn prune(value: &Value) -> Value {
    let mut budget = MAX_VALUES;
    cut(value, &mut budget)
}

fn cut(value: &Value, budget: &mut usize) -> Value {
    *budget = budget.saturating_sub(1);
    match value {
        Value::String(text) if text.len() > MAX_BYTES => {
            let end = (0..=MAX_BYTES).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
            Value::from(&text[..end])
        }
        Value::Array(items) => {
            let mut kept = Vec::new();
            for item in items {
                // The first stays, so that no list seems to be empty.
                if *budget == 0 && !kept.is_empty() {
                    break;
                }
                kept.push(cut(item, budget));
            }
            Value::Array(kept)
        }
        Value::Object(members) => {
            Value::Object(members.iter().map(|(name, value)| (name.clone(), cut(value, budget))).collect())
        }
        scalar => scalar.clone(),
    }
}
