//! Requests as they would be sent.

use super::run::Running;
use super::show::{Shown, room};
use super::way::{HttpSource, Source, Stage, Way};
use super::{Step, Timer};
use model::definition::{KeyStyle, KeyStyles};
use model::form::Content;
use model::http::Preflight;
use model::request::Input;
use model::{Effect, Operation, Prepared, Problem, Request, TransformContext};
use serde_json::Value;
use std::sync::Arc;

/// What stands in the place of a key.
const HIDDEN: &str = "***";
/// What stands where a call is marked with the task that makes it.
const MARK: &str = "store-task";

/// Something that would be sent.
#[derive(Clone, Debug)]
pub struct Sending {
    /// Where it is defined: `outgoing.describe.publisher`.
    pub place: String,
    /// Its `type`.
    pub kind: String,
    /// Name of the operation, where there is one.
    pub operation: Option<String>,
    /// What a repeat would do; `None`: nothing is sent.
    pub effect: Option<Effect>,
    /// The request as an object, or the payload where it is no call.
    pub request: Option<Shown>,
    /// The call; `None` where it is none, or is refused.
    pub sent: Option<Sent>,
    /// What keeps it from being sent, and what is noticed.
    pub problems: Vec<Problem>,
}

/// A call.
#[derive(Clone, Debug)]
pub struct Sent {
    /// `POST`.
    pub method: String,
    /// Where it goes.
    pub url: String,
    /// Its headers, the key as `***`.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Option<Shown>,
    /// The fields of its form, files by name and length.
    pub form: Vec<(String, String)>,
}

impl Sending {
    /// Whether it would cost money.
    #[must_use]
    pub fn costs(&self) -> bool {
        self.effect == Some(Effect::Compute)
    }

    /// Whether it would change something at the far side.
    #[must_use]
    pub fn writes(&self) -> bool {
        self.effect.is_some_and(|effect| !matches!(effect, Effect::Read | Effect::Compute))
    }
}

/// The service that is asked.
pub(super) struct Connection {
    /// Name of the HTTP client.
    pub(super) name: String,
    pub(super) base: String,
    pub(super) key_styles: KeyStyles,
}

/// Where data goes.
pub(super) struct Target {
    pub(super) place: String,
    pub(super) kind: String,
    /// Of a driver.
    pub(super) effect: Option<Effect>,
    pub(super) http: Option<Box<HttpTarget>>,
}

/// A publisher that calls a service.
pub(super) struct HttpTarget {
    pub(super) connection: Connection,
    pub(super) operation: Arc<dyn Operation>,
    pub(super) parameters: Request,
    pub(super) input: Input,
    pub(super) request: Stage,
    pub(super) preflight: Preflight,
}

/// What a subscriber would ask for.
pub(super) struct Asked {
    pub(super) steps: Vec<Step>,
    pub(super) sending: Vec<Sending>,
    pub(super) prepared: Option<(Request, Prepared)>,
    pub(super) reads_storages: bool,
}

impl Connection {
    /// A request as it would leave; and what is needed to let it.
    fn sending(
        &self,
        (place, kind): (&str, &str),
        operation: &dyn Operation,
        request: Request,
        preflight: Preflight,
    ) -> (Sending, Option<(Request, Prepared)>) {
        let effect = Some(operation.effect(&request));
        let room = &mut room();
        let shown = Some(Shown::of(&request.clone().into_value(), room));
        let (place, kind, operation_name) = (place.to_owned(), kind.to_owned(), Some(operation.title().to_owned()));
        let mut sending = Sending {
            place,
            kind,
            operation: operation_name,
            effect,
            request: shown,
            sent: None,
            problems: Vec::new(),
        };
        match operation.prepare(&request, preflight) {
            Err(problems) => {
                sending.problems = problems;
                (sending, None)
            }
            Ok(prepared) => {
                sending.problems = prepared.warnings.iter().cloned().map(Problem::warning).collect();
                sending.sent = Some(self.sent(operation, &prepared, room));
                (sending, Some((request, prepared)))
            }
        }
    }

    fn sent(&self, operation: &dyn Operation, prepared: &Prepared, room: &mut usize) -> Sent {
        let http = &prepared.http;
        let mut headers: Vec<(String, String)> =
            http.headers.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        headers.push(match self.key_styles.of(operation.credential()) {
            KeyStyle::Bearer => ("authorization".to_owned(), format!("Bearer {HIDDEN}")),
            KeyStyle::XApiKey => ("x-api-key".to_owned(), HIDDEN.to_owned()),
        });
        let body = http.body.as_ref().map(|body| {
            serde_json::from_slice(body).unwrap_or_else(|_| Value::from(String::from_utf8_lossy(body).into_owned()))
        });
        let fields = http.form.iter().flat_map(|form| &form.0).map(|field| {
            let content = match &field.content {
                Content::Text(text) => text.clone(),
                Content::File(file) => format!("{} ({})", file.filename, file.media_type),
            };
            (field.name.clone(), content)
        });
        Sent {
            method: http.method.to_owned(),
            url: format!("{}{}", self.base, http.target),
            headers,
            body: body.as_ref().map(|body| Shown::of(body, room)),
            form: fields.collect(),
        }
    }
}

impl Way {
    /// What the subscriber asks for first.
    pub(super) fn ask(&self, clock: Timer<'_>, context: &mut TransformContext) -> Asked {
        let mut asked = Asked { steps: Vec::new(), sending: Vec::new(), prepared: None, reads_storages: false };
        let Some((place, kind, Source::Http(http))) = &self.source else { return asked };
        let mut running = Running::new(clock);
        let first = running.single(&http.input, http.parameters.clone().into_value(), context);
        asked.steps = std::mem::take(&mut running.steps);
        let mut refused = running.problems;
        asked.reads_storages = http.input.chain.uses_storages();
        let request = first.and_then(|value| http.first(value).map_err(|problem| refused.push(problem)).ok());
        match request {
            Some(request) => {
                let (sending, prepared) =
                    http.connection.sending((place, kind), http.operation.as_ref(), request, http.preflight);
                asked.sending.push(Sending { problems: [refused, sending.problems].concat(), ..sending });
                asked.prepared = prepared;
            }
            None => asked.sending.push(Sending {
                place: place.clone(),
                kind: kind.clone(),
                operation: Some(http.operation.title().to_owned()),
                effect: None,
                request: None,
                sent: None,
                problems: refused,
            }),
        }
        asked
    }
}

impl HttpSource {
    fn first(&self, value: Value) -> Result<Request, Problem> {
        let request = Request::from_value(value).map_err(|problem| problem.within(&self.input.place))?;
        Ok(match self.page_size {
            Some(size) => self.operation.sized(request.clone(), size).unwrap_or(request),
            None => request,
        })
    }
}

impl Target {
    /// What would be published of a payload; `None` where the transformers drop it.
    pub(super) fn sending(
        &self,
        data: Value,
        running: &mut Running<'_>,
        context: &mut TransformContext,
    ) -> Option<Sending> {
        let plain = |operation: Option<&str>, request: Option<Shown>, problems: Vec<Problem>| Sending {
            place: self.place.clone(),
            kind: self.kind.clone(),
            operation: operation.map(str::to_owned),
            effect: self.effect,
            request,
            sent: None,
            problems,
        };
        let Some(http) = &self.http else {
            return Some(plain(None, Some(Shown::of(&data, &mut running.room)), Vec::new()));
        };
        let refused = |problem: Problem| Some(plain(Some(http.operation.title()), None, vec![problem]));
        let mut request = http.parameters.clone();
        match http.input {
            Input::Payload => request.payload = Some(data),
            Input::Request => {
                if let Err(problem) = request.lay_over(data) {
                    return refused(problem.within(&self.place));
                }
            }
        }
        if !http.request.chain.is_empty() {
            let changed = running.single(&http.request, request.into_value(), context)?;
            request = match Request::from_value(changed) {
                Ok(request) => request,
                Err(problem) => return refused(problem.within(&http.request.place)),
            };
        }
        http.operation.mark(&mut request, MARK);
        let names = (self.place.as_str(), self.kind.as_str());
        Some(http.connection.sending(names, http.operation.as_ref(), request, http.preflight).0)
    }
}
