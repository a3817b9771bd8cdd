//! temporary
use serde_json::{Value, json};
use crate::accounts::*;
use crate::world::World;

#[tokio::test]
async fn generate() {
    let world = World::new().await;
    let open = json!({"owner": "Alice", "initial_balance": 100}).to_string();
    world.post("/accounts/alice/open", &open).await;
    world.post("/accounts/bob/open", &json!({"owner": "Bob", "initial_balance": 0}).to_string()).await;
    world.post_keyed("paid-in", "/accounts/alice/deposit", r#"{"amount":50}"#).await;
    world.post(&events_of("alice"), &json!([{"type":"deposit","amount":1},{"type":"withdraw","amount":2},{"type":"deposit","amount":3}]).to_string()).await;
    let done = world.transfer("alice", "bob", 30).await;
    let back = world.transfer("alice", "nobody", 7).await;
    let refused = world.post_keyed("too-much", "/accounts/alice/withdraw", r#"{"amount":5000}"#).await;
    println!("{done:?} {back:?} {refused:?}");
    let mut all = vec![];
    for id in ["alice", "bob", "nobody"] {
        for item in world.stored(&account(id), "").await {
            let mut shown: Vec<_> = item.into_iter().collect();
            shown.sort_by(|a, b| a.0.cmp(&b.0));
            let m: serde_json::Map<String, Value> = shown.iter().map(|(n, v)| (n.clone(), show(v))).collect();
            all.push(Value::Object(m));
        }
    }
    std::fs::write("/tmp/w/first-version.json", serde_json::to_string_pretty(&all).unwrap()).unwrap();
}
fn show(v: &AttributeValue) -> Value {
    use aws_smithy_types::base64::encode;
    match v {
        AttributeValue::S(s) => json!({"S": s}),
        AttributeValue::N(s) => json!({"N": s}),
        AttributeValue::B(s) => json!({"B": encode(s)}),
        AttributeValue::Bs(s) => json!({"BS": s.iter().map(encode).collect::<Vec<_>>()}),
        AttributeValue::Bool(b) => json!({"BOOL": b}),
        AttributeValue::Null(b) => json!({"NULL": b}),
        AttributeValue::L(l) => json!({"L": l.iter().map(show).collect::<Vec<_>>()}),
        AttributeValue::M(m) => { let mut k: Vec<_> = m.keys().collect(); k.sort(); json!({"M": k.into_iter().map(|k| (k.clone(), show(&m[k]))).collect::<serde_json::Map<_,_>>()}) }
        other => panic!("{other:?}"),
    }
}
