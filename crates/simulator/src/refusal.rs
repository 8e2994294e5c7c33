//! Why a request is refused, and how the service says so.

use crate::answer::Answer;
use serde_json::{Value, json};

/// One thing that is wrong with a request, as the service lists it in a 422.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Fault {
    /// `path`, `query`, `header` or `body`, then names and numbers on the way.
    pub(crate) place: Vec<Value>,
    /// What is wrong, for people.
    pub(crate) message: String,
    /// What is wrong, for programs: `missing`, `extra_forbidden`, ….
    pub(crate) kind: &'static str,
}

impl Fault {
    pub(crate) fn new(kind: &'static str, place: &[&str], message: impl Into<String>) -> Self {
        Self { place: place.iter().map(|part| (*part).into()).collect(), message: message.into(), kind }
    }
}

/// Why a request is not served.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Refusal {
    /// No key, a wrong one, or in the wrong place.
    Unauthorized,
    /// No operation has this path.
    UnknownPath,
    /// The path is known with these methods.
    Method(Vec<&'static str>),
    /// The client accepts none of the operation's media types.
    NotAcceptable(Vec<String>),
    /// The body is larger than we read.
    TooLarge(usize),
    /// The request does not fit the operation.
    Invalid(Vec<Fault>),
    /// The operation is there, the object is not.
    Missing { what: &'static str, id: String },
    /// There is an object of this name already.
    Taken { what: &'static str, id: String },
    /// The object is there, and does not allow this.
    Forbidden(String),
    /// The simulator itself failed.
    Broken(String),
}

/// How a group of operations speaks of errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// `{"detail": [{loc, msg, type}]}` for faults, `{"object": "error", "message", "type", "param", "code"}` else.
    Plain,
    /// `{"detail": {"message", "error_code"}}` for everything.
    Observability,
    /// `{"detail": …, "code": "WF_nnnn"}` for what is missing.
    Workflows,
}

impl Form {
    /// The form of an area of the catalogue.
    pub(crate) fn of(area: &str) -> Self {
        if area.starts_with("beta.observability") {
            Self::Observability
        } else if area.starts_with("workflows") || area == "events" {
            Self::Workflows
        } else {
            Self::Plain
        }
    }
}

impl Refusal {
    /// The answer that says so.
    pub(crate) fn answer(&self, form: Form) -> Answer {
        let answer = Answer::json(self.status(), &self.body(form));
        match self {
            Self::Method(allowed) => answer.header("allow", &allowed.join(", ")),
            // What is left of the body is not read, so nothing can follow it.
            Self::TooLarge(_) => answer.header("connection", "close"),
            Self::Unauthorized => answer.header("www-authenticate", "Bearer"),
            _ => answer,
        }
    }

    fn status(&self) -> u16 {
        match self {
            Self::Unauthorized => 401,
            Self::Forbidden(_) => 403,
            Self::UnknownPath | Self::Missing { .. } => 404,
            Self::Taken { .. } => 409,
            Self::Method(_) => 405,
            Self::NotAcceptable(_) => 406,
            Self::TooLarge(_) => 413,
            Self::Invalid(_) => 422,
            Self::Broken(_) => 500,
        }
    }

    fn body(&self, form: Form) -> Value {
        match (self, form) {
            // The gateway in front of the service speaks before any operation does.
            (Self::Unauthorized, _) => json!({"detail": "Unauthorized"}),
            (Self::UnknownPath, _) => json!({"detail": "Not Found"}),
            (Self::Method(_), _) => json!({"detail": "Method Not Allowed"}),
            (Self::Invalid(faults), Form::Plain | Form::Workflows) => json!({"detail": listed(faults)}),
            (Self::Invalid(faults), Form::Observability) => observability(&in_words(faults), "VALIDATION_ERROR"),
            (Self::Missing { .. }, Form::Observability) => observability(&self.message(), "SEARCH_NOT_FOUND"),
            (Self::Taken { .. }, Form::Workflows) => json!({"detail": self.message(), "code": "WF_1101"}),
            (_, Form::Observability) => observability(&self.message(), "UNKNOWN_ERROR"),
            (Self::Missing { .. }, Form::Workflows) => json!({"detail": self.message(), "code": "WF_1000"}),
            _ => {
                let status = self.status();
                json!({"object": "error", "message": self.message(), "type": self.kind(), "param": null,
                    "code": status.to_string(), "raw_status_code": status})
            }
        }
    }

    fn message(&self) -> String {
        match self {
            Self::Unauthorized => "Unauthorized".to_owned(),
            Self::UnknownPath => "Not Found".to_owned(),
            Self::Method(_) => "Method Not Allowed".to_owned(),
            Self::NotAcceptable(offered) => format!("this operation answers with {}", offered.join(" or ")),
            Self::TooLarge(limit) => format!("the body is larger than {limit} bytes"),
            Self::Invalid(faults) => in_words(faults),
            Self::Missing { what, id } => format!("{what} {id} does not exist"),
            Self::Taken { what, id } => format!("{what} {id} exists already"),
            Self::Forbidden(message) | Self::Broken(message) => message.clone(),
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Missing { .. } => "not_found",
            Self::Forbidden(_) => "forbidden",
            Self::Taken { .. } => "conflict",
            Self::Broken(_) => "internal_error",
            _ => "invalid_request_error",
        }
    }
}

fn observability(message: &str, code: &str) -> Value {
    json!({"detail": {"message": message, "error_code": code}})
}

fn listed(faults: &[Fault]) -> Vec<Value> {
    faults.iter().map(|fault| json!({"loc": fault.place, "msg": fault.message, "type": fault.kind})).collect()
}

fn in_words(faults: &[Fault]) -> String {
    let one = |fault: &Fault| {
        let place: Vec<String> =
            fault.place.iter().map(|part| part.as_str().map_or_else(|| part.to_string(), str::to_owned)).collect();
        format!("{}: {}", place.join("."), fault.message)
    };
    faults.iter().map(one).collect::<Vec<_>>().join("; ")
}
