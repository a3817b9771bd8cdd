//! Whose pages may send what a browser sends by itself. A page of anybody else must not post, and must not open a socket,
//! in the name of whoever looks at it; not on loopback either, where every page in the browser reaches this server.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName};

use crate::problem::Problem;
use shared::envelope::Malformed;

/// A page's origin: `https://example.com`, with a port if it is not the scheme's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(String);

impl Origin {
    /// Reads an origin, as the header `Origin` has it.
    ///
    /// # Errors
    /// When it is none: a path, a wildcard, or another scheme than http and https.
    pub fn new(text: &str) -> Result<Self, Malformed> {
        let lower = text.trim().to_ascii_lowercase();
        let origin = lower.strip_suffix('/').unwrap_or(&lower);
        let (origin, host) = match (origin.strip_prefix("https://"), origin.strip_prefix("http://")) {
            (Some(host), _) => (origin.strip_suffix(":443").unwrap_or(origin), host),
            (_, Some(host)) => (origin.strip_suffix(":80").unwrap_or(origin), host),
            _ => ("", ""),
        };
        let (name, port) = split(host);
        let alphabet = name.bytes().all(|b| b.is_ascii_alphanumeric() || b".-[]:_".contains(&b));
        let port = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
        if name.is_empty() || !alphabet || !port {
            let text: String = text.chars().take(100).collect();
            return Err(Malformed(format!(
                "`{text}` is no origin; one is https://example.com or http://localhost:5173"
            )));
        }
        Ok(Self(origin.to_owned()))
    }

    /// Reads a list with commas; an empty text is an empty list.
    ///
    /// # Errors
    /// When one of them is none.
    pub fn list(text: &str) -> Result<Vec<Self>, Malformed> {
        text.split(',').filter(|origin| !origin.trim().is_empty()).map(Self::new).collect()
    }

    /// The host, and the port if there is one.
    fn authority(&self) -> &str {
        self.0.split_once("://").map(|(_, authority)| authority).unwrap_or_default()
    }
}

/// A name or an address, and a port.
fn split(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, Some(port)),
        _ => (authority, None),
    }
}

/// What tells this server's own pages.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Own {
    /// It is called without anything between: by loopback's name, or by an address.
    Direct,
    /// The API tells its domain with each request.
    Gateway,
}

/// The origins whose pages may speak to this server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origins {
    own: Own,
    allowed: Vec<Origin>,
}

/// What a request says of the page that sends it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Page<'a> {
    /// The header `Origin`, if there is one.
    pub origin: Option<&'a str>,
    /// The header `Sec-Fetch-Site`, if there is one.
    pub site: Option<&'a str>,
    /// The header `Host`, if there is one.
    pub host: Option<&'a str>,
    /// The origin of this service's own pages, when the API tells it.
    pub own: Option<&'a str>,
}

/// What stands for a header that is there more than once, or is not text: it is nobody's.
const UNREADABLE: &str = "(unreadable)";

impl<'a> Page<'a> {
    /// What the headers of a request say.
    #[must_use]
    pub fn of(headers: &'a HeaderMap) -> Self {
        let one = |name: HeaderName| {
            let mut values = headers.get_all(name).iter();
            let value = values.next()?;
            let one = values.next().is_none().then(|| value.to_str().ok()).flatten();
            Some(one.unwrap_or(UNREADABLE))
        };
        let site = one(HeaderName::from_static("sec-fetch-site"));
        Self { origin: one(http::header::ORIGIN), site, host: one(http::header::HOST), own: None }
    }
}

impl Origins {
    /// Those of a server that is called without anything between: its own pages, and those of the list.
    #[must_use]
    pub fn direct(allowed: Vec<Origin>) -> Self {
        Self { own: Own::Direct, allowed }
    }

    /// Those behind an API that tells its own domain.
    #[must_use]
    pub fn gateway(allowed: Vec<Origin>) -> Self {
        Self { own: Own::Gateway, allowed }
    }

    /// Admits what was sent to this server by a name that is its own. Another's name may be made to lead here (DNS
    /// rebinding), and its pages then take themselves for this server's.
    ///
    /// # Errors
    /// The problem to answer with.
    pub fn host(&self, page: &Page<'_>) -> Result<(), Problem> {
        match (&self.own, page.host) {
            (Own::Gateway, _) | (Own::Direct, None) => Ok(()),
            (Own::Direct, Some(host)) if is_own(host) => Ok(()),
            (Own::Direct, Some(host)) if self.allowed.iter().any(|origin| origin.authority() == host) => Ok(()),
            (Own::Direct, Some(host)) => Err(Problem::foreign_host(host)),
        }
    }

    /// Admits what changes something, or opens a socket: from a page of one of these origins, or from no page at all.
    ///
    /// # Errors
    /// The problem to answer with.
    pub fn admit(&self, page: &Page<'_>) -> Result<(), Problem> {
        match (page.origin, page.site) {
            (Some(origin), _) if self.knows(origin, page) => Ok(()),
            (Some(origin), _) => Err(Problem::foreign_origin(&format!("a page of {}", short(origin)))),
            // Programs send neither; `none` is a person who typed the address.
            (None, None | Some("same-origin" | "none")) => Ok(()),
            (None, Some(_)) => Err(Problem::foreign_origin("a page of another site")),
        }
    }

    /// Admits a `GET` that changes something. A page sends one without an `Origin`, as an image or by a link, and then its
    /// browser says whose page it is only to a host that it trusts: by https, or on loopback. At another address nobody
    /// can tell a page from a program.
    ///
    /// # Errors
    /// The problem to answer with.
    pub fn admit_get(&self, page: &Page<'_>) -> Result<(), Problem> {
        let silent = page.origin.is_none() && page.site.is_none();
        let address = page.host.and_then(address).filter(|_| self.own == Own::Direct);
        if silent && address.is_some_and(|address| !address.is_loopback()) {
            return Err(Problem::silent_get());
        }
        self.admit(page)
    }

    fn knows(&self, origin: &str, page: &Page<'_>) -> bool {
        let own = match self.own {
            Own::Gateway => page.own == Some(origin),
            // The very server that the page came from: by the same name, and the same port.
            Own::Direct => page.host.is_some_and(|host| is_own(host) && origin.strip_prefix("http://") == Some(host)),
        };
        own || self.allowed.iter().any(|allowed| allowed.0 == origin)
    }
}

/// Whether a `Host` is this server for certain: nobody can make the name of loopback, or an address, lead elsewhere. An
/// address that is none, or another one in disguise, is no server's: `0.0.0.0` and `[::ffff:127.0.0.1]` lead to loopback,
/// and browsers do not know it.
fn is_own(host: &str) -> bool {
    let plain = |address: IpAddr| !address.is_unspecified() && address == address.to_canonical();
    split(host).0.eq_ignore_ascii_case("localhost") || address(host).is_some_and(plain)
}

/// The address that a `Host` is, if it is no name.
fn address(host: &str) -> Option<IpAddr> {
    let (name, _) = split(host);
    name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name).parse().ok()
}

fn short(text: &str) -> String {
    text.chars().take(100).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local() -> Origins {
        let allowed = vec![Origin::new("https://chat.example.com").unwrap()];
        Origins::direct(allowed)
    }

    fn page<'a>(origin: Option<&'a str>, host: &'a str) -> Page<'a> {
        Page { origin, host: Some(host), ..Page::default() }
    }

    #[test]
    fn own_pages_and_listed_ones_may_write_and_others_may_not() {
        for host in ["localhost:3000", "127.0.0.1:3000", "[::1]:3000", "192.0.2.7:3000"] {
            let own = format!("http://{host}");
            assert!(local().admit(&page(Some(&own), host)).is_ok(), "{host}");
            let listed = page(Some("https://chat.example.com"), host);
            assert!(local().admit(&listed).is_ok() && local().host(&listed).is_ok(), "{host}");
        }
        for (origin, host) in [
            ("http://evil.example", "localhost:3000"),
            ("http://localhost:5173", "localhost:3000"),
            ("https://localhost:3000", "localhost:3000"),
            ("http://localhost", "localhost:3000"),
            ("http://localhost:3000.evil.example", "localhost:3000"),
            ("http://evil.example:3000", "evil.example:3000"),
            ("http://192.0.2.7:3000", "localhost:3000"),
            ("http://chat.example.com", "localhost:3000"),
            ("null", "localhost:3000"),
            ("", "localhost:3000"),
            (UNREADABLE, "localhost:3000"),
        ] {
            assert!(local().admit(&page(Some(origin), host)).is_err(), "{origin} {host}");
        }
        assert!(local().admit(&Page { origin: Some("http://localhost:3000"), ..Page::default() }).is_err());
    }

    #[test]
    fn without_an_origin_the_browser_still_says_whether_a_page_asks() {
        for (site, admitted) in
            [(None, true), (Some("none"), true), (Some("same-origin"), true), (Some("same-site"), false)]
        {
            assert_eq!(local().admit(&Page { site, ..Page::default() }).is_ok(), admitted, "{site:?}");
        }
        assert!(local().admit(&Page { site: Some("cross-site"), ..Page::default() }).is_err());
    }

    #[test]
    fn a_foreign_name_leads_nowhere() {
        for host in ["localhost:3000", "localhost", "127.0.0.1:3000", "192.0.2.7:80", "[::1]:3000", "[::1]"] {
            assert!(local().host(&page(None, host)).is_ok(), "{host}");
        }
        for host in ["evil.example:3000", "evil.example", "localhost.evil.example:3000", "", UNREADABLE] {
            assert!(local().host(&page(None, host)).is_err(), "{host}");
        }
        assert!(local().host(&page(None, "chat.example.com")).is_ok());
        assert!(local().host(&Page::default()).is_ok(), "no browser leaves it out");
    }

    #[test]
    fn behind_an_api_the_own_origin_is_the_one_that_it_tells() {
        let origins = Origins::gateway(Origin::list("https://a.example, https://b.example:8443").unwrap());
        let own = "https://x.execute-api.eu-central-1.amazonaws.com";
        let ask = |origin| origins.admit(&Page { origin: Some(origin), own: Some(own), ..Page::default() });
        for admitted in [own, "https://a.example", "https://b.example:8443"] {
            assert!(ask(admitted).is_ok(), "{admitted}");
        }
        for refused in ["https://c.example", "http://a.example", "https://b.example", "null", ""] {
            assert!(ask(refused).is_err(), "{refused}");
        }
        let untold = Page { origin: Some(own), ..Page::default() };
        assert!(origins.admit(&untold).is_err());
    }

    #[test]
    fn an_origin_is_a_scheme_a_host_and_a_port() {
        let origin = |text| Origin::new(text).unwrap().0;
        assert_eq!(origin("https://Example.com:443/"), "https://example.com");
        assert_eq!(origin("http://[::1]:8080"), "http://[::1]:8080");
        for wrong in ["", "*", "null", "example.com", "https://", "https://*.example.com", "https://a/b", "http://a:0"]
        {
            assert!(Origin::new(wrong).is_err(), "{wrong}");
        }
        assert_eq!(Origin::list(" ").unwrap(), []);
    }
}
