//! One operation: from request to HTTP call, from answer to what it says.

use super::{refusal, usage};
use crate::openapi::catalogue::{Catalogue, Entry};
use crate::openapi::preflight::{Checks, join};
use crate::openapi::{answer, build, paging, served};
use model::http::Preflight;
use model::{Credential, Effect, Evidence, HttpAnswer, Operation, Prepared, Problem, Reading, Request};
use serde_json::Value;
use std::sync::OnceLock;

/// An operation of the catalogue. Its schemas are compiled when they are first needed, once.
#[derive(Debug)]
pub(super) struct EntryOperation {
    catalogue: &'static Catalogue,
    entry: &'static Entry,
    checks: OnceLock<Result<Checks, Problem>>,
}

impl EntryOperation {
    pub(super) fn new(catalogue: &'static Catalogue, entry: &'static Entry) -> Self {
        Self { catalogue, entry, checks: OnceLock::new() }
    }

    /// What is wrong with a request that data will still be laid over.
    pub(super) fn literals(&self, request: &Request) -> Vec<Problem> {
        match self.checks() {
            Ok(checks) => checks.literals(self.entry, request),
            Err(problem) => vec![problem.clone()],
        }
    }

    fn checks(&self) -> Result<&Checks, &Problem> {
        self.checks.get_or_init(|| Checks::compile(self.catalogue, self.entry)).as_ref()
    }

    fn preflight(&self, request: &Request, preflight: Preflight) -> Vec<Problem> {
        if preflight == Preflight::Off {
            return Vec::new();
        }
        match self.checks() {
            Ok(checks) => checks.problems(request, preflight),
            Err(problem) => vec![problem.clone()],
        }
    }

    fn success(&self, answer: &HttpAnswer) -> (Value, Option<Problem>) {
        match answer::json(answer) {
            Ok(value) if answer.body.is_empty() && !answer::may_be_empty(self.entry, answer.status) => {
                (value, Some(Problem::new("bad_answer", "the answer is empty, the operation answers with JSON")))
            }
            Ok(value) => (value, None),
            Err((text, problem)) => (text, Some(problem)),
        }
    }
}

impl Operation for EntryOperation {
    fn title(&self) -> &str {
        &self.entry.title
    }

    fn signature(&self) -> String {
        format!("{} {}", self.entry.method.as_str(), self.entry.path)
    }

    /// As the catalogue says; but an execution of a workflow can only be found again by an id that we gave it.
    fn effect(&self, request: &Request) -> Effect {
        let named = || request.payload.as_ref().and_then(|payload| payload.get("execution_id")?.as_str());
        if self.entry.effect == Effect::Findable
            && self.entry.path.ends_with("/execute")
            && named().is_none_or(str::is_empty)
        {
            return Effect::Create;
        }
        self.entry.effect
    }

    fn credential(&self) -> Credential {
        self.entry.credential
    }

    fn prepare(&self, request: &Request, preflight: Preflight) -> Result<Prepared, Vec<Problem>> {
        if let Some(problem) = served::refusal(self.entry).or_else(|| served::request_refusal(self.entry, request)) {
            return Err(vec![problem]);
        }
        let noticed = self.preflight(request, preflight);
        match build::build(self.entry, request) {
            Ok(http) if !noticed.iter().any(Problem::is_error) => Ok(Prepared { http, warnings: noticed }),
            Ok(_) => Err(noticed),
            Err(mut problems) => {
                join(&mut problems, noticed.into_iter());
                Err(problems)
            }
        }
    }

    fn read(&self, answer: &HttpAnswer) -> Reading {
        let evidence = answer::evidence(answer);
        if evidence == Evidence::Answered {
            let (value, problem) = self.success(answer);
            let usage = usage::usage(self.entry, &value);
            return Reading { evidence, answer: value, usage, problem, permanent: false };
        }
        let value = answer::json(answer).unwrap_or_else(|(text, _)| text);
        let problem = refusal::problem(self.entry, answer, &value);
        Reading {
            evidence,
            answer: value,
            usage: None,
            problem: Some(problem),
            permanent: refusal::is_permanent(answer),
        }
    }

    fn items(&self, answer: &Value) -> Option<Vec<Value>> {
        paging::items(self.entry, answer)
    }

    fn next_page(&self, request: &Request, answer: &Value, page: u32) -> Option<Request> {
        paging::next_page(self.entry, request, answer, page)
    }
}
