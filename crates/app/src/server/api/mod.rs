//! The API, `/api/v1`: a file per resource.
//!
//! Every route is a line in [`routes`], with the least role that may use it. There is no other way in: a handler is
//! called only after [`actor::admit`] has found out who asks.

mod actor;
mod audit;
mod definitions;
mod operations;
mod people;
mod problem;
mod runs;
mod schedules;
mod storages;
mod tasks;
mod usage;

pub(crate) use people::{person_value, token_value};

use super::Shared;
use actor::Needs;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::header::{CACHE_CONTROL, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::{from_fn_with_state, map_response};
use axum::response::Response;
use axum::routing::{MethodRouter, any, delete, get, post};
use model::Problem;
use model::Role::{self, Admin, Operator, Viewer};
use problem::Refused;

/// Where the API is.
const BASE: &str = "/api/v1";
/// The largest body, in bytes.
const LARGEST: usize = 1 << 20;

/// One route: method, path, the least role, and what answers.
struct Route {
    #[allow(dead_code, reason = "for the list of routes that the tests hold against the roles")]
    method: &'static str,
    path: &'static str,
    role: Role,
    handler: MethodRouter<Shared>,
}

/// Every route there is.
fn routes() -> Vec<Route> {
    let route = |method, path, role, handler| Route { method, path, role, handler };
    vec![
        route("GET", "/me", Viewer, get(people::me)),
        route("GET", "/tasks", Viewer, get(tasks::list)),
        route("GET", "/tasks/{id}", Viewer, get(tasks::show)),
        route("POST", "/tasks/{id}/decisions", Operator, post(tasks::decide)),
        route("GET", "/runs", Viewer, get(runs::list)),
        route("POST", "/runs", Operator, post(runs::begin)),
        route("GET", "/schedules", Viewer, get(schedules::list)),
        route("POST", "/schedules/{name}/pause", Operator, post(schedules::pause)),
        route("POST", "/schedules/{name}/resume", Operator, post(schedules::resume)),
        route("GET", "/storages", Viewer, get(storages::list)),
        route("GET", "/storages/{name}", Viewer, get(storages::entries)),
        route("GET", "/usage", Viewer, get(usage::sums)),
        route("GET", "/definitions", Viewer, get(definitions::list)),
        route("GET", "/definitions/{kind}/{name}", Viewer, get(definitions::show)),
        route("GET", "/operations", Viewer, get(operations::list)),
        route("GET", "/operations/{method}/{title}", Viewer, get(operations::show)),
        route("GET", "/people", Admin, get(people::list)),
        route("GET", "/tokens", Admin, get(people::tokens)),
        route("DELETE", "/tokens/{id}", Admin, delete(people::delete_token)),
        route("GET", "/audit", Admin, get(audit::list)),
    ]
}

/// No cache keeps an answer, and nobody guesses what it might be.
async fn private(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

pub(super) fn router(shared: &Shared) -> Router<Shared> {
    let add = |router: Router<Shared>, route: Route| {
        let needs = Needs { shared: shared.clone(), role: route.role };
        router.route(&format!("{BASE}{}", route.path), route.handler.layer(from_fn_with_state(needs, actor::admit)))
    };
    let nothing = || async { Refused::not_found("path_unknown", "there is nothing at this address") };
    routes()
        .into_iter()
        .fold(Router::new(), add)
        .route(&format!("{BASE}/{{*path}}"), any(nothing))
        .method_not_allowed_fallback(|| async {
            let problem = Problem::new("method_wrong", "this address has no such method");
            Refused::new(StatusCode::METHOD_NOT_ALLOWED, problem)
        })
        .layer(DefaultBodyLimit::max(LARGEST))
        .layer(map_response(private))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Who may do what is decided here alone. A new route is a new line in both lists.
    #[test]
    fn every_route_has_the_role_that_it_should_have() {
        let all: Vec<String> =
            routes().iter().map(|route| format!("{} {} {}", route.method, route.path, route.role)).collect();
        assert_eq!(
            all,
            [
                "GET /me viewer",
                "GET /tasks viewer",
                "GET /tasks/{id} viewer",
                "POST /tasks/{id}/decisions operator",
                "GET /runs viewer",
                "POST /runs operator",
                "GET /schedules viewer",
                "POST /schedules/{name}/pause operator",
                "POST /schedules/{name}/resume operator",
                "GET /storages viewer",
                "GET /storages/{name} viewer",
                "GET /usage viewer",
                "GET /definitions viewer",
                "GET /definitions/{kind}/{name} viewer",
                "GET /operations viewer",
                "GET /operations/{method}/{title} viewer",
                "GET /people admin",
                "GET /tokens admin",
                "DELETE /tokens/{id} admin",
                "GET /audit admin",
            ]
        );
    }
}
