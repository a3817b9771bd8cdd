//! Who may speak. It is asked by the handlers themselves, so that no way to them is forgotten: an API also hands a
//! function what none of its routes takes, and hands that on unsigned when it is open to everyone.

pub mod operators;
pub mod origins;
pub mod signatures;
pub mod tickets;

use std::fmt;

use http::HeaderMap;
use serde_json::{Map, Value};

use crate::problem::Problem;
use crate::route::{Access, Function, Route};
use crate::routing::Params;
use shared::envelope::{Malformed, Millis, check_id};

use operators::{Operators, Token};
use origins::{Origin, Origins, Page};
use tickets::Tickets;

/// How users are told from one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Users {
    /// Not at all: whoever asks is who they say, and may do everything but what operators do.
    Open,
    /// Their token was verified, and says who they are; they reach only their own data.
    Verified,
}

impl Users {
    /// What the environment of a function says. Nothing else opens it.
    ///
    /// # Errors
    /// When it is neither word.
    pub fn new(text: &str) -> Result<Self, Malformed> {
        match text {
            "open" => Ok(Self::Open),
            "verified" => Ok(Self::Verified),
            other => Err(Malformed(format!("USERS is `{other}`; it is `open` or `verified`"))),
        }
    }
}

/// Who may speak, and how it is told.
#[derive(Clone, Debug)]
pub struct Guard {
    /// How operators are told from others.
    pub operators: Operators,
    /// How users are told from one another.
    pub users: Users,
    /// Whose pages may speak.
    pub origins: Origins,
    /// What opens sockets; none where there is no key.
    pub tickets: Option<Tickets>,
    /// Where sockets are opened, which a page is told; none where it is `/ws` of the same host.
    pub socket_url: Option<String>,
}

/// What others have verified of a request, before it came here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Whose signature the API has checked (AWS_IAM).
    pub signer: Option<String>,
    /// Whose token the API has verified.
    pub user: Option<UserId>,
    /// The domain by which the API was called.
    pub domain: Option<String>,
}

/// Who a user is: an id, as the paths of their routes have it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UserId(String);

impl UserId {
    /// Checks that this may be an id.
    ///
    /// # Errors
    /// When it is empty, too long or has a character that ids do not have.
    pub fn new(text: &str) -> Result<Self, Malformed> {
        check_id(text)?;
        Ok(Self(text.to_owned()))
    }

    /// The user of a token by its claims: `sub`, if it is a text in the form of an id. A token with anything else is
    /// nobody's.
    #[must_use]
    pub fn claimed(claims: &Map<String, Value>) -> Option<Self> {
        claims.get("sub").and_then(Value::as_str).and_then(|sub| Self::new(sub).ok())
    }

    /// The user's id as a text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Who opens a socket, and what for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Connecting<'a> {
    /// The page that it comes from.
    pub page: Page<'a>,
    /// Who they say they are.
    pub user_id: Option<&'a str>,
    /// What shows who they are.
    pub ticket: Option<&'a str>,
}

impl Guard {
    /// The guard of a function behind API Gateway, as its environment says: `users` is `open` or `verified`, `allowed`
    /// a list of origins with commas, `ticket_key` what signs tickets, for the function that does.
    ///
    /// # Errors
    /// When one of these is not what it should be.
    pub fn gateway(users: &str, allowed: &str, ticket_key: Option<&str>) -> Result<Self, Malformed> {
        Ok(Self {
            operators: Operators::Iam,
            users: Users::new(users)?,
            origins: Origins::gateway(Origin::list(allowed)?),
            tickets: ticket_key.map(|key| Tickets::new(key.as_bytes())).transpose()?,
            socket_url: None,
        })
    }

    /// The guard of a server that is called without anything between, and whose operators know a token.
    #[must_use]
    pub fn direct(token: Token, users: Users, allowed: Vec<Origin>, tickets: Tickets) -> Self {
        let (operators, origins) = (Operators::Token(token), Origins::direct(allowed));
        Self { operators, users, origins, tickets: Some(tickets), socket_url: None }
    }

    /// Admits a request to a route, or not. It is asked before anything else is done.
    ///
    /// # Errors
    /// The problem to answer with. Nothing was done.
    pub fn check(
        &self,
        headers: &HeaderMap,
        verified: &Verified,
        route: &Route,
        params: &Params,
    ) -> Result<(), Problem> {
        let own = verified.domain.as_ref().map(|domain| format!("https://{domain}"));
        let page = Page { own: own.as_deref(), ..Page::of(headers) };
        self.origins.host(&page)?;
        // The function that only reads has nothing that a foreign page could do.
        match (route.function, route.method) {
            (Function::Status, _) => {}
            (Function::Ingest, "GET") => self.origins.admit_get(&page)?,
            (Function::Ingest, _) => self.origins.admit(&page)?,
        }
        let operator = || {
            let authorization = headers.get(http::header::AUTHORIZATION).map(|value| value.as_bytes());
            self.operators.admit(verified.signer.as_deref(), authorization)
        };
        match (route.access, self.users) {
            (Access::Open, _) => Ok(()),
            (Access::Operator, _) => operator(),
            (Access::Owner(_) | Access::User | Access::Signed, Users::Open) => Ok(()),
            (Access::Signed, Users::Verified) => operator(),
            (Access::Owner(_) | Access::User, Users::Verified) if operator().is_ok() => Ok(()),
            (Access::Owner(name), Users::Verified) => match &verified.user {
                None => Err(Problem::unauthenticated()),
                Some(user) if user.as_str() == params.get(name) => Ok(()),
                Some(user) => Err(Problem::another_user(user, route.path, name)),
            },
            (Access::User, Users::Verified) => match &verified.user {
                None => Err(Problem::unauthenticated()),
                Some(_) => Ok(()),
            },
        }
    }

    /// Admits whoever opens a socket, and says who it is.
    ///
    /// # Errors
    /// The problem that says why not.
    pub fn connect(&self, connecting: &Connecting<'_>, now: Millis) -> Result<UserId, Problem> {
        self.origins.host(&connecting.page)?;
        self.origins.admit(&connecting.page)?;
        // A ticket is worth the same where none is asked for: a page need not know how users are told.
        match (connecting.ticket, self.users, connecting.user_id) {
            (Some(ticket), _, _) => {
                let tickets = self.tickets.as_ref().ok_or_else(Problem::no_tickets)?;
                tickets.verify(ticket, now).map_err(|error| Problem::ticket(&error.to_string()))
            }
            (None, Users::Open, Some(user)) => Ok(UserId::new(user)?),
            (None, Users::Open, None) => {
                Err(Problem::ticket("the socket does not say whose it is: /ws?user_id=alice, or /ws?ticket=…"))
            }
            (None, Users::Verified, _) => Err(Problem::ticket(
                "the socket has no ticket; get one with POST /users/{id}/tickets, and open it with ?ticket=…",
            )),
        }
    }
}
