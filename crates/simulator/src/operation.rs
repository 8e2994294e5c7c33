//! The catalogue's operations, made ready to judge requests and to answer them.

use crate::parameter::{self, Parameter};
use crate::refusal::Form;
use crate::routes::Routes;
use crate::state::collections::{self, Part};
use connectors::openapi::catalogue::{Body, BodyKind, Catalogue, Encoding, Entry, Location, Method, Stream};
use jsonschema::Validator;
use serde_json::Value;
use std::sync::OnceLock;

/// All operations, and the way to each.
#[derive(Debug)]
pub(crate) struct Operations {
    pub(crate) catalogue: &'static Catalogue,
    pub(crate) routes: Routes,
    list: Vec<Operation>,
}

/// One operation. Its schemas are compiled on first use, so that the start is quick.
#[derive(Debug)]
pub(crate) struct Operation {
    pub(crate) entry: &'static Entry,
    pub(crate) handler: Handler,
    pub(crate) form: Form,
    /// What it does with objects.
    pub(crate) part: Option<Part>,
    /// In the order of the path's slots.
    pub(crate) slots: Vec<Parameter>,
    pub(crate) query: Vec<Parameter>,
    /// The fields of a multipart body.
    fields: OnceLock<Vec<Parameter>>,
    body: OnceLock<Option<Validator>>,
    answer: OnceLock<Option<(Value, Option<Validator>)>>,
}

/// Who answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Handler {
    /// Chat, FIM and agents completion.
    Completion,
    ListModels,
    RetrieveModel,
    DeleteModel,
    UpdateModel,
    ArchiveModel,
    UnarchiveModel,
    UploadFile,
    ListFiles,
    RetrieveFile,
    DeleteFile,
    FileContent,
    FileUrl,
    Embeddings,
    Ocr,
    /// Moderation, of texts and of conversations.
    Moderation,
    /// Classification, of texts and of conversations.
    Classification,
    Transcription,
    Speech,
    /// The start, the continuation or the restart of a conversation.
    Conversation,
    /// An example of the answer's schema.
    Example,
}

/// Operations with a handler of their own.
pub(crate) const HANDLERS: [(Method, &str, Handler); 26] = [
    (Method::Post, "/v1/embeddings", Handler::Embeddings),
    (Method::Post, "/v1/ocr", Handler::Ocr),
    (Method::Post, "/v1/moderations", Handler::Moderation),
    (Method::Post, "/v1/chat/moderations", Handler::Moderation),
    (Method::Post, "/v1/classifications", Handler::Classification),
    (Method::Post, "/v1/chat/classifications", Handler::Classification),
    (Method::Post, "/v1/audio/transcriptions", Handler::Transcription),
    (Method::Post, "/v1/audio/speech", Handler::Speech),
    (Method::Post, "/v1/conversations", Handler::Conversation),
    (Method::Post, "/v1/conversations/{conversation_id}", Handler::Conversation),
    (Method::Post, "/v1/conversations/{conversation_id}/restart", Handler::Conversation),
    (Method::Post, "/v1/chat/completions", Handler::Completion),
    (Method::Post, "/v1/fim/completions", Handler::Completion),
    (Method::Post, "/v1/agents/completions", Handler::Completion),
    (Method::Get, "/v1/models", Handler::ListModels),
    (Method::Get, "/v1/models/{model_id}", Handler::RetrieveModel),
    (Method::Delete, "/v1/models/{model_id}", Handler::DeleteModel),
    (Method::Patch, "/v1/fine_tuning/models/{model_id}", Handler::UpdateModel),
    (Method::Post, "/v1/fine_tuning/models/{model_id}/archive", Handler::ArchiveModel),
    (Method::Delete, "/v1/fine_tuning/models/{model_id}/archive", Handler::UnarchiveModel),
    (Method::Post, "/v1/files", Handler::UploadFile),
    (Method::Get, "/v1/files", Handler::ListFiles),
    (Method::Get, "/v1/files/{file_id}", Handler::RetrieveFile),
    (Method::Delete, "/v1/files/{file_id}", Handler::DeleteFile),
    (Method::Get, "/v1/files/{file_id}/content", Handler::FileContent),
    (Method::Get, "/v1/files/{file_id}/url", Handler::FileUrl),
];

impl Operations {
    pub(crate) fn new(catalogue: &'static Catalogue) -> Self {
        let mut routes = Routes::default();
        let list: Vec<Operation> = catalogue.operations.iter().map(Operation::new).collect();
        for (number, operation) in list.iter().enumerate() {
            routes.add(operation.entry.method, &operation.entry.path, number);
        }
        Self { catalogue, routes, list }
    }

    pub(crate) fn get(&self, number: usize) -> &Operation {
        &self.list[number]
    }
}

impl Operation {
    fn new(entry: &'static Entry) -> Self {
        let at = |location: Location| entry.parameters.iter().filter(move |parameter| parameter.location == location);
        let ready = |parameter: &connectors::openapi::catalogue::Parameter| {
            Parameter::new(&parameter.name, parameter.required, parameter.encoding, &parameter.schema)
        };
        let names = entry.path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'));
        // A slot that nothing describes is a text.
        let slots = names.map(|name| {
            let known = at(Location::Path).find(|parameter| parameter.name == name).map(ready);
            known.unwrap_or_else(|| Parameter::new(name, true, Encoding::Form, &Value::Bool(true)))
        });
        let handler = HANDLERS.iter().find(|(method, path, _)| *method == entry.method && *path == entry.path);
        Self {
            entry,
            handler: handler.map_or(Handler::Example, |(_, _, handler)| *handler),
            form: Form::of(&entry.area),
            part: collections::part(entry.method, &entry.path),
            slots: slots.collect(),
            query: at(Location::Query).map(ready).collect(),
            fields: OnceLock::new(),
            body: OnceLock::new(),
            answer: OnceLock::new(),
        }
    }

    /// What a body must be.
    pub(crate) fn body_rule(&self, catalogue: &Catalogue) -> Option<&Validator> {
        let compile = |body: &Body| validator(&catalogue.resolved(&body.schema));
        self.body.get_or_init(|| self.entry.body.as_ref().and_then(compile)).as_ref()
    }

    /// The fields of a multipart body; none where it has another kind.
    pub(crate) fn fields(&self, catalogue: &Catalogue) -> &[Parameter] {
        let form = self.entry.body.as_ref().filter(|body| body.kind == BodyKind::Multipart);
        self.fields.get_or_init(|| form.map(|body| parameter::fields(catalogue, &body.schema)).unwrap_or_default())
    }

    /// What a JSON answer is: a schema on its own, and its validator.
    pub(crate) fn answer_rule(&self, catalogue: &Catalogue) -> Option<(&Value, Option<&Validator>)> {
        let schema = self.entry.answers.first().and_then(|answer| answer.schema.as_ref());
        let rule = self.answer.get_or_init(|| {
            let schema = catalogue.resolved(schema?);
            let validator = validator(&schema);
            Some((schema, validator))
        });
        rule.as_ref().map(|(schema, validator)| (schema, validator.as_ref()))
    }

    /// Media types that this operation may answer with.
    pub(crate) fn media_types(&self) -> Vec<&str> {
        let mut offered: Vec<&str> =
            self.entry.answers.iter().filter_map(|answer| answer.media_type.as_deref()).collect();
        if self.entry.stream != Stream::None && !offered.contains(&"text/event-stream") {
            offered.push("text/event-stream");
        }
        offered
    }
}

/// Compiles a schema. One that cannot be compiled checks nothing and is reported: the tests hold that the
/// catalogue has none.
pub(crate) fn validator(schema: &Value) -> Option<Validator> {
    match jsonschema::options().with_draft(jsonschema::Draft::Draft202012).should_validate_formats(true).build(schema) {
        Ok(validator) => Some(validator),
        Err(error) => {
            tracing::error!(%error, "cannot compile a schema of the catalogue");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use connectors::mistral::catalogue::catalogue;

    #[test]
    fn every_handler_has_its_operation() {
        let operations = Operations::new(catalogue());
        for (method, path, handler) in HANDLERS {
            let fit: Vec<&Operation> = operations.list.iter().filter(|one| one.handler == handler).collect();
            assert!(
                fit.iter().any(|one| one.entry.method == method && one.entry.path == path),
                "{} {path}",
                method.as_str()
            );
        }
    }

    #[test]
    fn every_schema_compiles() {
        let catalogue = catalogue();
        for operation in Operations::new(catalogue).list {
            let signature = format!("{} {}", operation.entry.method.as_str(), operation.entry.path);
            assert_eq!(operation.body_rule(catalogue).is_some(), operation.entry.body.is_some(), "{signature}");
            if let Some((_, rule)) = operation.answer_rule(catalogue) {
                assert!(rule.is_some(), "{signature}");
            }
            for parameter in &operation.entry.parameters {
                assert!(validator(&catalogue.resolved(&parameter.schema)).is_some(), "{signature} {}", parameter.name);
            }
        }
    }
}
