//! Parts that stand in for the real ones: a connector, a file on both sides, two transformers.

use async_trait::async_trait;
use model::driver::{Failure, Keep, Page, Recovery, Source, SourceDriver, Target, TargetDriver};
use model::http::Preflight;
use model::{
    Component, Connector, Credential, Effect, Evidence, HttpAnswer, HttpRequest, Operation, Prepared, Problem, Reading,
    Registry, Request, Side, Transform, TransformContext, Transformer, suggest,
};
use serde_json::{Value, json};
use std::sync::Arc;

pub(crate) fn registry() -> Registry {
    Registry::default()
        .connector(Arc::new(Api("mistral")))
        .connector(Arc::new(Api("other")))
        .source(Arc::new(Files))
        .target(Arc::new(Files))
        .transformers([Arc::new(Jq) as Arc<dyn Transformer>, Arc::new(Copy)])
}

const ENTITIES: [&str; 2] = ["Retrieve Model", "Chat Completion"];

struct Api(&'static str);

impl Component for Api {
    fn kind(&self) -> &'static str {
        self.0
    }

    fn schema(&self) -> Value {
        json!({
            "type": "object",
            "properties": {"method": {"enum": ["GET", "POST"]}, "entity": {"type": "string"}},
            "required": ["method", "entity"],
        })
    }
}

impl Connector for Api {
    fn operation(&self, _: Side, options: &Value) -> Result<Arc<dyn Operation>, Vec<Problem>> {
        let entity = options["entity"].as_str().unwrap_or_default();
        if ENTITIES.contains(&entity) {
            return Ok(Arc::new(Model));
        }
        let problem = Problem::new("entity_unknown", format!("there is no entity \"{entity}\"")).at("entity");
        Err(vec![problem.hint(suggest::hint(entity, ENTITIES).unwrap_or_default())])
    }
}

struct Model;

impl Operation for Model {
    fn title(&self) -> &str {
        "Retrieve Model"
    }
    fn signature(&self) -> String {
        "GET /v1/models/{model_id}".to_owned()
    }
    fn effect(&self, _: &Request) -> Effect {
        Effect::Read
    }
    fn credential(&self) -> Credential {
        Credential::ApiKey
    }
    fn prepare(&self, request: &Request, preflight: Preflight) -> Result<Prepared, Vec<Problem>> {
        if request.path.get("model_id").is_none() && preflight == Preflight::Refuse {
            return Err(vec![Problem::new("path_slot_empty", "model_id is missing").at("/path/model_id")]);
        }
        let http = HttpRequest {
            method: "GET",
            target: "/v1/models/x".to_owned(),
            headers: Vec::new(),
            body: None,
            form: None,
            until: None,
            keep: false,
        };
        Ok(Prepared { http, warnings: Vec::new() })
    }
    fn read(&self, _: &HttpAnswer) -> Reading {
        Reading {
            evidence: Evidence::Answered,
            answer: Value::Null,
            folded: false,
            file: None,
            problem: None,
            permanent: false,
        }
    }
    fn items(&self, _: &Value) -> Option<Vec<Value>> {
        None
    }
    fn next_page(&self, _: &Request, _: &Value, _: u32) -> Option<Request> {
        None
    }
}

struct Files;

impl Component for Files {
    fn kind(&self) -> &'static str {
        "file"
    }
    fn schema(&self) -> Value {
        json!({
            "type": "object",
            "properties": {"path": {"type": "string", "minLength": 1}},
            "required": ["path"],
            "additionalProperties": false,
        })
    }
    fn path_options(&self) -> &'static [&'static str] {
        &["path"]
    }
}

impl Files {
    fn open(options: &Value) -> Result<(), Vec<Problem>> {
        match options["path"].as_str() {
            Some(path) if path.ends_with(".exe") => Err(vec![Problem::new("file_format", "no such format").at("path")]),
            _ => Ok(()),
        }
    }
}

impl SourceDriver for Files {
    fn source(&self, options: &Value) -> Result<Arc<dyn Source>, Vec<Problem>> {
        Self::open(options).map(|()| Arc::new(Nothing) as Arc<dyn Source>)
    }
}

impl TargetDriver for Files {
    fn target(&self, options: &Value) -> Result<Arc<dyn Target>, Vec<Problem>> {
        Self::open(options).map(|()| Arc::new(Nothing) as Arc<dyn Target>)
    }
}

struct Nothing;

#[async_trait]
impl Source for Nothing {
    async fn pull(&self, _: Option<&Value>, _: usize, _: &Arc<dyn Keep>) -> Result<Page, Failure> {
        Ok(Page::default())
    }
}

#[async_trait]
impl Target for Nothing {
    fn effect(&self) -> Effect {
        Effect::Idempotent
    }
    fn exclusive_key(&self) -> Option<String> {
        None
    }
    fn batch_limit(&self) -> usize {
        1
    }
    async fn mark(&self) -> Result<Value, Failure> {
        Ok(Value::Null)
    }
    async fn deliver(&self, _: &Value, _: &[Value]) -> Result<(), Failure> {
        Ok(())
    }
    async fn recover(&self, _: &Value, _: &[Value]) -> Recovery {
        Recovery::Undone
    }
}

struct Jq;

impl Component for Jq {
    fn kind(&self) -> &'static str {
        "jq"
    }
    fn schema(&self) -> Value {
        json!({
            "type": "object",
            "properties": {"filter": {"type": "string"}},
            "required": ["filter"],
            "additionalProperties": false,
        })
    }
}

impl Transformer for Jq {
    fn compile(&self, options: &Value) -> Result<Box<dyn Transform>, Vec<Problem>> {
        let filter = options["filter"].as_str().unwrap_or_default();
        if filter.matches('(').count() == filter.matches(')').count() {
            return Ok(Box::new(Same));
        }
        Err(vec![Problem::new("jq_syntax", "a ( is not closed").at("/filter")])
    }
}

struct Copy;

impl Component for Copy {
    fn kind(&self) -> &'static str {
        "copy"
    }
    fn schema(&self) -> Value {
        json!({"type": "object"})
    }
}

impl Transformer for Copy {
    fn compile(&self, options: &Value) -> Result<Box<dyn Transform>, Vec<Problem>> {
        match options.get("from") {
            Some(_) => Ok(Box::new(Same)),
            None => Err(vec![Problem::new("copy_nothing", "there is nothing to copy").at("from")]),
        }
    }
}

struct Same;

impl Transform for Same {
    fn apply(&self, payload: Value, _: &mut TransformContext) -> Result<Vec<Value>, Problem> {
        Ok(vec![payload])
    }
}
