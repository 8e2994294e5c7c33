//! `tramontane plan --against URL`: what differs between definitions here and another environment.

use super::call_files::{Out, Typed};
use super::file_roots::FileRoots;
use super::{Context, Ended, Failure};
use crate::exit::Exit;
use crate::parts;
use clap::Args;
use connectors::mistral::prices::Prices;
use engine::definitions::{Draft, Plan, Source, export, portable};
use engine::exchange::{Client, Exchanged, Files, Keys};
use model::definition::HttpClient;
use model::{Credential, Evidence, HttpAnswer, HttpRequest, Problem};
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;

/// The other environment.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Against {
    /// Compares with what runs at this address. Without PATH, what is stored here is compared.
    #[arg(long, value_name = "URL")]
    pub(crate) against: Option<String>,
    /// A token of the server there.
    #[arg(long, requires = "against", env = "TRAMONTANE_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    token: Option<String>,
    #[command(flatten)]
    file_roots: FileRoots,
}

/// What the other server answers.
#[derive(Debug, Deserialize)]
struct Planned {
    plan: Plan,
    #[serde(default)]
    problems: Vec<Problem>,
}

impl Against {
    /// Asks the server at this address, and prints what it says.
    pub(crate) async fn show(&self, url: &str, context: &Context, path: Option<&Path>, prune: bool) -> Ended {
        let sources = match path {
            Some(path) => Draft::sources(path).map_err(Failure::refused)?,
            None => vec![self.stored(context).await?],
        };
        let files: Vec<Value> = sources
            .iter()
            .map(|source| {
                let name =
                    Path::new(&source.name).file_name().and_then(|name| name.to_str()).unwrap_or("definitions.yaml");
                json!({ "name": name, "text": String::from_utf8_lossy(&source.bytes) })
            })
            .collect();
        let asked = json!({ "files": files, "prune": prune });
        let answer = self.ask(url, &asked).await?;
        let value: Value = serde_json::from_slice(&answer.body).map_err(|_| strange(url, answer.status))?;
        if answer.status != 200 {
            return Err(Failure::refused(said(&value).ok_or_else(|| strange(url, answer.status))?));
        }
        if context.printer.json() {
            context.printer.value(&value);
            return Ok(Exit::Done);
        }
        let planned: Planned = serde_json::from_value(value).map_err(|_| strange(url, answer.status))?;
        context.printer.problems(&planned.plan.warnings);
        context.printer.problems(&planned.problems);
        context.printer.data(planned.plan.to_string().trim_end());
        Ok(Exit::Done)
    }

    /// What is stored here, as it can be taken elsewhere.
    async fn stored(&self, context: &Context) -> Result<Source, Failure> {
        let (_, stored) = context.read_store().await?.definitions().await?;
        let folders = self.file_roots.folders(context)?;
        let text =
            export(&portable(&stored, &folders, &parts::registry(Prices::shipped()))).map_err(Failure::refused)?;
        Ok(Source { name: "export.yaml".to_owned(), bytes: text.into_bytes() })
    }

    async fn ask(&self, url: &str, body: &Value) -> Result<HttpAnswer, Failure> {
        let token = self.token.clone().ok_or_else(|| {
            let problem = Problem::new("token_missing", "the other server asks who comes").at("--token");
            Failure::refused(vec![problem.hint("make one there: tramontane tokens add NAME --role viewer")])
        })?;
        // An address that is typed is allowed by being typed.
        let definition = json!({ "prototype": "mistral", "base_uri": url, "allow_private_addresses": true });
        let definition: HttpClient = serde_json::from_value(definition)
            .map_err(|error| Failure::new(Exit::Trouble, Problem::new("client_broken", error.to_string())))?;
        let keys = Keys { api_key: Some(SecretString::from(token)), ..Keys::default() };
        let client = Client::new("--against", &definition, url, keys, Arc::default())
            .map_err(|problem| Failure::refused(vec![Problem { place: "--against".to_owned(), ..problem }]))?;
        let request = HttpRequest {
            method: "POST",
            target: "/api/v1/plan".to_owned(),
            headers: vec![("content-type", "application/json".to_owned()), ("accept", "application/json".to_owned())],
            body: Some(body.to_string().into()),
            form: None,
            until: None,
            keep: false,
        };
        let files: Arc<dyn Files> = Arc::new(Typed::new(&[], Out::Nowhere));
        match client.exchange(&request, Credential::ApiKey, None, &files).await {
            Exchanged::Answer(answer) => Ok(answer),
            Exchanged::Lost { evidence, problem, .. } => {
                let exit = if evidence == Evidence::NotSent { Exit::NotSent } else { Exit::Failed };
                Err(Failure::new(exit, problem))
            }
            Exchanged::Unkept { error, .. } => Err(error.into()),
        }
    }
}

/// What a problem of the other server says: each of the definitions' own, or itself.
fn said(value: &Value) -> Option<Vec<Problem>> {
    let problems: Vec<Problem> =
        value.get("problems").and_then(|problems| serde_json::from_value(problems.clone()).ok()).unwrap_or_default();
    if !problems.is_empty() {
        return Some(problems);
    }
    let text = |member: &str| value.get(member).and_then(Value::as_str);
    let mut problem = Problem::new("refused", text("title")?);
    problem.code = text("code")?.to_owned().into();
    problem.hint = text("hint").map(str::to_owned);
    Some(vec![problem])
}

fn strange(url: &str, status: u16) -> Failure {
    let reason = format!("what answers at {url} is no server of this program (status {status})");
    Failure::new(Exit::Failed, Problem::new("answer_strange", reason).at("--against"))
}
