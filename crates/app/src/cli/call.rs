//! `tramontane call`: one call, without a store.

use super::call_files::{Out, Typed, typed_file};
use super::entities::method;
use super::{Context, Ended, Failure, prices, usage};
use crate::environment::Environment;
use crate::exit::Exit;
use crate::parts;
use crate::settings::{self, ADMIN_KEY, API_KEY, USER_KEY};
use clap::Args;
use connectors::mistral::prices::Prices;
use connectors::openapi::catalogue::Method;
use engine::definitions::variables::Variables as _;
use engine::definitions::{from_stored, used_secrets};
use engine::exchange::{Client, Exchanged, Files};
use engine::flow::open_client;
use model::definition::HttpClient;
use model::driver::Kept;
use model::form::{Content, Field};
use model::http::FileAnswer;
use model::{Evidence, HttpAnswer, Operation, Prepared, Problem, Reading, Request, Side};
use serde_json::{Map, Value, json};
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;
use store::{Store, UsageSum};

/// Where the service is.
const BASE_URI: &str = "https://api.mistral.ai";
/// The largest payload that is read from a file.
const MAX_PAYLOAD: u64 = 64 << 20;

/// Arguments of `tramontane call`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples: tramontane call \"Retrieve Model\" --path model_id=open-mistral-7b
          tramontane call \"Chat Completion\" --payload @body.json --dry-run
          tramontane call \"Upload File\" --file file=report.pdf --payload '{\"purpose\": \"ocr\"}'

The key comes from MISTRAL_API_KEY; of operations that ask for those, from MISTRAL_ADMIN_KEY or
MISTRAL_USER_KEY.
The answer is on stdout.")]
pub(crate) struct Call {
    /// Title of an entity: "Retrieve Model"; or `custom`, with --method and --path-template.
    entity: String,
    /// HTTP method, where several entities have the title.
    #[arg(long, value_parser = method)]
    method: Option<Method>,
    /// Path of an operation that the catalogue does not know, with the entity `custom`.
    #[arg(long, value_name = "PATH")]
    path_template: Option<String>,
    /// The kind of key that a `custom` operation asks for: api_key, admin_key, user_key.
    #[arg(long, value_name = "KIND")]
    credential: Option<String>,
    /// A value for a slot of the path.
    #[arg(long, value_name = "K=V", value_parser = pair)]
    path: Vec<(String, String)>,
    /// A value for the query; JSON where it is JSON, else text.
    #[arg(long, value_name = "K=V", value_parser = pair)]
    query: Vec<(String, String)>,
    /// The body.
    #[arg(long, value_name = "JSON|@FILE")]
    payload: Option<String>,
    /// A file for a field of the form.
    #[arg(long, value_name = "FIELD=PATH", value_parser = pair)]
    file: Vec<(String, String)>,
    /// The whole request: {path, query, payload}.
    #[arg(long, value_name = "JSON|@FILE", conflicts_with_all = ["path", "query", "payload", "file"])]
    request: Option<String>,
    /// Where to send it; not looked at with --client.
    #[arg(long, value_name = "URL", env = "MISTRAL_BASE_URI")]
    base_uri: Option<String>,
    /// Uses a stored HTTP client.
    #[arg(long, value_name = "NAME")]
    client: Option<String>,
    /// Writes an answer that is a file here instead of to stdout.
    #[arg(long, value_name = "PATH")]
    out: Option<PathBuf>,
    /// Prints the request and sends nothing.
    #[arg(long)]
    dry_run: bool,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write it as name=value")?;
    Ok((name.to_owned(), value.to_owned()))
}

impl Call {
    pub(crate) async fn run(self: Box<Self>, context: &Context) -> Ended {
        let prices = prices::in_use(&context.data())?;
        let currency = prices.currency.clone();
        let operation = self.operation(context, prices)?;
        let request = self.request()?;
        let client = self.client(context).await?;
        let prepared = operation.prepare(&request, client.1).map_err(Failure::refused)?;
        context.printer.problems(&prepared.warnings);
        if self.dry_run {
            context.printer.value(&dry(&client.0, operation.as_ref(), &prepared));
            return Ok(Exit::Done);
        }
        let out = match &self.out {
            Some(path) => Out::Path(path.clone()),
            None if context.printer.json() => Out::Nowhere,
            None => Out::Stdout,
        };
        let files: Arc<dyn Files> = Arc::new(Typed::new(&self.file, out));
        let exchanged = client.0.exchange(&prepared.http, operation.credential(), None, &files).await;
        match exchanged.ended_by(operation.as_ref()) {
            Exchanged::Answer(answer) => {
                let reading = operation.read(&answer);
                let used = match reading.evidence {
                    Evidence::Answered => operation.usage(&request, &reading.answer, client.0.base()),
                    _ => None,
                };
                let ended = self.print_answer(context, &answer, reading)?;
                if let Some(used) = used {
                    let unpriced = u64::from(used.cost.is_none());
                    let sum = UsageSum { name: None, calls: 1, unpriced, usage: used };
                    context.printer.say(&usage::in_words(&sum, &currency));
                }
                Ok(ended)
            }
            Exchanged::Lost { evidence, problem, part } => {
                let exit = if evidence == Evidence::NotSent { Exit::NotSent } else { Exit::Unknown };
                // What came is the answer on stdout, as with any other; so the problem goes to stderr alone.
                if let Some(part) = part.filter(|part| !part.body.is_empty()) {
                    print_value(context, &operation.read_part(&part));
                    context.printer.problem(&problem);
                    return Ok(exit);
                }
                Err(Failure::new(exit, problem))
            }
            Exchanged::Unkept { error, .. } => Err(error.into()),
        }
    }

    fn print_answer(&self, context: &Context, answer: &HttpAnswer, reading: Reading) -> Ended {
        let Reading { evidence, answer: value, problem, file, .. } = reading;
        if let (Some(file), Some(kept)) = (file, &answer.kept) {
            self.say_file(context, &file, kept);
        } else if !(value.is_null() && answer.body.is_empty()) {
            print_value(context, &value);
        }
        if let Some(problem) = &problem {
            context.printer.problem(problem);
        }
        Ok(match evidence {
            Evidence::Answered if problem.is_some_and(|problem| problem.is_error()) => Exit::Failed,
            Evidence::Answered => Exit::Done,
            Evidence::Refused { .. } => Exit::TryLater,
            Evidence::Rejected | Evidence::ErrorAnswer => Exit::Failed,
            Evidence::NotSent => Exit::NotSent,
            Evidence::Unknown => Exit::Unknown,
        })
    }

    /// The file itself went to its place as it came.
    fn say_file(&self, context: &Context, file: &FileAnswer, kept: &Kept) {
        if let Some(path) = &self.out {
            context.printer.say(&format!("{} bytes written to {}", kept.size, path.display()));
        }
        if context.printer.json() {
            let shown = json!({
                "size": kept.size, "media_type": file.media_type, "filename": file.filename, "sha256": kept.sha256,
                "file": self.out,
            });
            context.printer.value(&shown);
        }
    }

    fn operation(&self, context: &Context, prices: Prices) -> Result<Arc<dyn Operation>, Failure> {
        let connector =
            parts::registry(prices).connectors.remove("mistral").ok_or_else(|| Failure::refused(Vec::new()))?;
        let custom = self.entity.trim().eq_ignore_ascii_case("custom");
        let mut method = self.method;
        if method.is_none() && !custom {
            let catalogue = connectors::mistral::catalogue::catalogue();
            method = Some(super::entities::find(catalogue, None, &self.entity)?.method);
        }
        let options = json!({
            "method": method, "entity": self.entity, "path_template": self.path_template, "credential": self.credential,
        });
        let operation = connector.operation(Side::Publisher, &options).map_err(Failure::refused)?;
        if custom {
            context.printer.problems(&connector.validate(&options));
        }
        Ok(operation)
    }

    fn request(&self) -> Result<Request, Failure> {
        let refused = |problem: Problem| Failure::refused(vec![problem]);
        if let Some(text) = &self.request {
            let value = read_json("--request", text).map_err(refused)?;
            return Request::from_value(value).map_err(|problem| refused(problem.within("--request")));
        }
        let texts = |pairs: &[(String, String)]| -> Map<String, Value> {
            pairs.iter().map(|(name, value)| (name.clone(), Value::String(value.clone()))).collect()
        };
        let mut request = Request { path: texts(&self.path), ..Request::default() };
        for (name, value) in &self.query {
            add_query(&mut request.query, name, value);
        }
        if let Some(text) = &self.payload {
            request.payload = Some(read_json("--payload", text).map_err(refused)?);
        }
        for (index, (field, path)) in self.file.iter().enumerate() {
            let payload = request.payload.get_or_insert_with(|| json!({}));
            let Value::Object(members) = payload else {
                let reason = "a file is a field of a form, and the payload is no object";
                return Err(refused(Problem::new("payload_type", reason).at("--payload")));
            };
            members.insert(field.clone(), typed_file(index, path).map_err(refused)?);
        }
        Ok(request)
    }

    async fn client(&self, context: &Context) -> Result<(Client, model::http::Preflight), Failure> {
        let mut variables = Environment::default();
        let (name, definition) = match &self.client {
            Some(name) => {
                let store = context.read_store().await?;
                variables = context.environment(&store);
                (name.clone(), stored_client(store.as_ref(), &variables, name).await?)
            }
            None => {
                for name in [API_KEY, ADMIN_KEY, USER_KEY] {
                    // In a dry run a missing key stops nothing.
                    if self.dry_run && settings::environment(name).is_none() {
                        variables = variables.with(name, "not-set");
                    }
                }
                ("command line".to_owned(), self.typed_client()?)
            }
        };
        let preflight = definition.preflight;
        let client = open_client(&name, &definition, &variables, Arc::default())
            .map_err(|problem| Failure::refused(vec![problem.within(&format!("http_clients.{name}"))]))?;
        Ok((client, preflight))
    }

    /// The client of the command line: the environment's keys, and an address that is allowed by being typed.
    fn typed_client(&self) -> Result<HttpClient, Failure> {
        let key = |name: &str| settings::environment(name).map(|_| format!("${{secret:{name}}}"));
        let value = json!({
            "prototype": "mistral",
            "base_uri": self.base_uri.as_deref().unwrap_or(BASE_URI),
            "api_key": key(API_KEY),
            "admin_key": key(ADMIN_KEY),
            "user_key": key(USER_KEY),
            "allow_private_addresses": self.base_uri.is_some(),
        });
        serde_json::from_value(value)
            .map_err(|error| Failure::new(Exit::Trouble, Problem::new("client_broken", error.to_string())))
    }
}

async fn stored_client(store: &dyn Store, variables: &Environment, name: &str) -> Result<HttpClient, Failure> {
    let (_, stored) = store.definitions().await?;
    let own: Vec<_> = stored.iter().filter(|one| one.kind == "http_clients" && one.name == name).cloned().collect();
    variables.refresh(&used_secrets(&own).into_keys().collect()).await.map_err(Failure::refused)?;
    let mut definitions = from_stored(&stored).map_err(Failure::refused)?;
    definitions.http_clients.remove(name).ok_or_else(|| {
        let mut problem = Problem::new("reference_unknown", format!("there is no HTTP client \"{name}\""));
        problem.hint = model::suggest::hint(name, definitions.http_clients.keys().map(String::as_str));
        Failure::refused(vec![problem])
    })
}

/// A name given twice becomes a list.
fn add_query(query: &mut Map<String, Value>, name: &str, text: &str) {
    let value = serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()));
    match query.get_mut(name) {
        None => drop(query.insert(name.to_owned(), value)),
        Some(Value::Array(values)) => values.push(value),
        Some(present) => *present = Value::Array(vec![present.take(), value]),
    }
}

/// Reads JSON from the command line, or with `@` from a file (`@-`: stdin).
pub(super) fn read_json(option: &str, text: &str) -> Result<Value, Problem> {
    let Some(path) = text.strip_prefix('@') else {
        return serde_json::from_str(text).map_err(|error| {
            Problem::new("json_wrong", format!("no JSON: {error}"))
                .at(option)
                .hint("quote it for the shell, or use @FILE")
        });
    };
    let mut bytes = Vec::new();
    let read = if path == "-" {
        std::io::stdin().take(MAX_PAYLOAD + 1).read_to_end(&mut bytes)
    } else {
        File::open(path).and_then(|file| file.take(MAX_PAYLOAD + 1).read_to_end(&mut bytes))
    };
    read.map_err(|error| Problem::new("file_unreadable", format!("{path}: {error}")).at(option))?;
    if bytes.len() as u64 > MAX_PAYLOAD {
        return Err(Problem::new("file_too_large", format!("{path} is longer than {MAX_PAYLOAD} bytes")).at(option));
    }
    serde_json::from_slice(&bytes)
        .map_err(|error| Problem::new("json_wrong", format!("{path}: no JSON: {error}")).at(option))
}

fn dry(client: &Client, operation: &dyn Operation, prepared: &Prepared) -> Value {
    let http = &prepared.http;
    let headers: Map<String, Value> =
        http.headers.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    let body = match (&http.body, &http.form) {
        (_, Some(form)) => ("form", form.0.iter().map(field).collect()),
        (Some(body), None) => ("body", serde_json::from_slice(body).unwrap_or_default()),
        (None, None) => ("body", Value::Null),
    };
    let mut shown = json!({
        "method": http.method, "url": format!("{}{}", client.base(), http.target), "headers": headers,
        "credential": operation.credential().option(),
    });
    shown[body.0] = body.1;
    shown
}

fn field(field: &Field) -> Value {
    match &field.content {
        Content::Text(text) => json!({ "name": field.name, "text": text }),
        Content::File(file) => {
            json!({ "name": field.name, "filename": file.filename, "media_type": file.media_type })
        }
    }
}

fn print_value(context: &Context, value: &Value) {
    match value {
        Value::String(text) if !context.printer.json() => context.printer.data(text),
        value => context.printer.value(value),
    }
}
