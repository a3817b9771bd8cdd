//! The authorizer of the socket API: API Gateway asks it once for each socket, before it is opened. What it answers with
//! is kept by API Gateway, and comes with every frame: nothing that the client sends can change it.

use serde_json::{Value, json};
use shared::envelope::Millis;
use web::guard::origins::Page;
use web::guard::{Connecting, Guard};

/// Whom a socket that is refused belongs to.
const NOBODY: &str = "nobody";

/// Answers a request for a socket with a policy and, in its context, the user.
#[must_use]
pub fn answer(guard: &Guard, event: &Value, now: Millis) -> Value {
    let query = |name: &str| event["queryStringParameters"][name].as_str();
    let page = Page {
        origin: header(event, "origin"),
        site: header(event, "sec-fetch-site"),
        host: header(event, "host"),
        // The pages are at another API, whose name the template tells to this one's stage.
        own: event["stageVariables"]["pageOrigin"].as_str(),
    };
    let connecting = Connecting { page, user_id: query("user_id"), ticket: query("ticket") };
    match guard.connect(&connecting, now) {
        Ok(user) => policy(event, "Allow", user.as_str(), &json!({"user": user.as_str()})),
        Err(problem) => {
            tracing::info!(detail = problem.detail(), "a socket was refused");
            policy(event, "Deny", NOBODY, &json!({"detail": problem.detail()}))
        }
    }
}

fn policy(event: &Value, effect: &str, principal: &str, context: &Value) -> Value {
    let statement = json!({"Action": "execute-api:Invoke", "Effect": effect, "Resource": event["methodArn"]});
    json!({
        "principalId": principal,
        "policyDocument": {"Version": "2012-10-17", "Statement": [statement]},
        "context": context,
    })
}

/// A header, whose name comes as the client wrote it. One that is there more than once is nobody's.
fn header<'a>(event: &'a Value, name: &str) -> Option<&'a str> {
    let mut named = event["headers"].as_object()?.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
    let (_, value) = named.next()?;
    let repeated = event["multiValueHeaders"].as_object().is_some_and(|headers| {
        let values = headers.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
        values.filter_map(|(_, values)| values.as_array()).map(Vec::len).sum::<usize>() > 1
    });
    if named.next().is_some() || repeated { Some("") } else { value.as_str() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use web::guard::UserId;

    const NOW: Millis = Millis(1_800_000_000_000);
    const ARN: &str = "arn:aws:execute-api:eu-central-1:123456789012:abcdef1234/live/$connect";
    const KEY: &str = "a key of thirty-two bytes or more";
    const PAGE: &str = "https://page.execute-api.eu-central-1.amazonaws.com";

    fn guard(users: &str) -> Guard {
        Guard::gateway(users, "https://chat.example.com", Some(KEY)).unwrap()
    }

    fn event(origin: Option<&str>, query: &Value) -> Value {
        let mut headers = json!({"Host": "abcdef1234.execute-api.eu-central-1.amazonaws.com", "Upgrade": "websocket"});
        if let Some(origin) = origin {
            headers["Origin"] = json!(origin);
        }
        json!({
            "type": "REQUEST", "methodArn": ARN, "headers": headers, "queryStringParameters": query,
            "stageVariables": {"pageOrigin": PAGE},
            "requestContext": {"routeKey": "$connect", "eventType": "CONNECT", "stage": "live"}
        })
    }

    fn ticket(user: &str) -> String {
        let user = UserId::new(user).unwrap();
        guard("verified").tickets.unwrap().issue(&user, 1, NOW).unwrap().text
    }

    /// Whose socket is opened; none when it is refused.
    fn opened(guard: &Guard, event: &Value) -> Option<String> {
        let answer = answer(guard, event, NOW);
        let statement = &answer["policyDocument"]["Statement"][0];
        assert_eq!((&statement["Resource"], &statement["Action"]), (&json!(ARN), &json!("execute-api:Invoke")));
        match statement["Effect"].as_str().unwrap() {
            "Allow" => {
                assert_eq!(answer["principalId"], answer["context"]["user"]);
                Some(answer["context"]["user"].as_str().unwrap().to_owned())
            }
            "Deny" => {
                assert!(answer["context"].get("user").is_none(), "{answer}");
                assert!(answer["context"]["detail"].as_str().unwrap().len() > 20, "{answer}");
                None
            }
            other => panic!("{other}"),
        }
    }

    #[test]
    fn with_verified_users_a_ticket_is_needed() {
        let guard = guard("verified");
        let with = |ticket: &str| opened(&guard, &event(Some(PAGE), &json!({"ticket": ticket, "user_id": "bob"})));
        assert_eq!(with(&ticket("alice")).as_deref(), Some("alice"));
        for wrong in ["", "alice", &ticket("alice")[1..]] {
            assert_eq!(with(wrong), None, "{wrong}");
        }
        for query in [json!({"user_id": "alice"}), json!({}), json!(null)] {
            assert_eq!(opened(&guard, &event(Some(PAGE), &query)), None, "{query}");
        }
        let ticket = event(None, &json!({"ticket": ticket("alice")}));
        let later = answer(&guard, &ticket, NOW.plus(60_000));
        assert_eq!(later["policyDocument"]["Statement"][0]["Effect"], "Deny");
        assert!(later["context"]["detail"].as_str().unwrap().contains("expired"), "{later}");
        let mut claimed = event(None, &json!({}));
        claimed["requestContext"]["authorizer"] = json!({"user": "alice"});
        assert_eq!(opened(&guard, &claimed), None);
    }

    #[test]
    fn where_it_is_open_the_socket_says_whose_it_is() {
        let guard = guard("open");
        assert_eq!(opened(&guard, &event(None, &json!({"user_id": "alice"}))).as_deref(), Some("alice"));
        assert_eq!(opened(&guard, &event(None, &json!({"ticket": ticket("bob")}))).as_deref(), Some("bob"));
        for query in [json!({"user_id": ""}), json!({"user_id": "a/b"}), json!({"user_id": 7}), json!({})] {
            assert_eq!(opened(&guard, &event(None, &query)), None, "{query}");
        }
    }

    #[test]
    fn a_foreign_page_opens_no_socket() {
        let query = json!({"user_id": "alice", "ticket": ticket("alice")});
        for users in ["open", "verified"] {
            for (origin, admitted) in [
                (None, true),
                (Some(PAGE), true),
                (Some("https://chat.example.com"), true),
                (Some("https://evil.example"), false),
                (Some("null"), false),
                (Some("https://abcdef1234.execute-api.eu-central-1.amazonaws.com"), false),
            ] {
                let opened = opened(&guard(users), &event(origin, &query));
                assert_eq!(opened.is_some(), admitted, "{users} {origin:?}");
            }
            let mut lower = event(None, &query);
            lower["headers"]["origin"] = json!("https://evil.example");
            assert_eq!(opened(&guard(users), &lower), None);
            let mut twice = event(Some(PAGE), &query);
            twice["headers"]["origin"] = json!("https://evil.example");
            assert_eq!(opened(&guard(users), &twice), None);
            let mut twice = event(Some(PAGE), &query);
            twice["multiValueHeaders"] = json!({"Origin": ["https://evil.example", PAGE]});
            assert_eq!(opened(&guard(users), &twice), None);
            let mut untold = event(Some(PAGE), &query);
            untold["stageVariables"] = json!(null);
            assert_eq!(opened(&guard(users), &untold), None);
        }
    }
}
