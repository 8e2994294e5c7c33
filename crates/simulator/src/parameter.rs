//! A value that arrives as text: in a slot, the query or a form.

use crate::refusal::Fault;
use crate::{mistakes, wire};
use connectors::openapi::catalogue::{Catalogue, Encoding};
use jsonschema::Validator;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::sync::OnceLock;

/// What the official SDKs send in JSON text where no filter is given.
const UNSET: &str = "~?~unset~?~sentinel~?~";

/// One parameter or form field.
#[derive(Debug)]
pub(crate) struct Parameter {
    pub(crate) name: String,
    pub(crate) required: bool,
    pub(crate) encoding: Encoding,
    schema: Value,
    /// Made from the schema on first use: most operations are never called.
    rule: OnceLock<Rule>,
}

#[derive(Debug)]
struct Rule {
    validator: Option<Validator>,
    kinds: Kinds,
    item_kinds: Kinds,
    /// Of an object, its described members.
    members: Vec<(String, Kinds)>,
}

/// Which JSON types a text may stand for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Kinds {
    text: bool,
    integer: bool,
    number: bool,
    boolean: bool,
    list: bool,
}

impl Parameter {
    /// `schema` as in the catalogue.
    pub(crate) fn new(name: &str, required: bool, encoding: Encoding, schema: &Value) -> Self {
        Self { name: name.to_owned(), required, encoding, schema: schema.clone(), rule: OnceLock::new() }
    }

    /// Reads what was given, once or several times.
    pub(crate) fn read(&self, catalogue: &Catalogue, given: &[Cow<'_, str>], whole: &str) -> Result<Value, Vec<Fault>> {
        let rule = self.rule.get_or_init(|| Rule::new(catalogue, &self.schema));
        let place = [whole, self.name.as_str()];
        let fault = |kind, message: &str| Err(vec![Fault::new(kind, &place, message)]);
        match given {
            _ if rule.kinds.list && self.encoding == Encoding::Form => match rule.items(given) {
                Some(items) => rule.check(items, &place),
                None => fault(rule.item_kinds.fault(), "an item has the wrong type"),
            },
            // Newer versions of the official SDK write it as a JSON text.
            [text] if self.encoding == Encoding::Json && text.trim_matches('"') == UNSET => Ok(Value::Null),
            [text] if self.encoding == Encoding::Json => match serde_json::from_str(text) {
                Ok(value) => rule.check(value, &place),
                Err(_) => fault("json_invalid", "the value is not JSON"),
            },
            [text] => {
                let mut problems = vec![Fault::new(rule.kinds.fault(), &place, "the value has the wrong type")];
                for value in rule.kinds.candidates(text) {
                    match rule.check(value, &place) {
                        Ok(value) => return Ok(value),
                        Err(found) => problems = found,
                    }
                }
                Err(problems)
            }
            _ => fault("list_unexpected", "the value is given more than once"),
        }
    }

    /// Reads a form's field by its type alone: the body is judged as a whole afterwards.
    pub(crate) fn read_field(&self, catalogue: &Catalogue, given: &[Cow<'_, str>]) -> Result<Value, Fault> {
        let rule = self.rule.get_or_init(|| Rule::new(catalogue, &self.schema));
        let fault = |kind, message: &str| Fault::new(kind, &["body", &self.name], message);
        if rule.kinds.list {
            return rule.items(given).ok_or_else(|| fault(rule.item_kinds.fault(), "an item has the wrong type"));
        }
        let [text] = given else { return Err(fault("list_unexpected", "the value is given more than once")) };
        let value = rule.kinds.candidates(text).into_iter().next();
        value.ok_or_else(|| fault(rule.kinds.fault(), "the value has the wrong type"))
    }

    /// Reads an object that is spread over keys of its own. Members that nothing describes are texts, or lists of
    /// them.
    pub(crate) fn read_spread(&self, catalogue: &Catalogue, given: &[Group<'_>]) -> Result<Value, Vec<Fault>> {
        let rule = self.rule.get_or_init(|| Rule::new(catalogue, &self.schema));
        let mut members = Map::new();
        for (name, texts) in given {
            let known = rule.members.iter().find(|(known, _)| known == name).map(|(_, kinds)| *kinds);
            if known.is_none() && !rule.members.is_empty() {
                return Err(vec![Fault::new("extra_forbidden", &["query", name], "extra inputs are not permitted")]);
            }
            let kinds = known.unwrap_or(Kinds { text: true, ..Kinds::default() });
            let value = |text: &Cow<'_, str>| kinds.candidates(text).into_iter().next().unwrap_or(Value::Null);
            let value = if let [one] = &texts[..] { value(one) } else { texts.iter().map(value).collect() };
            members.insert(name.to_string(), value);
        }
        rule.check(Value::Object(members), &["query", &self.name])
    }

    /// Whether a file is expected here rather than a text.
    pub(crate) fn is_file(&self, catalogue: &Catalogue) -> bool {
        let whole = catalogue.resolved(&self.schema);
        let mut binary = false;
        walk(&whole, &whole, 0, &mut |schema| {
            binary |= schema.get("format").and_then(Value::as_str) == Some("binary");
        });
        binary
    }
}

impl Rule {
    fn new(catalogue: &Catalogue, schema: &Value) -> Self {
        let schema = catalogue.resolved(schema);
        let kinds = Kinds::of(&schema, &schema);
        let mut item_kinds = Kinds::default();
        walk(&schema, &schema, 0, &mut |part| {
            if let Some(items) = part.get("items") {
                item_kinds = Kinds::of(&schema, items);
            }
        });
        let mut members = Vec::new();
        walk(&schema, &schema, 0, &mut |part| {
            let properties = part.get("properties").and_then(Value::as_object).into_iter().flatten();
            members.extend(properties.map(|(name, property)| (name.clone(), Kinds::of(&schema, property))));
        });
        Self { validator: crate::operation::validator(&schema), kinds, item_kinds, members }
    }

    /// A list of what was given, each item read by its type.
    fn items(&self, given: &[Cow<'_, str>]) -> Option<Value> {
        given
            .iter()
            .map(|text| self.item_kinds.candidates(text).into_iter().next())
            .collect::<Option<Vec<_>>>()
            .map(Value::Array)
    }

    fn check(&self, value: Value, place: &[&str]) -> Result<Value, Vec<Fault>> {
        let problems = self.validator.as_ref().map(|validator| mistakes::find(validator, &value, place));
        match problems {
            Some(problems) if !problems.is_empty() => Err(problems),
            _ => Ok(value),
        }
    }
}

impl Kinds {
    fn of(root: &Value, schema: &Value) -> Self {
        let mut kinds = Self::default();
        let mut any = true;
        walk(root, schema, 0, &mut |part| {
            let declared = part.get("type");
            let names = declared.and_then(Value::as_str).into_iter();
            let names = names.chain(declared.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str));
            for name in names {
                any = false;
                match name {
                    "string" => kinds.text = true,
                    "integer" => kinds.integer = true,
                    "number" => kinds.number = true,
                    "boolean" => kinds.boolean = true,
                    "array" => kinds.list = true,
                    _ => {}
                }
            }
        });
        kinds.text |= any;
        kinds
    }

    /// The values that a text may stand for, the narrowest first.
    fn candidates(self, text: &str) -> Vec<Value> {
        let mut found = Vec::new();
        if self.integer
            && let Ok(number) = text.parse::<i64>()
        {
            found.push(number.into());
        }
        if self.number
            && let Ok(number) = text.parse::<f64>()
            && let Some(number) = serde_json::Number::from_f64(number)
        {
            found.push(number.into());
        }
        if self.boolean
            && let Ok(value) = text.parse::<bool>()
        {
            found.push(value.into());
        }
        if self.text {
            found.push(text.into());
        }
        found
    }

    fn fault(self) -> &'static str {
        match self {
            Self { integer: true, .. } => "int_parsing",
            Self { number: true, .. } => "float_parsing",
            Self { boolean: true, .. } => "bool_parsing",
            _ => "string_type",
        }
    }
}

/// Shows a schema, what it refers to and its alternatives: all that speak of the same value.
fn walk<'s>(root: &'s Value, schema: &'s Value, depth: usize, show: &mut impl FnMut(&'s Map<String, Value>)) {
    const DEEP: usize = 16;
    let Value::Object(keywords) = schema else { return };
    if depth == DEEP {
        return;
    }
    show(keywords);
    let reference = keywords.get("$ref").and_then(Value::as_str).and_then(|target| target.strip_prefix('#'));
    if let Some(target) = reference.and_then(|target| root.pointer(target)) {
        walk(root, target, depth + 1, show);
    }
    for keyword in ["allOf", "anyOf", "oneOf"] {
        for part in keywords.get(keyword).and_then(Value::as_array).into_iter().flatten() {
            walk(root, part, depth + 1, show);
        }
    }
}

/// The fields of a form: the properties of its schema, whatever alternatives they stand in.
pub(crate) fn fields(catalogue: &Catalogue, schema: &Value) -> Vec<Parameter> {
    let whole = catalogue.resolved(schema);
    let mut fields: Vec<Parameter> = Vec::new();
    walk(&whole, &whole, 0, &mut |part| {
        for (name, property) in part.get("properties").and_then(Value::as_object).into_iter().flatten() {
            if fields.iter().all(|field| field.name != *name) {
                let mut property = property.clone();
                // A schema of its own must hold what it refers to.
                if let (Value::Object(property), Some(defs)) = (&mut property, whole.get("$defs")) {
                    property.insert("$defs".to_owned(), defs.clone());
                }
                fields.push(Parameter::new(name, false, Encoding::Form, &property));
            }
        }
    });
    fields
}

/// A name, and the values given for it.
pub(crate) type Group<'t> = (Cow<'t, str>, Vec<Cow<'t, str>>);

/// Names and values of a query or form, grouped by name in the order of first occurrence.
pub(crate) fn grouped(text: &str) -> Option<Vec<Group<'_>>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for (name, value) in wire::pairs(text)? {
        match groups.iter_mut().find(|(known, _)| *known == name) {
            Some((_, values)) => values.push(value),
            None => groups.push((name, vec![value])),
        }
    }
    Some(groups)
}
