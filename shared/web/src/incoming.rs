//! A request as the functions answer it, whichever way it came: what it asks for, of which route, and who asks.

use std::sync::Arc;

use http::{HeaderMap, Method};

use crate::guard::Verified;
use crate::problem::Problem;
use crate::route::Route;
use crate::routing::{Found, Params};

/// An HTTP request as it comes in, before it is checked.
#[derive(Clone, Debug)]
pub struct Incoming {
    /// The method, such as `POST`.
    pub method: Method,
    /// Its path as it came: it is shown to people, and never read again.
    pub path: String,
    /// Its query as it came, percent-encoded.
    pub query: String,
    /// The headers as they came.
    pub headers: HeaderMap,
    /// The body as it came, in bytes.
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
    pub fn route(&self) -> Result<(&Arc<Route>, &Params), Problem> {
        self.found.route(self.method.as_str(), &self.path)
    }
}
