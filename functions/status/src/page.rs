//! The page: a chat and a counter, which a browser shows.

use shared::http::answer::Answer;
use shared::http::chat::PageConfig;
use shared::http::guard::{Guard, Users};
use shared::http::routes::Page;

/// Everything that the page needs comes from its own host, and nothing of it is written into the page itself.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Answers a browser.
#[must_use]
pub fn answer(guard: &Guard, page: Page) -> Answer {
    match page {
        Page::Index => file("text/html; charset=utf-8", include_str!("page/index.html")),
        Page::Script => file("text/javascript; charset=utf-8", include_str!("page/app.js")),
        Page::Style => file("text/css; charset=utf-8", include_str!("page/app.css")),
        Page::Config => {
            let tickets = guard.users == Users::Verified;
            Answer::json(200, &PageConfig { socket_url: guard.socket_url.clone(), tickets })
        }
    }
}

fn file(media_type: &str, text: &str) -> Answer {
    let headers = vec![
        ("content-type", media_type.to_owned()),
        ("content-security-policy", POLICY.to_owned()),
        ("x-content-type-options", "nosniff".to_owned()),
        ("referrer-policy", "no-referrer".to_owned()),
        // A new deployment is a new page at once; the three files must be of the same one.
        ("cache-control", "no-cache".to_owned()),
    ];
    Answer { status: 200, headers, body: text.to_owned() }
}
