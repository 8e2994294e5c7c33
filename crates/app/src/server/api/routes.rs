//! Every route there is, with the least role that may use it: the router and the document are made from this table.

use super::super::Shared;
use super::actor::{self, Needs};
use super::problem::Refused;
use super::schema::{Finding, ProblemDetails};
use super::{
    activities, audit, bodies, bulk, bundle, definitions, events, filters, health, logs, once, operations, people,
    plans, revisions, runs, schedules, storages, tasks, trace, usage, variables, views, webhooks,
};
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::header::{CACHE_CONTROL, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::{from_fn_with_state, map_response};
use axum::response::Response;
use axum::routing::{any, get};
use model::Problem;
use model::Role::{self, Admin, Editor, Operator, Viewer};
use utoipa::openapi::extensions::ExtensionsBuilder;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{ComponentsBuilder, Content, InfoBuilder, OpenApi, OpenApiBuilder, Paths, Ref, ServerBuilder};
use utoipa::{PartialSchema as _, ToSchema};
use utoipa_axum::router::UtoipaMethodRouter;
use utoipa_axum::routes;

/// Where the API is.
const BASE: &str = "/api/v1";
/// The largest body, in bytes, where a route does not say otherwise.
const LARGEST: usize = 1 << 20;

/// Handlers of one path, and the least role that may use them.
struct Route {
    role: Role,
    handlers: UtoipaMethodRouter<Shared>,
}

/// Every route there is.
fn table() -> Vec<Route> {
    let route = |role, handlers| Route { role, handlers };
    vec![
        route(Viewer, routes!(super::document::show)),
        route(Viewer, routes!(people::me)),
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
        route(Operator, routes!(bulk::cancel_run)),
        route(Viewer, routes!(schedules::list)),
        route(Operator, routes!(schedules::pause)),
        route(Operator, routes!(schedules::resume)),
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
        route(Viewer, routes!(operations::show)),
        route(Admin, routes!(people::list)),
        route(Admin, routes!(people::tokens)),
        route(Admin, routes!(people::delete_token)),
        route(Admin, routes!(audit::list)),
    ]
}

/// Routes whose bodies may be as large as a bundle of definitions.
fn large((schemas, paths, methods): UtoipaMethodRouter<Shared>) -> UtoipaMethodRouter<Shared> {
    (schemas, paths, methods.layer(DefaultBodyLimit::max(bundle::LARGEST)))
}

/// The API as a router. A handler is called only after [`actor::admit`] has found out who asks; there is no other way in.
pub(in super::super) fn router(shared: &Shared) -> Router<Shared> {
    let add = |router: Router<Shared>, Route { role, handlers: (_, paths, methods) }: Route| {
        let needs = Needs { shared: shared.clone(), role };
        let once = from_fn_with_state(shared.clone(), once::carry_out);
        let methods = methods.layer(once).layer(from_fn_with_state(needs, actor::admit));
        paths.paths.keys().fold(router, |router, path| router.route(&format!("{BASE}{path}"), methods.clone()))
    };
    let nothing = || async { Refused::not_found("path_unknown", "there is nothing at this address") };
    // Beside the API, where collectors look for it.
    let measured = match shared.open_metrics {
        true => get(health::measured),
        false => get(health::measured)
            .layer(from_fn_with_state(Needs { shared: shared.clone(), role: Viewer }, actor::admit)),
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
        .layer(map_response(private))
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
        .build();
    for Route { role, handlers: (schemas, described, _) } in table() {
        components.schemas.extend(schemas);
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
fn complete(operation: &mut Operation, role: Role) {
    // Handlers are called alike in all resources: `tasks_list`.
    let names = operation.tags.iter().flatten().chain(&operation.operation_id);
    operation.operation_id = Some(names.map(String::as_str).collect::<Vec<_>>().join("_"));
    operation.extensions = Some(ExtensionsBuilder::new().add("x-role", role.as_str()).build());
    operation.security = Some(vec![SecurityRequirement::new::<_, [&str; 0], &str>("token", [])]);
    let problem = Content::new(Some(Ref::from_schema_name(ProblemDetails::name())));
    let problem = ResponseBuilder::new().description("A problem").content("application/problem+json", problem);
    operation.responses.responses.insert("default".to_owned(), problem.build().into());
}
