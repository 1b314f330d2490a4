//! The description of the API (OpenAPI 3.1), made from the handlers, and the page that shows it.

use super::{ApiState, groups, problem::Document};
use crate::domain::{access::Scope, asset::Assets};
use axum::{
    Json, Router,
    extract::State,
    http::{HeaderValue, header},
    middleware,
    response::Response,
};
use utoipa::{
    OpenApi, ToSchema,
    openapi::{
        ContentBuilder, OpenApi as Description, Ref, RefOr, ResponseBuilder,
        path::Operation,
        schema::{ObjectBuilder, Schema, SchemaType, Type},
        security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    },
};
use utoipa_swagger_ui::{Config, SwaggerUi};

/// The name of the way to show a key.
const KEY: &str = "key";
/// Nothing is loaded from elsewhere, and no script runs but the page's own.
const CONTENT_POLICY: &str =
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'";

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Spillway",
        description = "Withdrawals in, and where each of them stands. An answer that is no success is a problem document \
            (RFC 9457) with a stable `code` and the `next_step`. Amounts are decimal text, because JSON numbers lose digits."
    ),
    tags(
        (name = "withdrawals", description = "Hand in, read, take back"),
        (name = "reviews", description = "What the vault pays only with approvals: approve and reject"),
        (name = "vault", description = "What it holds, what may leave, what is thought of prices"),
        (name = "health", description = "Whether the keeper is well"),
    ),
    components(schemas(Document))
)]
struct Base;

/// All that the API does.
pub fn document() -> Description {
    let mut whole = Base::openapi();
    for (scope, group) in groups() {
        let mut part = group.into_openapi();
        part.paths.paths.values_mut().for_each(|item| {
            let methods = [&mut item.get, &mut item.post, &mut item.put, &mut item.delete, &mut item.patch];
            methods.into_iter().flatten().for_each(|operation| complete(operation, scope));
        });
        whole.merge(part);
    }
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(
        "A key that `spillway keys create` showed, with the scope that the operation names.",
    ));
    if let Some(components) = &mut whole.components {
        components.add_security_scheme(KEY, SecurityScheme::Http(bearer.build()));
    }
    whole
}

/// What all operations have in common: who may use them, and how they fail.
fn complete(operation: &mut Operation, scope: Option<Scope>) {
    if let Some(scope) = scope {
        operation.security = Some(vec![SecurityRequirement::new(KEY, [scope.as_str()])]);
    }
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(Document::name()))).build();
    let failed = ResponseBuilder::new().description("What went wrong, and what to do about it.");
    let failed = failed.content("application/problem+json", content).build();
    operation.responses.responses.insert("default".to_owned(), RefOr::T(failed));
}

/// [`document`] for one vault: its assets are the ones that can be named.
fn for_vault(assets: &Assets) -> Description {
    let mut document = document();
    let names = assets.iter().flat_map(|a| [a.symbol.clone(), a.address.to_string()]).collect::<Vec<_>>();
    let named = ObjectBuilder::new()
        .schema_type(SchemaType::Type(Type::String))
        .enum_values(Some(names))
        .description(Some("Symbol or address of an asset of the vault."))
        .build();
    let named = RefOr::T(Schema::Object(named));
    if let Some(components) = &mut document.components {
        for body in ["Order", "BulkRow"] {
            if let Some(RefOr::T(Schema::Object(object))) = components.schemas.get_mut(body) {
                object.properties.insert("asset".to_owned(), named.clone());
            }
        }
    }
    for item in document.paths.paths.values_mut() {
        let parameters = item.get.iter_mut().flat_map(|get| get.parameters.iter_mut().flatten());
        for parameter in parameters {
            if let RefOr::T(parameter) = parameter
                && parameter.name == "asset"
            {
                parameter.schema = Some(named.clone());
            }
        }
    }
    document
}

/// This description.
#[utoipa::path(get, path = "/v1/openapi.json", tag = "health", responses((status = 200, body = Object)))]
pub async fn read(State(state): State<ApiState>) -> Json<Description> {
    Json(for_vault(&state.deployment.assets))
}

/// `/docs/`: the description as a page. All it needs is in the binary.
pub(super) fn page() -> Router<ApiState> {
    let config = Config::new(["/v1/openapi.json"]).validator_url("none");
    let page: Router<ApiState> = SwaggerUi::new("/docs").config(config).into();
    page.layer(middleware::map_response(async |mut response: Response| {
        let policy = HeaderValue::from_static(CONTENT_POLICY);
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
        response
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_operation_says_who_may_use_it_and_how_it_fails() {
        let document = serde_json::to_value(document()).unwrap();
        assert_eq!(document["openapi"], "3.1.0");
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let at = format!("{method} {path}");
                assert!(operation["summary"].is_string() || operation["description"].is_string(), "{at}");
                assert!(
                    operation["responses"]["default"]["content"]["application/problem+json"].is_object(),
                    "{at}"
                );
            }
        }
        // Nothing refers to what is not there.
        let text = document.to_string();
        for name in text.split("#/components/schemas/").skip(1).filter_map(|rest| rest.split('"').next()) {
            assert!(document["components"]["schemas"][name].is_object(), "{name} is not described");
        }
    }
}
