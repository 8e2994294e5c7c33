//! Preflight: does a request fit what the catalogue says of its operation?

use super::build::parameters;
use super::catalogue::{Body, BodyKind, Catalogue, Encoding, Entry, Location, Parameter};
use super::close::close;
use super::{build, form};
use model::http::Preflight;
use model::schema::{Checker, code, pointer};
use model::{Problem, Request, suggest};
use serde_json::{Map, Value};

/// What can be wrong with a value that is written into a definition, whatever the data will add to it.
const LITERAL: [&str; 5] = [code::TYPE, code::ENUM, code::RANGE, code::FORMAT, code::PATTERN];

/// The compiled schemas of one operation.
#[derive(Debug)]
pub struct Checks {
    path: Vec<Check>,
    query: Vec<Check>,
    payload: Option<Checker>,
    payload_required: bool,
}

#[derive(Debug)]
struct Check {
    name: String,
    required: bool,
    encoding: Encoding,
    checker: Checker,
}

impl Checks {
    /// Compiles the schemas of an entry: a few milliseconds for the largest.
    ///
    /// Objects that the document leaves open without saying so are closed, so that a field that the service does
    /// not know, and mostly passes over in silence, is noticed.
    ///
    /// # Errors
    /// `schema_wrong` where a schema of the catalogue is none.
    pub fn compile(catalogue: &Catalogue, entry: &Entry) -> Result<Self, Problem> {
        let compile = |schema: &Value| {
            let mut document = catalogue.resolved(schema);
            close(&mut document);
            Checker::compile(&document)
        };
        let compile_body = |body: &Body| {
            if body.kind == BodyKind::Json {
                return compile(&body.schema);
            }
            let mut document = catalogue.resolved(&body.schema);
            form::describe_files(&mut document);
            close(&mut document);
            Checker::compile(&document)
        };
        let checks = |location| -> Result<Vec<Check>, Problem> {
            let check = |parameter: &Parameter| {
                Ok(Check {
                    name: parameter.name.clone(),
                    required: parameter.required,
                    encoding: parameter.encoding,
                    checker: compile(&parameter.schema)?,
                })
            };
            parameters(entry, location).map(check).collect()
        };
        Ok(Self {
            path: checks(Location::Path)?,
            query: checks(Location::Query)?,
            payload: entry.body.as_ref().map(compile_body).transpose()?,
            payload_required: entry.body.as_ref().is_some_and(|body| body.required),
        })
    }

    /// Everything about a request that does not fit, by the severity that `preflight` gives it. Missing and wrong
    /// values matter more than fields that the catalogue does not know: it may be older than the service.
    #[must_use]
    pub fn problems(&self, request: &Request, preflight: Preflight) -> Vec<Problem> {
        if preflight == Preflight::Off {
            return Vec::new();
        }
        let matters = |problem: &Problem| {
            preflight == Preflight::Refuse && ![code::UNKNOWN_FIELD, code::AMBIGUOUS].contains(&&*problem.code)
        };
        let weigh = |problem: Problem| if matters(&problem) { problem } else { problem.warning() };
        self.all(request).into_iter().map(weigh).collect()
    }

    /// What is wrong with the values of a request that data will still be laid over: what is missing yet, and fields
    /// that are not known, are none of it. Places are JSON pointers into the request.
    #[must_use]
    pub fn literals(&self, entry: &Entry, request: &Request) -> Vec<Problem> {
        let mut problems: Vec<Problem> = build::build(entry, request).err().unwrap_or_default();
        problems.retain(|problem| problem.code != "path_missing");
        let wrong = self.all(request).into_iter().filter(|problem| LITERAL.contains(&&*problem.code));
        join(&mut problems, wrong);
        problems
    }

    fn all(&self, request: &Request) -> Vec<Problem> {
        let mut problems = Vec::new();
        for check in &self.path {
            // What is missing or no scalar cannot be sent; the build says so.
            if let Some(value) = request.path.get(&check.name).filter(|value| value.is_string() || value.is_number()) {
                check.look("/path", value, &mut problems);
            }
        }
        self.query(&request.query, &mut problems);
        match (&self.payload, &request.payload) {
            (Some(checker), Some(payload)) => {
                problems.extend(checker.problems(payload).into_iter().map(|problem| problem.within("/payload")));
            }
            (_, None) if self.payload_required => {
                problems
                    .push(Problem::new(code::MISSING, "is missing").at("/payload").hint("the operation needs a body"));
            }
            _ => {}
        }
        problems
    }

    fn query(&self, given: &Map<String, Value>, problems: &mut Vec<Problem>) {
        for check in &self.query {
            match given.get(&check.name) {
                None | Some(Value::Null) if check.required => {
                    problems.push(Problem::new(code::MISSING, "is missing").at(pointer("/query", &check.name)));
                }
                None | Some(Value::Null) => {}
                Some(value) => check.look("/query", value, problems),
            }
        }
        for name in given.keys().filter(|name| !self.query.iter().any(|check| check.name == **name)) {
            let problem = Problem::new(code::UNKNOWN_FIELD, format!("the operation has no query parameter \"{name}\""))
                .at(pointer("/query", name));
            problems.push(match suggest::hint(name, self.query.iter().map(|check| check.name.as_str())) {
                Some(hint) => problem.hint(hint),
                None => problem,
            });
        }
    }
}

impl Check {
    fn look(&self, outer: &str, value: &Value, problems: &mut Vec<Problem>) {
        if self.checker.fits(value) || self.readings(value).iter().any(|value| self.checker.fits(value)) {
            return;
        }
        let place = pointer(outer, &self.name);
        problems.extend(self.checker.problems(value).into_iter().map(|problem| problem.within(&place)));
    }

    /// What the far side may read of a value: in a URL all is text, so `"10"` is 10 and one value is a list of one.
    fn readings(&self, value: &Value) -> Vec<Value> {
        let read = |value: &Value| {
            let text = value.as_str()?;
            let read: Value = serde_json::from_str(text).ok()?;
            (self.encoding == Encoding::Json || read.is_number() || read.is_boolean()).then_some(read)
        };
        match value {
            Value::Array(items) => {
                vec![items.iter().map(|item| read(item).unwrap_or_else(|| item.clone())).collect()]
            }
            one => {
                let mut readings = vec![Value::Array(vec![one.clone()])];
                if let Some(read) = read(one) {
                    readings.push(Value::Array(vec![read.clone()]));
                    readings.push(read);
                }
                readings
            }
        }
    }
}

/// Adds problems at places that none was reported for.
pub(crate) fn join(problems: &mut Vec<Problem>, more: impl Iterator<Item = Problem>) {
    for problem in more {
        if !problems.iter().any(|told| told.place == problem.place) {
            problems.push(problem);
        }
    }
}
