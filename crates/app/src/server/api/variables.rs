//! Variables that definitions which come through the API may name.

use super::super::Shared;
use super::actor::Actor;
use super::extract::Json;
use super::problem::Refused;
use axum::extract::State;
use axum::http::StatusCode;
use engine::definitions::variables::is_name;
use model::Problem;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use store::Declared;
use utoipa::ToSchema;

/// Variables at most.
const MOST: usize = 200;
/// The longest name, and the longest value, in bytes.
const LONGEST_NAME: usize = 100;
const LONGEST_VALUE: usize = 4_096;

/// Variables by name.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Variables {
    /// What each stands for; `null`: what the server's environment says.
    variables: BTreeMap<String, Option<String>>,
}

/// Variables that definitions which come through the API may name.
#[utoipa::path(get, path = "/settings/variables", tag = "settings", responses((status = 200, body = Variables)))]
pub(super) async fn show(State(shared): State<Shared>) -> Result<Json<Variables>, Refused> {
    let declared = shared.store.declared().await?;
    Ok(Json(Variables { variables: declared.into_iter().map(|one| (one.name, one.value)).collect() }))
}

/// Puts these in the place of all that there were.
#[utoipa::path(
    put, path = "/settings/variables", tag = "settings", request_body = Variables,
    responses((status = 200, body = Variables))
)]
pub(super) async fn declare(
    State(shared): State<Shared>,
    actor: Actor,
    Json(Variables { variables }): Json<Variables>,
) -> Result<Json<Variables>, Refused> {
    let wrong = |problem: Problem| Err(Refused::new(StatusCode::UNPROCESSABLE_ENTITY, problem));
    if variables.len() > MOST {
        return wrong(Problem::new("variables_wrong", format!("there can be {MOST} variables")));
    }
    for (name, value) in &variables {
        if name.len() > LONGEST_NAME || !is_name(name) {
            let problem = Problem::new("variables_wrong", "this cannot be the name of a variable").at("variables");
            return wrong(problem.hint(format!("letters, digits and _, no digit first, at most {LONGEST_NAME}")));
        }
        let is_long = |value: &String| value.len() > LONGEST_VALUE || value.chars().any(char::is_control);
        if value.as_ref().is_some_and(is_long) {
            let reason = format!("a value has at most {LONGEST_VALUE} bytes, none of them a control character");
            return wrong(Problem::new("variables_wrong", reason).at(format!("variables.{name}")));
        }
    }
    let names: Vec<&str> = variables.keys().map(String::as_str).collect();
    let record = actor.did("variables.write", names.join(" "), shared.clock.now());
    let declared = variables.iter().map(|(name, value)| Declared { name: name.clone(), value: value.clone() });
    shared.store.declare(declared.collect(), record).await?;
    shared.standing.definitions_changed();
    Ok(Json(Variables { variables }))
}
