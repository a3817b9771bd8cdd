//! Errors as problem details (RFC 9457): what is wrong, and what would be right.

use serde_json::{Map, Value};

use crate::answer::Answer;
use crate::guard::UserId;
use shared::actor::Rejection;
use shared::client::SubmitError;
use shared::envelope::{EntityId, Malformed};
use shared::log::quiet;
use shared::mailbox::StepError;
use shared::registry::Unreadable;
use shared::replay::ReplayError;
use shared::store::StoreError;

/// The media type of a problem.
pub const MEDIA_TYPE: &str = "application/problem+json";

/// The length of a detail, in bytes. It may quote what was sent, which is larger then: escaped, and escaped again as JSON.
const DETAIL_BYTES: usize = 2 * 1024;

/// An error as HTTP answers it, `application/problem+json` (RFC 9457). Its `type` is `urn:leasebox:` and the name,
/// which never changes.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem(Box<Members>);

#[derive(Clone, Debug, PartialEq)]
struct Members {
    name: String,
    title: String,
    status: u16,
    detail: String,
    values: Map<String, Value>,
    headers: Vec<(&'static str, String)>,
}

/// The members in the order in which RFC 9457 shows them.
#[derive(serde::Serialize)]
struct Body {
    r#type: String,
    title: String,
    status: u16,
    detail: String,
    #[serde(flatten)]
    values: Map<String, Value>,
}

impl Problem {
    /// A problem of one's own. `name` never changes, is lower case with `-`, and stands in `type` behind `urn:leasebox:`; `title`
    /// says the same in words, `detail` what is wrong this time and what would be right, cut at 2 KB.
    #[must_use]
    pub fn new(name: &str, status: u16, title: &str, detail: impl Into<String>) -> Self {
        let (name, title) = (name.to_owned(), title.to_owned());
        let mut detail = detail.into();
        detail.truncate(detail.floor_char_boundary(DETAIL_BYTES));
        Self(Box::new(Members { name, title, status, detail, values: Map::new(), headers: Vec::new() }))
    }

    /// The request is not what the route takes. Nothing is stored.
    #[must_use]
    pub fn invalid(detail: impl Into<String>) -> Self {
        Self::new("invalid-request", 400, "The request is not valid", detail)
    }

    /// The kind does not let outsiders post this event. Nothing is stored.
    #[must_use]
    pub fn not_admitted(kind: &str) -> Self {
        let detail = format!("this event of {kind} comes from other entities only; outsiders may not post it");
        Self::new("not-admitted", 403, "The event is not for outsiders", detail)
    }

    /// There is no such kind of entity.
    #[must_use]
    pub fn unknown_kind(kind: &str, known: &str) -> Self {
        Self::new("unknown-kind", 404, "There is no such kind", format!("`{kind}` is no kind; there are: {known}"))
    }

    /// Nothing was ever posted to the entity.
    #[must_use]
    pub fn unknown_entity(entity: &EntityId) -> Self {
        let detail = format!("nothing was ever posted to {entity}; its first event makes it");
        Self::new("unknown-entity", 404, "There is no such entity", detail)
    }

    /// The entity never had an event of this id.
    #[must_use]
    pub fn unknown_event(event: &str) -> Self {
        let detail = format!("the entity never had an event {event}; use the event_id that the post answered with");
        Self::new("unknown-event", 404, "There is no such event", detail)
    }

    /// The route is for operators, and the request does not show that it comes from one. Nothing was done.
    #[must_use]
    pub fn unauthorized(detail: &str) -> Self {
        let mut problem = Self::new("unauthorized", 401, "The route is for operators", detail);
        problem.0.headers.push(("www-authenticate", "Bearer realm=\"operators\"".to_owned()));
        problem
    }

    /// The route is for operators, and the request did not come through a route that checks signatures. Nothing was done.
    #[must_use]
    pub fn unsigned() -> Self {
        let detail = "operator routes take signed requests (AWS_IAM, SigV4) only";
        Self::new("unsigned", 403, "The route is for operators", detail)
    }

    /// The route is for users, and the request does not show whose it is. Nothing was done.
    #[must_use]
    pub fn unauthenticated() -> Self {
        let detail = "the route is for the user whose path it is; send a token as `Authorization: Bearer TOKEN`, whose `sub` is \
             that user's id";
        let mut problem = Self::new("unauthenticated", 401, "The request does not say whose it is", detail);
        problem.0.headers.push(("www-authenticate", "Bearer".to_owned()));
        problem
    }

    /// The path is another user's. Nothing was done. `owner` is the variable of the path that says whose it is.
    #[must_use]
    pub fn another_user(user: &UserId, path: &str, owner: &str) -> Self {
        let user: String = user.as_str().chars().take(100).collect();
        let variable = format!("{{{owner}}}");
        let whose = path.find(&variable).map(|at| &path[..at]).unwrap_or_default();
        let detail = format!("the token is {user}'s, who reaches only what is below {whose}{user}");
        Self::new("another-user", 403, "The path is another user's", detail)
    }

    /// A page of somebody else would do something here. Nothing was done.
    #[must_use]
    pub fn foreign_origin(whose: &str) -> Self {
        let detail = format!(
            "{whose} may not do this; this server's own pages may, those of an allowed origin, and programs that send \
             no Origin"
        );
        Self::new("foreign-origin", 403, "The page is another's", detail)
    }

    /// A `GET` would change something, and it cannot be told whether a page of somebody else sends it. Nothing was done.
    #[must_use]
    pub fn silent_get() -> Self {
        let detail =
            "at an address that is not loopback's, a browser does not say which page sends a GET; POST it instead";
        Self::new("foreign-origin", 403, "The page may be another's", detail)
    }

    /// The request was sent to a name that is not this server's. Nothing was done.
    #[must_use]
    pub fn foreign_host(host: &str) -> Self {
        let host: String = host.chars().take(100).collect();
        let detail = format!(
            "`{host}` is not a name of this server; use localhost or an address of this machine, and its port, or allow http://{host}"
        );
        Self::new("foreign-host", 403, "The request is for another host", detail)
    }

    /// What a socket is opened with does not show whose it is.
    #[must_use]
    pub fn ticket(detail: &str) -> Self {
        Self::new("no-ticket", 401, "The socket does not show whose it is", detail)
    }

    /// There is no key that tickets are signed with.
    #[must_use]
    pub fn no_tickets() -> Self {
        let detail = "there is no key that tickets are signed with; the operator sets TICKET_KEY";
        Self::new("no-tickets", 500, "There are no tickets here", detail)
    }

    /// The path is not one of the API's.
    #[must_use]
    pub fn unknown_path(path: &str) -> Self {
        let path: String = path.chars().take(100).collect();
        Self::new(
            "unknown-path",
            404,
            "There is nothing here",
            format!("no route has the path {path}; see /openapi.json"),
        )
    }

    /// The API sent the request by a route that is not the request's own, or that nobody here knows. Nothing was done.
    #[must_use]
    pub fn misrouted(how: &str) -> Self {
        let detail =
            format!("the API sent it {how}; what is deployed is to be one version of template.yaml and the code");
        Self::new("misrouted", 403, "The request came by another route", detail)
    }

    /// The path is there, but not for this method.
    #[must_use]
    pub fn wrong_method(method: &str, allowed: &str) -> Self {
        let method: String = method.chars().take(20).collect();
        let detail = format!("{method} is not for this path; it takes {allowed}");
        let mut problem = Self::new("wrong-method", 405, "The path does not take this method", detail);
        problem.0.headers.push(("allow", allowed.to_owned()));
        problem
    }

    /// The socket is not opened, for this reason.
    #[must_use]
    pub fn no_socket(status: u16, detail: impl Into<String>) -> Self {
        Self::new("no-socket", status, "The socket is not opened", detail)
    }

    /// The body or an event in it is too large. Nothing is stored.
    #[must_use]
    pub fn too_large(what: &str, bytes: usize, limit: usize) -> Self {
        let detail = format!("{what} has {bytes} bytes; at most {limit} are taken");
        Self::new("too-large", 413, "The request is too large", detail).with("limit", limit)
    }

    /// The body did not come in time. Nothing is stored.
    #[must_use]
    pub fn slow_body(seconds: u64) -> Self {
        let detail = format!("the body has not come whole within {seconds} s; send it without a pause");
        Self::new("slow-body", 408, "The request takes too long", detail)
    }

    /// The event was stored and could not be processed: it lies in the dead letters.
    #[must_use]
    pub fn dead(cause: &str) -> Self {
        let detail = format!("the event is stored but could not be processed, and lies in the dead letters: {cause}");
        Self::new("event-failed", 500, "The event could not be processed", detail)
    }

    /// The rules of the business refuse the event.
    #[must_use]
    pub fn rejected(rejection: Rejection) -> Self {
        let title = "The event was refused";
        let mut problem = Self::new(&rejection.reason, rejection.status, title, rejection.detail);
        problem.0.values = rejection.values;
        problem
    }

    /// The journal has not reached this version.
    #[must_use]
    pub fn unknown_version(version: u64, reached: u64) -> Self {
        let detail = format!("the journal has {reached} events, so there is no version {version}");
        Self::new("unknown-version", 404, "There is no such version", detail).with("version", reached)
    }

    /// It is stored, and nobody has processed it in the time that there was. Sending it again is needless.
    #[must_use]
    pub fn not_yet(what: &str) -> Self {
        Self::new("not-yet", 503, "It is not processed yet", format!("{what}; it is processed in a moment"))
    }

    /// Adds a member to the answer, for programs; one of the same name is replaced.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.values.insert(name.to_owned(), value.into());
        self
    }

    /// What is wrong, and what would be right.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.0.detail
    }

    /// Makes the HTTP answer of the problem.
    #[must_use]
    pub fn answer(self) -> Answer {
        let (body, headers) = self.split();
        let mut answer = Answer::json(body.status, &body).header("content-type", MEDIA_TYPE);
        for (name, value) in headers {
            answer = answer.header(name, &value);
        }
        answer
    }

    /// The problem as a part of something else.
    #[must_use]
    pub fn to_json(self) -> Value {
        // The body consists of what JSON can hold.
        serde_json::to_value(self.split().0).unwrap_or_default()
    }

    fn split(self) -> (Body, Vec<(&'static str, String)>) {
        let Members { name, title, status, detail, mut values, headers } = *self.0;
        // A rejection's own values must not take the place of a problem's members.
        values.retain(|name, _| !["type", "title", "status", "detail"].contains(&name.as_str()));
        (Body { r#type: format!("urn:leasebox:{name}"), title, status, detail, values }, headers)
    }
}

impl From<Malformed> for Problem {
    fn from(malformed: Malformed) -> Self {
        Self::invalid(malformed.0)
    }
}

impl From<SubmitError> for Problem {
    fn from(error: SubmitError) -> Self {
        match error {
            SubmitError::Full(entity) => {
                let detail = format!("the mailbox of {entity} is full; nothing is stored; post again later");
                let mut problem = Self::new("mailbox-full", 429, "The mailbox is full", detail);
                problem.0.headers.push(("retry-after", "1".to_owned()));
                problem
            }
            SubmitError::Unknown(id) => {
                let detail =
                    "it cannot be told whether the event is stored; with an Idempotency-Key, posting again is safe";
                unavailable("outcome-unknown", detail.to_owned()).with("envelope_id", id.to_string())
            }
            SubmitError::Store(error) => {
                tracing::error!(error = quiet(error), "a post failed");
                let detail = "the database did not confirm the post; with an Idempotency-Key, posting again is safe";
                unavailable("outcome-unknown", detail.to_owned())
            }
            SubmitError::Abandoned => {
                let detail = "the request that carried the post ended; with an Idempotency-Key, posting again is safe";
                unavailable("outcome-unknown", detail.to_owned())
            }
            SubmitError::Damaged(error) => {
                // A post reads nothing before it writes: what cannot be read shows itself in what the write returned.
                let detail = format!("{error}; the event may be stored; an operator must look at the entity");
                damaged(&error, detail)
            }
        }
    }
}

impl From<StepError> for Problem {
    fn from(error: StepError) -> Self {
        match error {
            StepError::Store(error) => error.into(),
            StepError::Damaged { .. } => {
                let detail = format!("{error}; nothing of it was changed, and an operator must look at it");
                damaged(&error, detail)
            }
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        tracing::error!(error = quiet(error), "a read failed");
        unavailable("database-unavailable", "the database did not answer; try again".to_owned())
    }
}

impl From<ReplayError> for Problem {
    fn from(error: ReplayError) -> Self {
        match error {
            ReplayError::Step(error) => error.into(),
            ReplayError::Unreadable { entity, unreadable: Unreadable::Damaged(damage) } => {
                let damage = shared::mailbox::image::Damaged(damage);
                shared::mailbox::StepError::Damaged { entity, damage }.into()
            }
            ReplayError::Unreadable { unreadable: Unreadable::Newer { .. }, .. } => {
                let detail = format!("{error}; a newer program can read it: try again while the deployment goes on");
                Self::new("newer-version", 503, "A newer program wrote this", detail)
            }
            ReplayError::TooLong { .. } => {
                let detail =
                    format!("{error}; the command `journal` of the development server takes as long as it needs");
                Self::new("journal-too-long", 503, "The journal is too long for one request", detail)
            }
        }
    }
}

fn damaged(error: &StepError, detail: String) -> Problem {
    tracing::error!(alarm = "damaged", error = quiet(error), "a stored item cannot be read");
    Problem::new("damaged", 500, "A stored item cannot be read", detail)
}

fn unavailable(name: &str, detail: String) -> Problem {
    let mut problem = Problem::new(name, 503, "The database did not answer in time", detail);
    problem.0.headers.push(("retry-after", "1".to_owned()));
    problem
}
