//! The document of the API itself.

use super::extract::Json;
use super::schema::json;
use serde_json::Value;

/// The API as an OpenAPI 3.1 document.
#[utoipa::path(get, path = "/openapi.json", tag = "server", responses((status = 200, body = Value)))]
pub(super) async fn show() -> Json<Value> {
    Json(json(&super::document()))
}
