//! What is observed of one request, by both functions alike: its hop of a trace, and what it consumes.

use std::time::Duration;

use http::HeaderMap;
use tracing::{Span, debug};

use crate::answer::Answer;
use crate::incoming::Incoming;
use shared::consumption::Metered;
use shared::host::ReadHost;
use shared::limits::Consumption;
use shared::log;
use shared::trace::{Hop, Trace};

/// The header in which a trace comes and goes.
const TRACEPARENT: &str = "traceparent";
/// The header that asks what a request consumes (`?1`, a boolean of RFC 8941), and that tells it.
pub const CONSUMED: &str = "leasebox-consumed";

/// How a request of no route is logged.
const NO_ROUTE: &str = "none";

/// One request, while it is answered.
pub struct Observed<H: ReadHost> {
    /// The host to answer it with, which counts.
    pub host: Metered<H>,
    /// Its hop, when there is a trace.
    pub hop: Option<Hop>,
    /// Whether the caller gave the trace, and so gets the hop.
    given: bool,
    told: bool,
    span: Span,
    began: Duration,
}

impl<H: ReadHost> Observed<H> {
    /// Begins to observe a request.
    #[must_use]
    pub fn new(host: &H, incoming: &Incoming) -> Self {
        // A path of no route could be anything, and a query may have a ticket in it.
        let route = incoming.route().map_or(NO_ROUTE, |(route, _)| route.path);
        Self::of(host, &incoming.headers, (incoming.method.as_str(), route), incoming.xray.as_deref())
    }

    /// Begins to observe an event of a socket. `xray` is what Lambda says of X-Ray's trace.
    #[must_use]
    pub fn socket(host: &H, headers: &HeaderMap, xray: Option<&str>) -> Self {
        Self::of(host, headers, ("GET", NO_ROUTE), xray)
    }

    fn of(host: &H, headers: &HeaderMap, (method, route): (&str, &str), xray: Option<&str>) -> Self {
        let given = traceparent(headers);
        let hop = hop(host, headers, given, xray);
        let asked = one(headers, CONSUMED).is_some_and(is_true);
        Self {
            host: Metered::new(host),
            hop,
            given: given.is_some(),
            told: asked || host.settings().consumption == Consumption::Always,
            span: log::request_span(method, route, hop.as_ref()),
            began: host.stopwatch(),
        }
    }

    /// What is logged on the way stands in this span.
    #[must_use]
    pub fn span(&self) -> Span {
        self.span.clone()
    }

    /// The trace as what is posted carries it.
    #[must_use]
    pub fn carried(&self) -> Option<Trace> {
        self.hop.as_ref().and_then(Hop::carried)
    }

    /// The answer with what there is to tell beside it.
    #[must_use]
    pub fn tell(self, mut answer: Answer) -> Answer {
        let consumed = self.host.consumed();
        let ms = u64::try_from(self.host.stopwatch().saturating_sub(self.began).as_millis()).unwrap_or(u64::MAX);
        let (status, write_units, read_units) = (answer.status, consumed.write, consumed.read);
        debug!(parent: &self.span, status, ms, write_units, read_units, "answered");
        if self.told {
            answer = answer.header(CONSUMED, &consumed.to_string());
        }
        match self.hop {
            Some(hop) if self.given => answer.header(TRACEPARENT, &hop.trace.to_string()),
            _ => answer,
        }
    }
}

/// The hop that a request is: of its caller's trace, or of the one that Lambda began. A header that is none of the
/// recommendation's is ignored, and where Lambda began no trace either, that begins one that nobody records.
fn hop<H: ReadHost>(host: &H, headers: &HeaderMap, given: Option<Trace>, xray: Option<&str>) -> Option<Hop> {
    if let Some(trace) = given.or_else(|| xray.and_then(Trace::from_xray)) {
        return Some(trace.hop(host.random()));
    }
    headers.contains_key(TRACEPARENT).then(|| Trace::begin(|| host.random()))
}

fn traceparent(headers: &HeaderMap) -> Option<Trace> {
    one(headers, TRACEPARENT).and_then(Trace::parse)
}

/// The value of a header that is there once.
fn one<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    values.next().is_none().then(|| value.to_str().ok())?
}

/// Whether a value is the boolean true; its parameters say nothing that is known here. Any other value is ignored, as
/// RFC 8941 has it.
fn is_true(value: &str) -> bool {
    value.split(';').next().is_some_and(|item| item.trim() == "?1")
}
