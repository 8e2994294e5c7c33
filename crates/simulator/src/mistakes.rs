//! What a validator finds, in the service's form.

use crate::refusal::Fault;
use jsonschema::error::{TypeKind, ValidationError, ValidationErrorKind};
use jsonschema::{JsonType, Validator};
use serde_json::Value;

/// More are of no use to anybody.
const MAX_FAULTS: usize = 20;

/// What is wrong with a value that stands at `place`; empty where nothing is.
pub(crate) fn find(validator: &Validator, value: &Value, place: &[&str]) -> Vec<Fault> {
    let mut faults = Vec::new();
    if validator.is_valid(value) {
        return faults;
    }
    for error in validator.iter_errors(value) {
        describe(&error, place, &mut faults);
        if faults.len() >= MAX_FAULTS {
            break;
        }
    }
    faults.truncate(MAX_FAULTS);
    faults
}

fn describe(error: &ValidationError<'_>, place: &[&str], faults: &mut Vec<Fault>) {
    let at = |name: Option<&str>| {
        let mut whole: Vec<Value> = place.iter().map(|part| (*part).into()).collect();
        for part in error.instance_path().as_str().split('/').skip(1) {
            let text = part.replace("~1", "/").replace("~0", "~");
            whole.push(text.parse::<u64>().map_or_else(|_| text.into(), Value::from));
        }
        whole.extend(name.map(Value::from));
        whole
    };
    let mut push = |name: Option<&str>, kind, message: String| faults.push(Fault { place: at(name), message, kind });
    match error.kind() {
        ValidationErrorKind::Required { property } => push(property.as_str(), "missing", "field required".to_owned()),
        ValidationErrorKind::AdditionalProperties { unexpected } => {
            for name in unexpected {
                push(Some(name), "extra_forbidden", "extra inputs are not permitted".to_owned());
            }
        }
        ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context } => {
            match meant(error, context) {
                Some(branch) => branch.iter().for_each(|error| describe(error, place, faults)),
                None => push(None, "union_error", "the value fits none of the allowed forms".to_owned()),
            }
        }
        kind => push(None, word(kind), error.masked().to_string()),
    }
}

/// The one branch of a choice that a value was meant for: its type and its tag fit.
fn meant<'e>(
    error: &ValidationError<'_>,
    context: &'e [Vec<ValidationError<'static>>],
) -> Option<&'e [ValidationError<'static>]> {
    let here = error.instance_path().as_str();
    let foreign = |inner: &ValidationError<'_>| match inner.kind() {
        ValidationErrorKind::Type { .. } => inner.instance_path().as_str() == here,
        ValidationErrorKind::Constant { .. } => true,
        _ => false,
    };
    let mut near = context.iter().filter(|branch| !branch.iter().any(foreign));
    near.next().filter(|_| near.next().is_none()).map(Vec::as_slice)
}

fn word(kind: &ValidationErrorKind) -> &'static str {
    match kind {
        ValidationErrorKind::Type { kind: TypeKind::Single(wanted) } => type_word(*wanted),
        // "Or null" is not what a value was meant for.
        ValidationErrorKind::Type { kind: TypeKind::Multiple(wanted) } => {
            wanted.iter().find(|wanted| *wanted != JsonType::Null).map_or("value_error", type_word)
        }
        ValidationErrorKind::Constant { .. } => "literal_error",
        ValidationErrorKind::Enum { .. } => "enum",
        ValidationErrorKind::Minimum { .. } => "greater_than_equal",
        ValidationErrorKind::ExclusiveMinimum { .. } => "greater_than",
        ValidationErrorKind::Maximum { .. } => "less_than_equal",
        ValidationErrorKind::ExclusiveMaximum { .. } => "less_than",
        ValidationErrorKind::MinLength { .. } => "string_too_short",
        ValidationErrorKind::MaxLength { .. } => "string_too_long",
        ValidationErrorKind::MinItems { .. } => "too_short",
        ValidationErrorKind::MaxItems { .. } => "too_long",
        ValidationErrorKind::Pattern { .. } => "string_pattern_mismatch",
        ValidationErrorKind::OneOfMultipleValid { .. } => "union_error",
        _ => "value_error",
    }
}

fn type_word(wanted: JsonType) -> &'static str {
    match wanted {
        JsonType::String => "string_type",
        JsonType::Integer => "int_type",
        JsonType::Number => "float_type",
        JsonType::Boolean => "bool_type",
        JsonType::Array => "list_type",
        JsonType::Object => "dict_type",
        JsonType::Null => "none_required",
    }
}
