//! The page: a chat and a counter, which a browser shows.

use leasebox::schemars::{self, JsonSchema};
use leasebox::web::guard::Users;
use leasebox::{Access, App, Problem, Reader, Request, Role, Route};
use serde::{Deserialize, Serialize};

/// Adds the page.
pub(crate) fn add<R: Role>(app: App<R>) -> App<R> {
    let html = Route::file("/", "text/html; charset=utf-8", include_str!("page/index.html"));
    let script = Route::file("/app.js", "text/javascript; charset=utf-8", include_str!("page/app.js"));
    let style = Route::file("/app.css", "text/css; charset=utf-8", include_str!("page/app.css"));
    app.route(html.summary("The page"))
        .route(script.summary("The page's program"))
        .route(style.summary("The page's look"))
        .route(
            Route::get("/app.json", Access::Open, config)
                .any_query()
                .summary("What the page has to know of this deployment"),
        )
}

/// What the page has to know of the deployment that it talks to.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
struct PageConfig {
    /// Where sockets are opened; null for `/ws` of the same host.
    socket_url: Option<String>,
    /// Whether a request needs the user's token, and a socket a ticket.
    tickets: bool,
}

async fn config(_: Reader, request: Request) -> Result<PageConfig, Problem> {
    let guard = &request.guard;
    Ok(PageConfig { socket_url: guard.socket_url.clone(), tickets: guard.users == Users::Verified })
}
