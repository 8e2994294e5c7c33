//! JSON Schema: the one place that sees the validator.
//!
//! The validator says whether a value fits; what it says about a value that does not is put into our words here:
//! one problem per mistake, at the value it is about, and through a union only what is wrong with the form that was
//! most likely meant.

mod explain;
mod format;

use crate::Problem;
use explain::Explainer;
use serde_json::Value;

/// The largest number of problems that one look at a value reports.
pub const MAX_PROBLEMS: usize = 20;

/// What the code of a problem with a value can be.
///
/// Callers choose by code how much a problem matters: a schema may be older than the service that it describes, so
/// [`UNKNOWN_FIELD`](code::UNKNOWN_FIELD) and [`AMBIGUOUS`](code::AMBIGUOUS) often deserve a warning only.
pub mod code {
    /// The schema itself is none.
    pub const WRONG: &str = "schema_wrong";
    /// A member that must be there is not.
    pub const MISSING: &str = "schema_missing";
    /// A value is of another JSON type.
    pub const TYPE: &str = "schema_type";
    /// An object has a member that the schema does not know.
    pub const UNKNOWN_FIELD: &str = "schema_unknown_field";
    /// A value is not among those allowed.
    pub const ENUM: &str = "schema_enum";
    /// A number is too small, too large, or no multiple of the step.
    pub const RANGE: &str = "schema_range";
    /// A text, list or object is too short or too long.
    pub const SIZE: &str = "schema_size";
    /// A text does not have the form that its format asks for.
    pub const FORMAT: &str = "schema_format";
    /// A text does not match a pattern.
    pub const PATTERN: &str = "schema_pattern";
    /// A list has the same item twice.
    pub const DUPLICATE: &str = "schema_duplicate";
    /// A value fits more than one form where it must fit exactly one.
    pub const AMBIGUOUS: &str = "schema_ambiguous";
    /// The schema refuses the value for another reason.
    pub const REFUSED: &str = "schema_refused";
}

/// A compiled schema that explains what does not fit.
#[derive(Debug)]
pub struct Checker {
    validator: jsonschema::Validator,
    schema: Value,
}

impl Checker {
    /// Compiles a schema (draft 2020-12). References outside the document are an error: nothing is fetched.
    ///
    /// Patterns are matched in linear time, so look-around and back-references are errors too. Of the formats only
    /// `date-time`, `date` and `uuid` are asserted, and in the widest form that services read: a wrong one is a
    /// slip that is cheap to find here, while for `uri`, `email`, `duration` and the like every service draws its
    /// own line, and refusing what it would have taken is worse than sending what it refuses.
    ///
    /// # Errors
    /// `schema_wrong` where the schema is none.
    pub fn compile(schema: &Value) -> Result<Self, Problem> {
        format::assert_ours(jsonschema::options())
            .with_draft(jsonschema::Draft::Draft202012)
            .with_pattern_options(jsonschema::PatternOptions::regex())
            .offline()
            .build(schema)
            .map(|validator| Self { validator, schema: schema.clone() })
            .map_err(|error| {
                Problem::new(code::WRONG, error.masked().to_string()).at(error.instance_path().as_str().to_owned())
            })
    }

    /// Whether the value fits. Fast: no explanation is built.
    #[must_use]
    pub fn fits(&self, value: &Value) -> bool {
        self.validator.is_valid(value)
    }

    /// Everything that does not fit, all of it as errors, at most [`MAX_PROBLEMS`]. Places are JSON pointers into
    /// the value; for a missing or unknown member it is the pointer of that member.
    #[must_use]
    pub fn problems(&self, value: &Value) -> Vec<Problem> {
        if self.fits(value) {
            return Vec::new();
        }
        let explainer = Explainer::new(&self.schema);
        let problems = explainer.explain(self.validator.iter_errors(&explain::prune(value)));
        if problems.is_empty() {
            // What is wrong was in the part that was cut off.
            return explainer.explain(self.validator.validate(value).err().into_iter());
        }
        problems
    }
}

/// A JSON pointer as a place in definitions: `/routes/describe/steps/0` becomes `routes.describe.steps[0]`.
///
/// Digits are taken for the index of a list; a member whose name is a number reads the same.
#[must_use]
pub fn dotted(pointer: &str) -> String {
    let mut place = String::with_capacity(pointer.len());
    for segment in pointer.split('/').skip(1) {
        let segment = segment.replace("~1", "/").replace("~0", "~");
        if !segment.is_empty() && segment.bytes().all(|byte| byte.is_ascii_digit()) {
            place.push_str(&format!("[{segment}]"));
            continue;
        }
        if !place.is_empty() {
            place.push('.');
        }
        place.push_str(&segment);
    }
    place
}

/// The JSON pointer of a member: `pointer("/payload", "a/b")` is `/payload/a~1b`.
#[must_use]
pub fn pointer(outer: &str, member: &str) -> String {
    format!("{outer}/{}", member.replace('~', "~0").replace('/', "~1"))
}
