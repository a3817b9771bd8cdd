//! Who may speak to what this process serves to functions and tools: whoever signs with its key. Never a web page, which in
//! a browser reaches every port of this machine, and under names that its author makes lead there (DNS rebinding).

use std::net::IpAddr;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::client::identity::Identity;
use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, HOST, ORIGIN};
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use subtle::ConstantTimeEq;
use time::PrimitiveDateTime;
use time::macros::format_description;

use crate::endpoint::{KEY_ID, Key};

/// The largest request that AWS's services take, in bytes.
const BODY: usize = 16 * 1024 * 1024;

/// The names of this machine that nobody else can give: its own, and the one that containers of Docker know it by, in the
/// domain that ICANN keeps for private use.
const NAMES: [&str; 2] = ["localhost", "host.docker.internal"];

/// The headers that only a browser sends, and always about a page.
const FETCH: &str = "sec-fetch-";

/// What is asked of whoever comes in.
#[derive(Clone, Debug)]
pub struct Door {
    credentials: Credentials,
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
    /// It has no signature that could be looked at.
    #[error(
        "the request is not signed ({0}); sign it with the AWS_ACCESS_KEY_ID and the AWS_SECRET_ACCESS_KEY of the file \
         database.env, in the data directory of the server that answers here"
    )]
    Unsigned(&'static str),
    /// It is signed with another key.
    #[error(
        "the request is not signed with the key of this server; take the AWS_ACCESS_KEY_ID and the AWS_SECRET_ACCESS_KEY \
         of the file database.env, in the data directory of the server that answers here"
    )]
    Stranger,
    /// There is too much of it.
    #[error("the request has more than {BODY} bytes, or broke off; send less at once")]
    Body,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, name) = match self {
            Self::Page(_) | Self::Host(_) => (StatusCode::FORBIDDEN, "AccessDeniedException"),
            Self::Unsigned(_) => (StatusCode::BAD_REQUEST, "MissingAuthenticationTokenException"),
            Self::Stranger => (StatusCode::BAD_REQUEST, "UnrecognizedClientException"),
            Self::Body => (StatusCode::PAYLOAD_TOO_LARGE, "ValidationException"),
        };
        let body = json!({"__type": format!("com.amazon.coral.service#{name}"), "message": self.to_string()});
        (status, [("content-type", "application/x-amz-json-1.0")], body.to_string()).into_response()
    }
}

impl Door {
    /// The door of what is served on an address.
    pub fn new(key: &Key, served: IpAddr) -> Self {
        Self { credentials: key.credentials(), served }
    }

    /// Puts the routes behind it.
    pub fn before(self, routes: Router) -> Router {
        routes.layer(from_fn_with_state(self, open))
    }

    async fn admit(&self, request: Request) -> Result<Request, Refusal> {
        refuse_pages(request.headers())?;
        refuse_foreign_hosts(request.headers(), self.served)?;
        let (parts, body) = request.into_parts();
        let signature = Signature::of(&parts.headers)?;
        let body = to_bytes(body, BODY).await.map_err(|_| Refusal::Body)?;
        let right = signature.would_be(&self.credentials, &parts, &body).ok_or(Refusal::Stranger)?;
        match bool::from(right.as_bytes().ct_eq(signature.told.as_bytes())) {
            true => Ok(Request::from_parts(parts, Body::from(body))),
            false => Err(Refusal::Stranger),
        }
    }
}

async fn open(State(door): State<Door>, request: Request, next: Next) -> Response {
    match door.admit(request).await {
        Ok(request) => next.run(request).await,
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

fn refuse_pages(headers: &HeaderMap) -> Result<(), Refusal> {
    let told = headers.keys().find(|name| **name == ORIGIN || name.as_str().starts_with(FETCH));
    told.map_or(Ok(()), |name| Err(Refusal::Page(name.to_string())))
}

/// What a request says of its signature (AWS Signature Version 4).
struct Signature<'a> {
    told: &'a str,
    region: &'a str,
    service: &'a str,
    signed: Vec<&'a str>,
    at: PrimitiveDateTime,
}

impl<'a> Signature<'a> {
    fn of(headers: &'a HeaderMap) -> Result<Self, Refusal> {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let header = text(AUTHORIZATION.as_str()).ok_or(Refusal::Unsigned("there is no header Authorization"))?;
        let form = Refusal::Unsigned("the header Authorization has not the form of AWS Signature Version 4");
        let Some(fields) = header.strip_prefix("AWS4-HMAC-SHA256 ") else { return Err(form) };
        let field = |name: &str| fields.split(',').find_map(|field| field.trim().strip_prefix(name));
        let (Some(credential), Some(signed), Some(told)) =
            (field("Credential="), field("SignedHeaders="), field("Signature="))
        else {
            return Err(form);
        };
        let [id, _date, region, service, _version] = credential.split('/').collect::<Vec<_>>()[..] else {
            return Err(form);
        };
        if id != KEY_ID {
            return Err(Refusal::Stranger);
        }
        let format = format_description!("[year][month][day]T[hour][minute][second]Z");
        let at = text("x-amz-date").and_then(|date| PrimitiveDateTime::parse(date, format).ok());
        let at = at.ok_or(Refusal::Unsigned("there is no header X-Amz-Date, such as 20261121T120000Z"))?;
        Ok(Self { told, region, service, signed: signed.split(';').collect(), at })
    }

    /// The signature that the request would have from whoever has the key.
    fn would_be(&self, credentials: &Credentials, parts: &Parts, body: &Bytes) -> Option<String> {
        let identity = Identity::from(credentials.clone());
        let mut settings = SigningSettings::default();
        // What was signed is what the request says, no less.
        settings.excluded_headers = None;
        let parameters = v4::SigningParams::builder().identity(&identity).region(self.region).name(self.service);
        let parameters = parameters.time(self.at.assume_utc().into()).settings(settings).build().ok()?.into();
        let values = parts.headers.iter().filter(|(name, _)| self.signed.contains(&name.as_str()));
        let values = values.filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
        let body = SignableBody::Bytes(body);
        let request = SignableRequest::new(parts.method.as_str(), parts.uri.to_string(), values, body).ok()?;
        Some(sign(request, &parameters).ok()?.into_parts().1)
    }
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
        let twice = HeaderMap::from_iter([(HOST, "localhost".parse().unwrap())]);
        let twice = {
            let mut twice = twice;
            twice.append(HOST, "localhost".parse().unwrap());
            twice
        };
        assert!(refuse_foreign_hosts(&twice, "127.0.0.1".parse().unwrap()).is_err());
        assert!(refuse_foreign_hosts(&HeaderMap::new(), "127.0.0.1".parse().unwrap()).is_err());
    }
}
