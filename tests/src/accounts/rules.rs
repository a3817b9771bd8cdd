//! What the rules of the bank refuse: each refusal by its name, whatever route it came by, and without a trace.

use kinds::account::OWNER_BYTES;
use serde_json::{Value, json};
use shared::host::ReadHost;

use crate::accounts::{account, events_of, transferring, types};
use crate::problems::{is_absent, problem};
use crate::world::{Reply, World};

/// The same command by its own route and by the one for all entities.
fn both_ways(id: &str, command: &Value) -> Vec<(String, String)> {
    let mut body = command.clone();
    let r#type = body.as_object_mut().unwrap().remove("type").unwrap();
    let own = match r#type.as_str().unwrap() {
        "transfer" => {
            body["from"] = json!(id);
            "/transfers".to_owned()
        }
        other => format!("/accounts/{id}/{other}"),
    };
    vec![(own, body.to_string()), (events_of(id), command.to_string())]
}

/// What a refusal says: its status, its name, and the members that a program may want.
type Refusal = (u16, &'static str, Value);

fn assert_refused(what: &str, reply: &Reply, (status, name, members): &Refusal) {
    assert_eq!((reply.status, problem(reply)), (*status, *name), "{what}: {reply:?}");
    for (member, value) in members.as_object().unwrap() {
        assert_eq!(&reply.body[member], value, "{what}: {reply:?}");
    }
}

/// What the state of an account decides; `alice` is open with 100, `full` with all that an account holds.
fn refused_by_state() -> Vec<(&'static str, Value, Refusal)> {
    let max = i64::MAX;
    vec![
        (
            "alice",
            json!({"type": "open", "owner": "b", "initial_balance": 1}),
            (409, "account-already-open", json!({})),
        ),
        ("none", json!({"type": "deposit", "amount": 1}), (404, "account-not-open", json!({}))),
        ("none", json!({"type": "withdraw", "amount": 1}), (404, "account-not-open", json!({}))),
        ("none", json!({"type": "transfer", "to": "alice", "amount": 1}), (404, "account-not-open", json!({}))),
        (
            "alice",
            json!({"type": "withdraw", "amount": 101}),
            (422, "insufficient-funds", json!({"balance": 100, "requested": 101})),
        ),
        (
            "alice",
            json!({"type": "withdraw", "amount": max}),
            (422, "insufficient-funds", json!({"balance": 100, "requested": max})),
        ),
        (
            "alice",
            json!({"type": "transfer", "to": "full", "amount": 101}),
            (422, "insufficient-funds", json!({"balance": 100, "requested": 101})),
        ),
        (
            "alice",
            json!({"type": "deposit", "amount": max - 99}),
            (422, "balance-overflow", json!({"balance": 100, "amount": max - 99})),
        ),
        (
            "full",
            json!({"type": "deposit", "amount": 1}),
            (422, "balance-overflow", json!({"balance": max, "amount": 1})),
        ),
    ]
}

/// What is refused whatever the state is.
fn refused_at_once() -> Vec<(Value, Refusal)> {
    let not_positive = |amount: i64| (400, "amount-not-positive", json!({"amount": amount}));
    let malformed = (400, "owner-malformed", json!({}));
    let open = |owner: &str, balance: i64| json!({"type": "open", "owner": owner, "initial_balance": balance});
    let mut cases = vec![
        (open("a", -1), not_positive(-1)),
        (open("a", i64::MIN), not_positive(i64::MIN)),
        (open("", 0), malformed.clone()),
        (open("  ", 0), malformed.clone()),
        (open("a\nb", 0), malformed.clone()),
        (open("a\u{0}", 0), malformed.clone()),
        (open(&"x".repeat(OWNER_BYTES + 1), 0), malformed.clone()),
        (open(&"é".repeat(OWNER_BYTES / 2 + 1), 0), malformed),
        (json!({"type": "transfer", "to": "own", "amount": 1}), (400, "transfer-to-itself", json!({}))),
        (json!({"type": "transfer", "to": "", "amount": 1}), (400, "receiver-malformed", json!({}))),
        (json!({"type": "transfer", "to": "a/b", "amount": 1}), (400, "receiver-malformed", json!({}))),
        (json!({"type": "transfer", "to": "x".repeat(129), "amount": 1}), (400, "receiver-malformed", json!({}))),
    ];
    for amount in [0, -1, i64::MIN] {
        cases.push((json!({"type": "deposit", "amount": amount}), not_positive(amount)));
        cases.push((json!({"type": "withdraw", "amount": amount}), not_positive(amount)));
        cases.push((json!({"type": "transfer", "to": "bob", "amount": amount}), not_positive(amount)));
    }
    cases
}

#[tokio::test]
async fn what_the_state_refuses_has_its_name_and_journals_nothing() {
    let world = World::new().await;
    world.open_account("alice", 100).await;
    world.open_account("full", i64::MAX).await;
    let before = [world.journal("alice").await, world.journal("full").await];
    for (number, (id, command, refusal)) in refused_by_state().into_iter().enumerate() {
        for (path, body) in both_ways(id, &command) {
            let reply = world.post(&path, &body).await;
            // The route for all entities answers a refusal like the others, and so does a repetition with a key.
            assert_refused(&format!("{path} {body}"), &reply, &refusal);
            assert!(reply.body["event_id"].is_string(), "{reply:?}");
            for replayed in [false, true] {
                let reply = world.post_keyed(&format!("{number}"), &path, &body).await;
                assert_refused(&format!("{path} {body}, replayed: {replayed}"), &reply, &refusal);
            }
            assert_eq!([world.journal("alice").await, world.journal("full").await], before, "{path} {body}");
        }
    }
    assert_eq!((world.balance("alice").await, world.version("alice").await), (json!(100), 1));
    assert_eq!((world.balance("full").await, world.version("full").await), (json!(i64::MAX), 1));
    assert!(world.journal_items("none").await.is_empty());
    for id in ["alice", "full"] {
        world.verified(id).await;
    }
    for path in ["/accounts/none", "/accounts/none/events", "/accounts/none/verify", "/accounts/never"] {
        let reply = world.get(path).await;
        assert_eq!((reply.status, problem(&reply)), (404, "account-not-open"), "{reply:?}");
    }
}

#[tokio::test]
async fn what_no_state_could_allow_is_refused_before_anything_is_stored() {
    let world = World::new().await;
    for (command, refusal) in refused_at_once() {
        for (path, body) in both_ways("own", &command) {
            for headers in [vec![], vec![("idempotency-key", "k")], vec![("prefer", "respond-async")]] {
                world.host.store().take();
                let reply = world.http("POST", &path, &headers, &body).await;
                assert_refused(&format!("{path} {body}"), &reply, &refusal);
                assert_eq!(world.host.store().take().writes, 0, "{path} {body}");
            }
        }
        // In an array it stops those beside it too.
        let array = json!([{"type": "open", "owner": "a", "initial_balance": 5}, command]).to_string();
        assert_refused(&array, &world.post(&events_of("own"), &array).await, &refusal);
    }
    assert!(is_absent(&world, &account("own")).await && is_absent(&world, &account("bob")).await);
}

#[tokio::test]
async fn bodies_that_are_not_understood_store_nothing() {
    let world = World::new().await;
    let amounts = [
        "",
        "{}",
        "null",
        "[]",
        "7",
        "\"5\"",
        "[5]",
        "{",
        "{}}",
        "amount=5",
        r#"{"amount":1.0}"#,
        r#"{"amount":1.5}"#,
        r#"{"amount":1e2}"#,
        r#"{"amount":"5"}"#,
        r#"{"amount":null}"#,
        r#"{"amount":[5]}"#,
        r#"{"amount":{"n":5}}"#,
        r#"{"amount":true}"#,
        r#"{"amount":9223372036854775808}"#,
        r#"{"amount":-9223372036854775809}"#,
        r#"{"amount":1e99999}"#,
        r#"{"amount":5,"amount":6}"#,
        r#"{"amount":5,"by":"bob"}"#,
        r#"{"Amount":5}"#,
        r#"{"type":"deposit","amount":5}"#,
        r#"[{"amount":5}]"#,
        r#"{"amount":5,"transfer":null}"#,
    ];
    let opens = [
        "",
        "{}",
        r#"{"owner":"a"}"#,
        r#"{"initial_balance":5}"#,
        r#"{"owner":7,"initial_balance":5}"#,
        r#"{"owner":null,"initial_balance":5}"#,
        r#"{"owner":["a"],"initial_balance":5}"#,
        r#"["a",5]"#,
        r#"{"owner":"a","initial_balance":0.5}"#,
        r#"{"owner":"a","initial_balance":"5"}"#,
        r#"{"owner":"a","initial_balance":9223372036854775808}"#,
        r#"{"owner":"a","initial_balance":5,"limit":1}"#,
    ];
    let transfers = [
        "",
        "{}",
        r#"["own","bob",5]"#,
        r#"{"from":"own","to":"bob"}"#,
        r#"{"from":"own","amount":5}"#,
        r#"{"to":"bob","amount":5}"#,
        r#"{"from":7,"to":"bob","amount":5}"#,
        r#"{"from":"own","to":null,"amount":5}"#,
        r#"{"from":"own","to":"bob","amount":0.5}"#,
        r#"{"from":"own","to":"bob","amount":"5"}"#,
        r#"{"from":"own","to":"bob","amount":5,"currency":"EUR"}"#,
        r#"{"from":"","to":"bob","amount":5}"#,
        r#"{"from":"o/n","to":"bob","amount":5}"#,
        r#"{"from":"own","to":"bob","amount":18446744073709551616}"#,
    ];
    let of =
        |path: &'static str, bodies: &[&'static str]| bodies.iter().map(move |body| (path, *body)).collect::<Vec<_>>();
    let all = [
        of("/accounts/own/deposit", &amounts),
        of("/accounts/own/withdraw", &amounts),
        of("/accounts/own/open", &opens),
        of("/transfers", &transfers),
        of("/accounts/own/deposit?amount=5", &["{\"amount\":5}"]),
        of("/transfers?from=own", &["{\"from\":\"own\",\"to\":\"bob\",\"amount\":5}"]),
        of("/accounts/%20/deposit", &["{\"amount\":5}"]),
    ];
    for (path, body) in all.concat() {
        world.host.store().take();
        let reply = world.post(path, body).await;
        assert_eq!((reply.status, problem(&reply)), (400, "invalid-request"), "{path} {body}: {reply:?}");
        assert_eq!(world.host.store().take().writes, 0, "{path} {body}");
    }
    assert!(is_absent(&world, &account("own")).await && is_absent(&world, &account("bob")).await);
}

#[tokio::test]
async fn nobody_outside_sends_a_credit_or_a_refund() {
    let world = World::new().await;
    world.open_account("alice", 100).await;
    let id = "bob~1-000102030405060708090a0b";
    let transfer = json!({"id": id, "from": "bob", "to": "alice", "amount": 1_000});
    let mut credit = transfer.clone();
    credit["type"] = json!("credit");
    let rejection = json!({"reason": "account-not-open", "status": 404, "detail": "x"});
    let refund = json!({"type": "refund", "transfer": transfer, "rejection": rejection});
    let deposit = json!({"type": "deposit", "amount": 1});
    for body in [credit.clone(), refund.clone(), json!([deposit, credit]), json!([refund, deposit])] {
        world.host.store().take();
        let reply = world.post(&events_of("alice"), &body.to_string()).await;
        assert_eq!((reply.status, problem(&reply)), (403, "not-admitted"), "{body}");
        assert_eq!(world.host.store().take().writes, 0, "{body}");
    }
    // Neither as what a person may do by its own route.
    for path in ["/accounts/alice/credit", "/accounts/alice/refund"] {
        assert_eq!(world.post(path, &transfer.to_string()).await.status, 404, "{path}");
    }
    assert_eq!((world.balance("alice").await, world.version("alice").await), (json!(100), 1));
}

#[tokio::test]
async fn amounts_go_up_to_the_largest_number_and_not_beyond() {
    let (world, max) = (World::new().await, i64::MAX);
    world.open_account("alice", max).await;
    world.open_account("bob", 0).await;
    let emptied = world.withdraw("alice", max).await;
    assert_eq!((emptied.status, &emptied.body["balance"]), (200, &json!(0)), "{emptied:?}");
    let filled = world.deposit("alice", max).await;
    assert_eq!((filled.status, &filled.body["balance"]), (200, &json!(max)), "{filled:?}");
    let sent = world.transfer("alice", "bob", max).await;
    assert_eq!((sent.status, &sent.body["status"]), (200, &json!("completed")), "{sent:?}");
    assert_eq!((world.balance("alice").await, world.balance("bob").await), (json!(0), json!(max)));

    // What comes back is taken whatever is there by then.
    assert_eq!(world.deposit("alice", max).await.status, 200);
    let held = world.post_async("/transfers", &transferring("bob", "alice", max)).await;
    assert_eq!(held.status, 202, "{held:?}");
    world.work_off().await;
    assert_eq!((world.balance("alice").await, world.balance("bob").await), (json!(max), json!(max)));
    let tracked = world.get(held.headers["location"].to_str().unwrap()).await;
    assert_eq!(tracked.body["status"], "refunded", "{tracked:?}");
    assert_eq!(tracked.body["rejection"]["reason"], "balance-overflow", "{tracked:?}");
    for id in ["alice", "bob"] {
        world.verified(id).await;
    }
}

#[tokio::test]
async fn who_does_not_wait_is_told_where_to_look() {
    let world = World::new().await;
    let open = json!({"owner": "a", "initial_balance": 100}).to_string();
    let amount = json!({"amount": 30}).to_string();
    let mut receipts = Vec::new();
    for (path, body) in [
        ("/accounts/alice/open", &open),
        ("/accounts/alice/deposit", &amount),
        ("/accounts/alice/withdraw", &amount),
        ("/accounts/alice/open", &open),
    ] {
        let reply = world.post_async(path, body).await;
        assert_eq!((reply.status, &reply.body["status"]), (202, &json!("queued")), "{reply:?}");
        receipts.push(reply.headers["location"].to_str().unwrap().to_owned());
    }
    let early = world.get("/accounts/alice").await;
    assert_eq!((early.status, problem(&early)), (404, "account-not-open"), "nothing has happened yet");
    world.work_off().await;
    let mut replies = Vec::new();
    for location in &receipts {
        let receipt = world.get(location).await;
        assert_eq!((receipt.status, &receipt.body["status"]), (200, &json!("processed")), "{receipt:?}");
        replies.push(receipt.body);
    }
    let balances: Vec<_> = replies[..3].iter().map(|reply| reply["reply"]["balance"].as_u64().unwrap()).collect();
    assert_eq!(balances, [100, 130, 100]);
    assert_eq!(replies[3]["rejection"]["reason"], "account-already-open");
    assert_eq!(types(&world.journal("alice").await), ["AccountOpened", "MoneyDeposited", "MoneyWithdrawn"]);
    world.verified("alice").await;
}
