//! A request as the functions answer it, whichever way it came: what it asks for, of which route, and who asks.

use http::{HeaderMap, Method, Request};

use crate::http::guard::Verified;
use crate::http::problem::Problem;
use crate::http::routes::Route;
use crate::http::routing::{Found, Params, find};

/// A request.
#[derive(Clone, Debug)]
pub struct Incoming {
    /// Its method.
    pub method: Method,
    /// Its path as it came: it is shown to people, and never read again.
    pub path: String,
    /// Its query as it came, percent-encoded.
    pub query: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Vec<u8>,
    /// To which route it belongs.
    pub found: Found,
    /// What others have verified of it.
    pub verified: Verified,
    /// What Lambda says of X-Ray's trace.
    pub xray: Option<String>,
}

impl Incoming {
    /// Its route and the variables of its path.
    ///
    /// # Errors
    /// The problem to answer with when it belongs to none.
    pub fn route(&self) -> Result<(&'static Route, &Params), Problem> {
        self.found.route(self.method.as_str(), &self.path)
    }
}

/// A request from the wire, with nothing between that would have verified anything: its path is still percent-encoded.
impl<B: Into<Vec<u8>>> From<Request<B>> for Incoming {
    fn from(request: Request<B>) -> Self {
        let (parts, body) = request.into_parts();
        let found = find(parts.method.as_str(), parts.uri.path());
        Self {
            path: parts.uri.path().to_owned(),
            query: parts.uri.query().unwrap_or_default().to_owned(),
            method: parts.method,
            headers: parts.headers,
            body: body.into(),
            found,
            verified: Verified::default(),
            xray: None,
        }
    }
}
