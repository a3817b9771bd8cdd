//! Who may speak to what this process serves to functions and tools: whoever knows its key, which is the path of its URL, so
//! that an SDK carries it whatever else it is told. Never a web page, which in a browser reaches every port of this machine,
//! and under names that its author makes lead there (DNS rebinding).

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{HOST, ORIGIN};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use shared::envelope::Malformed;
use subtle::ConstantTimeEq;

use crate::secret;

/// The names of this machine that nobody else can give: its own, and the one that containers of Docker know it by, in the
/// domain that ICANN keeps for private use.
const NAMES: [&str; 2] = ["localhost", "host.docker.internal"];

/// The headers that only a browser sends, and always about a page.
const FETCH: &str = "sec-fetch-";

/// Whoever has it may do everything.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(String);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

impl Key {
    /// One that nobody knows.
    pub fn fresh() -> Self {
        Self(secret::fresh())
    }

    /// One that was made earlier.
    ///
    /// # Errors
    /// When it is not as it was made.
    pub fn read(text: &str) -> Result<Self, Malformed> {
        match text.len() == 2 * secret::BYTES && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            true => Ok(Self(text.to_owned())),
            false => Err(Malformed(format!("a key has {} hexadecimal digits", 2 * secret::BYTES))),
        }
    }

    /// The URL of what is served there for this key.
    pub fn url(&self, address: SocketAddr) -> String {
        format!("http://{address}/{}", self.0)
    }

    /// Whether a path begins with it. How long that takes tells nothing of it.
    fn opens(&self, path: &str) -> bool {
        let told = path.split('/').nth(1).unwrap_or_default();
        told.as_bytes().ct_eq(self.0.as_bytes()).into()
    }
}

/// A URL as it may be shown: where it leads, without the key.
pub fn shown(url: &str) -> String {
    let parsed = url.parse::<Uri>().ok();
    let parts = parsed.as_ref().and_then(|uri| Some((uri.scheme_str()?, uri.host()?, uri.port_u16())));
    match parts {
        Some((scheme, host, Some(port))) => format!("{scheme}://{host}:{port}"),
        Some((scheme, host, None)) => format!("{scheme}://{host}"),
        None => "(no URL)".to_owned(),
    }
}

/// What is asked of whoever comes in.
#[derive(Clone, Debug)]
pub struct Door {
    key: Key,
    served: IpAddr,
}

/// Why somebody does not come in. Nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// A browser sends it for a page.
    #[error("this answers programs, and no web pages: a request with the header `{0}` comes from a browser")]
    Page(String),
    /// It was sent to a name that is not this machine's.
    #[error("`{0}` is no name of this server; call it localhost, or by its address")]
    Host(String),
    /// It does not have the key.
    #[error(
        "this answers whoever has its key, which is the path of its URL; take the whole URL: the file database-url in the \
         data directory of the server that answers here has it, and the environment file of its command `sam`"
    )]
    Stranger,
    /// It is no call.
    #[error("there is nothing but POST here")]
    Method,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, name) = match self {
            Self::Page(_) | Self::Host(_) => (StatusCode::FORBIDDEN, "AccessDeniedException"),
            Self::Stranger => (StatusCode::BAD_REQUEST, "UnrecognizedClientException"),
            Self::Method => (StatusCode::METHOD_NOT_ALLOWED, "UnknownOperationException"),
        };
        let body = json!({"__type": format!("com.amazon.coral.service#{name}"), "message": self.to_string()});
        (status, [("content-type", "application/x-amz-json-1.0")], body.to_string()).into_response()
    }
}

impl Door {
    /// The door of what is served on an address.
    pub fn new(key: Key, served: IpAddr) -> Self {
        Self { key, served }
    }

    /// Puts routes behind it that answer calls, whatever their path.
    pub fn before(self, routes: Router) -> Router {
        routes.layer(from_fn_with_state(self, open))
    }

    fn admit(&self, request: &Request) -> Result<(), Refusal> {
        refuse_pages(request.headers())?;
        refuse_foreign_hosts(request.headers(), self.served)?;
        if !self.key.opens(request.uri().path()) {
            return Err(Refusal::Stranger);
        }
        if request.method() != Method::POST {
            return Err(Refusal::Method);
        }
        Ok(())
    }
}

async fn open(State(door): State<Door>, request: Request, next: Next) -> Response {
    match door.admit(&request) {
        Ok(()) => next.run(request).await,
        Err(refusal) => {
            tracing::debug!(%refusal, "somebody did not come in");
            refusal.into_response()
        }
    }
}

/// Refuses what was sent to a name that may be another's, when this is served on that address.
///
/// # Errors
/// When it was.
pub fn refuse_foreign_hosts(headers: &HeaderMap, served: IpAddr) -> Result<(), Refusal> {
    let mut hosts = headers.get_all(HOST).iter();
    let (host, more) = (hosts.next().and_then(|host| host.to_str().ok()).unwrap_or_default(), hosts.next());
    match host.parse::<Authority>() {
        Ok(authority) if more.is_none() && is_own(authority.host(), served.to_canonical()) => Ok(()),
        _ => Err(Refusal::Host(host.chars().take(100).collect())),
    }
}

/// Whether a host can be nobody's but this machine's.
fn is_own(host: &str, served: IpAddr) -> bool {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    match bare.parse::<IpAddr>().map(|address| address.to_canonical()) {
        // On all addresses, each that it is reached by is this machine's.
        Ok(address) => address.is_loopback() || address == served || served.is_unspecified(),
        Err(_) => NAMES.iter().any(|name| host.eq_ignore_ascii_case(name)),
    }
}

/// Refuses what a browser sent for a page.
///
/// # Errors
/// When one did.
pub fn refuse_pages(headers: &HeaderMap) -> Result<(), Refusal> {
    let told = headers.keys().find(|name| **name == ORIGIN || name.as_str().starts_with(FETCH));
    told.map_or(Ok(()), |name| Err(Refusal::Page(name.to_string())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_somebody_else_may_give_is_refused() {
        let asked = |host: &str, served: &str| {
            let headers = HeaderMap::from_iter([(HOST, host.parse().unwrap())]);
            refuse_foreign_hosts(&headers, served.parse().unwrap()).is_ok()
        };
        let local =
            ["localhost:8000", "LOCALHOST", "127.0.0.1:8000", "127.1.2.3", "[::1]:8000", "[::ffff:127.0.0.1]:8000"];
        for host in local.into_iter().chain(["host.docker.internal:8000"]) {
            assert!(asked(host, "127.0.0.1") && asked(host, "172.17.0.1"), "{host}");
        }
        for host in ["evil.example:8000", "localhost.evil.example", "172.17.0.1:8000", "", ":8000"] {
            assert!(!asked(host, "127.0.0.1"), "{host}");
        }
        for host in ["172.17.0.1:8000", "[::ffff:172.17.0.1]:8000"] {
            assert!(asked(host, "172.17.0.1") && asked(host, "0.0.0.0") && asked(host, "::ffff:172.17.0.1"), "{host}");
        }
        assert!(!asked("evil.example", "0.0.0.0") && !asked("192.0.2.7", "172.17.0.1"));
        let mut twice = HeaderMap::from_iter([(HOST, "localhost".parse().unwrap())]);
        twice.append(HOST, "localhost".parse().unwrap());
        assert!(refuse_foreign_hosts(&twice, "127.0.0.1".parse().unwrap()).is_err());
        assert!(refuse_foreign_hosts(&HeaderMap::new(), "127.0.0.1".parse().unwrap()).is_err());
    }

    #[test]
    fn the_key_is_in_the_url_and_in_nothing_that_is_shown() {
        let key = Key::fresh();
        let url = key.url("127.0.0.1:8000".parse().unwrap());
        let Key(text) = &key;
        assert!(url.ends_with(text) && !format!("{key:?}").contains(text));
        assert_eq!(shown(&url), "http://127.0.0.1:8000");
        assert_eq!(shown("https://dynamodb.eu-central-1.amazonaws.com"), "https://dynamodb.eu-central-1.amazonaws.com");
        assert_eq!(shown(text), "(no URL)");
        for (path, opens) in [(format!("/{text}"), true), (format!("/{text}/000000000000/wakes"), true)] {
            assert_eq!(key.opens(&path), opens, "{path}");
        }
        for path in
            ["/".to_owned(), format!("//{text}"), format!("/{}", &text[1..]), format!("/{text}0"), String::new()]
        {
            assert!(!key.opens(&path), "{path}");
        }
        assert_eq!(Key::read(text), Ok(key.clone()));
        assert!(Key::read(&text[1..]).is_err());
    }
}
