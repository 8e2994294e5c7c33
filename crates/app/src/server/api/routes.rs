//! Every route there is, with the least role that may use it: the router and the document are made from this table.

use super::super::Shared;
use super::actor::{self, Needs};
use super::caller::COOKIE_NAME;
use super::problem::{Refused, refuse};
use super::schema::{Finding, ProblemDetails};
use super::{
    activities, alerts, audit, bodies, bulk, bundle, calls, choices, definitions, events, factor, filters, health,
    logs, me, models, once, operations, people, plans, proxy, revisions, runs, schedules, secrets, sessions, settings,
    sign_in, storages, tasks, tokens, trace, usage, variables, views, webhooks,
};
use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::header::{CACHE_CONTROL, CONTENT_LENGTH, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn, from_fn_with_state, map_response};
use axum::response::Response;
use axum::routing::{any, get};
use model::Problem;
use model::Role::{self, Admin, Editor, Operator, Viewer};
use model::Scope;
use utoipa::openapi::extensions::ExtensionsBuilder;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{ComponentsBuilder, Content, InfoBuilder, OpenApi, OpenApiBuilder, Paths, Ref, ServerBuilder};
use utoipa::{PartialSchema as _, ToSchema};
use utoipa_axum::router::UtoipaMethodRouter;
use utoipa_axum::routes;

/// Where the API is.
const BASE: &str = "/api/v1";
/// The largest body, in bytes, where a route does not say otherwise.
const LARGEST: usize = 1 << 20;

/// Handlers of one path, and the least role that may use them. `None`: everybody, to sign in.
struct Route {
    role: Option<Role>,
    handlers: UtoipaMethodRouter<Shared>,
}

/// Every route there is.
fn table() -> Vec<Route> {
    let route = |role, handlers| Route { role: Some(role), handlers };
    let public = |handlers| Route { role: None, handlers };
    vec![
        public(routes!(sign_in::begin)),
        public(routes!(sign_in::set_up)),
        route(Viewer, routes!(super::document::show)),
        route(Viewer, routes!(me::show)),
        route(Viewer, routes!(me::set_password)),
        route(Viewer, routes!(factor::offer)),
        route(Viewer, routes!(factor::confirm)),
        route(Viewer, routes!(factor::remove)),
        route(Viewer, routes!(sign_in::end)),
        route(Viewer, routes!(sessions::list)),
        route(Viewer, routes!(sessions::end)),
        route(Viewer, routes!(tokens::list)),
        route(Viewer, routes!(tokens::make)),
        route(Viewer, routes!(tokens::delete)),
        route(Viewer, routes!(health::show)),
        route(Viewer, routes!(events::all)),
        route(Viewer, routes!(events::one_task)),
        route(Viewer, routes!(logs::list)),
        route(Viewer, routes!(tasks::list)),
        route(Viewer, routes!(tasks::histogram)),
        route(Operator, routes!(bulk::decide)),
        route(Operator, routes!(bulk::export)),
        route(Viewer, routes!(tasks::show)),
        route(Viewer, routes!(tasks::attempts)),
        route(Viewer, routes!(bodies::payload)),
        route(Viewer, routes!(bodies::request)),
        route(Viewer, routes!(bodies::answered)),
        route(Viewer, routes!(bodies::blob)),
        route(Operator, routes!(tasks::decide)),
        route(Operator, routes!(tasks::retry)),
        route(Viewer, routes!(filters::suggest)),
        route(Viewer, routes!(views::list)),
        route(Viewer, routes!(views::show)),
        route(Viewer, routes!(views::put)),
        route(Viewer, routes!(views::delete)),
        route(Viewer, routes!(activities::list)),
        route(Viewer, routes!(activities::show)),
        route(Viewer, routes!(activities::result)),
        route(Operator, routes!(activities::pause)),
        route(Operator, routes!(activities::resume)),
        route(Operator, routes!(activities::cancel)),
        route(Viewer, routes!(runs::list)),
        route(Operator, routes!(runs::begin)),
        route(Viewer, routes!(runs::show)),
        route(Viewer, routes!(runs::progress)),
        route(Operator, routes!(bulk::cancel_run)),
        route(Viewer, routes!(schedules::list)),
        route(Operator, routes!(schedules::pause)),
        route(Operator, routes!(schedules::resume)),
        route(Viewer, routes!(alerts::list)),
        route(Operator, routes!(alerts::try_one)),
        route(Operator, routes!(alerts::mute)),
        route(Operator, routes!(alerts::unmute)),
        route(Viewer, routes!(models::list)),
        route(Viewer, routes!(storages::list)),
        route(Viewer, routes!(storages::entries)),
        route(Viewer, routes!(storages::show)),
        route(Operator, routes!(storages::put)),
        route(Operator, routes!(storages::delete)),
        route(Operator, routes!(webhooks::list)),
        route(Viewer, routes!(usage::sums)),
        route(Viewer, routes!(usage::buckets)),
        route(Viewer, routes!(definitions::list)),
        route(Viewer, routes!(definitions::show)),
        route(Editor, routes!(definitions::put)),
        route(Editor, routes!(definitions::delete)),
        route(Viewer, large(routes!(plans::check))),
        route(Viewer, routes!(revisions::list)),
        route(Viewer, routes!(revisions::of_one)),
        route(Viewer, routes!(revisions::show)),
        route(Viewer, routes!(revisions::diff)),
        route(Editor, routes!(revisions::restore)),
        route(Viewer, large(routes!(plans::show))),
        route(Editor, large(routes!(plans::apply))),
        route(Viewer, routes!(plans::export_all)),
        route(Operator, routes!(trace::run)),
        route(Editor, routes!(variables::show)),
        route(Admin, routes!(variables::declare)),
        route(Viewer, routes!(operations::list)),
        route(Viewer, routes!(operations::list_areas)),
        route(Viewer, routes!(operations::show)),
        route(Viewer, routes!(calls::check)),
        route(Operator, routes!(calls::send)),
        route(Operator, routes!(choices::list)),
        route(Operator, routes!(proxy::call)),
        route(Admin, routes!(people::list)),
        route(Admin, routes!(people::show)),
        route(Admin, routes!(people::put)),
        route(Admin, routes!(people::change)),
        route(Admin, routes!(people::disable)),
        route(Admin, routes!(people::enable)),
        route(Admin, routes!(people::link)),
        route(Admin, routes!(people::remove_factor)),
        route(Admin, routes!(secrets::list)),
        route(Admin, routes!(secrets::set)),
        route(Admin, routes!(secrets::delete)),
        route(Admin, routes!(audit::list)),
        route(Admin, routes!(audit::export)),
        route(Viewer, routes!(settings::environment)),
        route(Admin, routes!(settings::set_environment)),
    ]
}

/// Routes whose bodies may be as large as a bundle of definitions.
fn large((schemas, paths, methods): UtoipaMethodRouter<Shared>) -> UtoipaMethodRouter<Shared> {
    (schemas, paths, methods.layer(DefaultBodyLimit::max(bundle::LARGEST)))
}

/// The API as a router. A handler is called only after [`actor::admit`] has found out who asks; there is no other way in.
pub(in super::super) fn router(shared: &Shared) -> Router<Shared> {
    let add = |router: Router<Shared>, Route { role, handlers: (_, paths, methods) }: Route| {
        let once = from_fn_with_state(shared.clone(), once::carry_out);
        paths.paths.keys().fold(router, |router, path| {
            let methods = match role {
                Some(role) => {
                    let needs = Needs { shared: shared.clone(), role, scope: scope_of(path) };
                    // Of what takes a password nothing is kept, not even a hash of the request: it would be a quick one.
                    let methods = match path.starts_with("/me/") {
                        true => methods.clone(),
                        false => methods.clone().layer(once.clone()),
                    };
                    methods.layer(from_fn_with_state(needs, actor::admit))
                }
                None => methods.clone().layer(from_fn(actor::from_here)),
            };
            router.route(&format!("{BASE}{path}"), methods)
        })
    };
    let nothing = || async { Refused::not_found("path_unknown", "there is nothing at this address") };
    // Beside the API, where collectors look for it.
    let measured = match shared.open_metrics {
        true => get(health::measured),
        false => get(health::measured)
            .layer(from_fn_with_state(Needs { shared: shared.clone(), role: Viewer, scope: None }, actor::admit)),
    };
    table()
        .into_iter()
        .fold(Router::new(), add)
        .route("/metrics", measured)
        .route(&format!("{BASE}/{{*path}}"), any(nothing))
        .method_not_allowed_fallback(|| async {
            let problem = Problem::new("method_wrong", "this address has no such method");
            Refused::new(StatusCode::METHOD_NOT_ALLOWED, problem)
        })
        .layer(DefaultBodyLimit::max(LARGEST))
        .layer(from_fn(announced))
        .layer(map_response(private))
}

/// What a token must be for that changes something there, by the first word of the path.
fn scope_of(path: &str) -> Option<Scope> {
    match path.split('/').nth(1)? {
        "tasks" | "activities" | "views" | "filters" | "storages" => Some(Scope::Tasks),
        "runs" | "schedules" | "webhooks" => Some(Scope::Runs),
        "definitions" | "revisions" | "plan" | "apply" | "export" | "test" | "operations" | "alerts" | "models" => {
            Some(Scope::Definitions)
        }
        "proxy" => Some(Scope::Proxy),
        "secrets" => Some(Scope::Secrets),
        "people" | "tokens" | "sessions" | "session" | "me" | "audit" | "settings" => Some(Scope::People),
        _ => None,
    }
}

/// A body that is announced to be larger than any may be is not waited for.
async fn announced(request: Request, next: Next) -> Response {
    let length = request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > bundle::LARGEST as u64) {
        let problem = Problem::new("body_too_large", format!("a body has at most {} bytes", bundle::LARGEST));
        return refuse(StatusCode::PAYLOAD_TOO_LARGE, problem);
    }
    next.run(request).await
}

/// No cache keeps an answer, and nobody guesses what it might be.
async fn private(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// The API as an OpenAPI 3.1 document: what `openapi/tramontane.json` holds.
pub(crate) fn document() -> OpenApi {
    let mut paths = Paths::new();
    let mut components = ComponentsBuilder::new()
        .schema(ProblemDetails::name(), ProblemDetails::schema())
        .schema(Finding::name(), Finding::schema())
        .security_scheme("token", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)))
        .security_scheme("session", SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::new(COOKIE_NAME))))
        .build();
    for Route { role, handlers: (schemas, described, _) } in table() {
        for (name, schema) in schemas {
            let before = components.schemas.insert(name.clone(), schema.clone());
            debug_assert!(before.is_none_or(|before| before == schema), "two types of the API are called {name}");
        }
        for (path, mut item) in described.paths {
            operations_of(&mut item).for_each(|operation| complete(operation, role));
            match paths.paths.get_mut(&path) {
                Some(there) => there.merge_operations(item),
                None => drop(paths.paths.insert(path, item)),
            }
        }
    }
    let info = InfoBuilder::new()
        .title("Tramontane")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some("The API of `tramontane serve`. `x-role` is the least role that may use an operation."));
    let server = ServerBuilder::new().url(BASE).build();
    let api = OpenApiBuilder::new().info(info.build()).servers(Some([server])).paths(paths);
    api.components(Some(components)).build()
}

fn operations_of(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let PathItem { get, put, post, delete, patch, .. } = item;
    [get, put, post, delete, patch].into_iter().flatten()
}

/// What holds for every operation: who may, and that all but what it says of itself is a problem.
fn complete(operation: &mut Operation, role: Option<Role>) {
    // Handlers are called alike in all resources: `tasks_list`.
    let names = operation.tags.iter().flatten().chain(&operation.operation_id);
    operation.operation_id = Some(names.map(String::as_str).collect::<Vec<_>>().join("_"));
    if let Some(role) = role {
        operation.extensions = Some(ExtensionsBuilder::new().add("x-role", role.as_str()).build());
        operation.security =
            Some(["token", "session"].map(|name| SecurityRequirement::new::<_, [&str; 0], &str>(name, [])).to_vec());
    }
    let problem = Content::new(Some(Ref::from_schema_name(ProblemDetails::name())));
    let problem = ResponseBuilder::new().description("A problem").content("application/problem+json", problem);
    operation.responses.responses.insert("default".to_owned(), problem.build().into());
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A token for certain things can do nothing where nobody has said what a route is.
    #[test]
    fn every_route_that_changes_something_has_a_scope() {
        for Route { role, handlers: (_, paths, _) } in table() {
            for (path, item) in paths.paths {
                let changes = item.get.is_none() && role.is_some();
                assert!(!changes || scope_of(&path).is_some(), "{path} stands in no line of scope_of");
            }
        }
    }
}
