//! The web page: for operators at `/`, and one withdrawal's status at `/w/{token}`. All of it is in the binary; what it shows
//! it asks of the API, with the operator's key or the token.

use super::ApiState;
use axum::{
    Router,
    http::{HeaderName, HeaderValue, header},
    middleware,
    response::Response,
    routing::get,
};

/// Nothing is loaded from elsewhere, nothing is written into the page but by its own scripts, and nobody frames it.
const CONTENT_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

const HTML: &str = "text/html; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const IMAGE: &str = "image/svg+xml";

macro_rules! files {
    ($($path:literal $name:literal $kind:ident)*) => {
        /// Where a file is served, its type, and what is in it.
        pub(super) const FILES: &[(&str, &str, &str)] =
            &[$(($path, $kind, include_str!(concat!("../../page/", $name)))),*];
    };
}

files! {
    "/" "operator.html" HTML
    "/w/{token}" "status.html" HTML
    "/page/page.css" "page.css" STYLE
    "/page/operator.css" "operator.css" STYLE
    "/page/status.css" "status.css" STYLE
    "/page/icon.svg" "icon.svg" IMAGE
    "/page/operator.mjs" "operator.mjs" SCRIPT
    "/page/panels.mjs" "panels.mjs" SCRIPT
    "/page/reviews.mjs" "reviews.mjs" SCRIPT
    "/page/swaps.mjs" "swaps.mjs" SCRIPT
    "/page/margin.mjs" "margin.mjs" SCRIPT
    "/page/detail.mjs" "detail.mjs" SCRIPT
    "/page/links.mjs" "links.mjs" SCRIPT
    "/page/status.mjs" "status.mjs" SCRIPT
    "/page/api.mjs" "api.mjs" SCRIPT
    "/page/charts.mjs" "charts.mjs" SCRIPT
    "/page/dom.mjs" "dom.mjs" SCRIPT
    "/page/words.mjs" "words.mjs" SCRIPT
}

/// The page's files. None holds anything of a withdrawal, so that none needs a key.
pub(super) fn routes() -> Router<ApiState> {
    let file =
        |kind: &'static str, text: &'static str| get(async move || ([(header::CONTENT_TYPE, kind)], text));
    let routes =
        FILES.iter().fold(Router::new(), |routes, &(path, kind, text)| routes.route(path, file(kind, text)));
    routes.route_layer(middleware::map_response(async |mut response: Response| {
        let headers: [(HeaderName, &'static str); 5] = [
            (header::CONTENT_SECURITY_POLICY, CONTENT_POLICY),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            // The address of a status page is all that it takes to see it.
            (header::REFERRER_POLICY, "no-referrer"),
            (HeaderName::from_static("x-robots-tag"), "noindex"),
            // A new keeper brings a new page.
            (header::CACHE_CONTROL, "no-cache"),
        ];
        for (name, value) in headers {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        response
    }))
}
