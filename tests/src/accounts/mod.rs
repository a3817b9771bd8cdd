//! The bank and its journals: money is neither made nor lost, what has happened is never rewritten, and whatever the
//! rules refuse leaves no trace.

mod conflicts;
mod cost;
mod crash;
mod damage;
mod insistent;
mod journal;
mod model;
mod rules;
mod snapshot;
mod status;
mod stored;
mod time;
mod transfers;
mod upcast;
mod wide;

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue as Attribute;
use kinds::account::KIND;
use serde_dynamo::{AttributeValue, Item};
use serde_json::{Value, json};
use shared::envelope::EntityId;
use shared::mailbox::image::Mailbox;

use crate::world::{Reply, World, entity};

/// Attributes of an item by their names.
pub type Attributes = HashMap<String, AttributeValue>;

/// An account.
pub fn account(id: &str) -> EntityId {
    entity(KIND, id)
}

impl World {
    /// Opens an account.
    pub async fn open_account(&self, id: &str, balance: i64) {
        let body = json!({"owner": format!("the owner of {id}"), "initial_balance": balance}).to_string();
        let opened = self.post(&format!("/accounts/{id}/open"), &body).await;
        assert_eq!((opened.status, &opened.body["balance"]), (200, &json!(balance)), "{opened:?}");
    }

    /// Pays in.
    pub async fn deposit(&self, id: &str, amount: i64) -> Reply {
        self.post(&format!("/accounts/{id}/deposit"), &json!({"amount": amount}).to_string()).await
    }

    /// Pays out.
    pub async fn withdraw(&self, id: &str, amount: i64) -> Reply {
        self.post(&format!("/accounts/{id}/withdraw"), &json!({"amount": amount}).to_string()).await
    }

    /// Sends money from one account to another.
    pub async fn transfer(&self, from: &str, to: &str, amount: i64) -> Reply {
        self.post("/transfers", &transferring(from, to, amount)).await
    }

    /// Posts with an idempotency key.
    pub async fn post_keyed(&self, key: &str, path: &str, body: &str) -> Reply {
        self.http("POST", path, &[("idempotency-key", key)], body).await
    }

    /// Posts what `drain` is to process.
    pub async fn post_async(&self, path: &str, body: &str) -> Reply {
        self.http("POST", path, &[("prefer", "respond-async")], body).await
    }

    /// An account over HTTP, as of now.
    pub async fn balance(&self, id: &str) -> Value {
        let reply = self.get(&format!("/accounts/{id}")).await;
        assert_eq!((reply.status, &reply.body["account_id"]), (200, &json!(id)), "{reply:?}");
        reply.body["balance"].clone()
    }

    /// How many events an account has, over HTTP.
    pub async fn version(&self, id: &str) -> u64 {
        let reply = self.get(&format!("/accounts/{id}")).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.body["version"].as_u64().unwrap()
    }

    /// The journal of an account over HTTP, in pages of so many events. Each page but the last is full.
    pub async fn pages(&self, id: &str, from: u64, limit: usize) -> Vec<Value> {
        let (mut all, mut next) = (Vec::new(), Some(from));
        while let Some(from) = next {
            let page = self.get(&format!("/accounts/{id}/events?from={from}&limit={limit}")).await;
            assert_eq!((page.status, &page.body["account_id"]), (200, &json!(id)), "{page:?}");
            let items = page.body["items"].as_array().unwrap();
            next = page.body["next"].as_u64();
            assert!(items.len() == limit || (items.len() < limit && next.is_none()), "{page:?}");
            all.extend(items.iter().cloned());
        }
        all
    }

    /// The whole journal of an account over HTTP.
    pub async fn journal(&self, id: &str) -> Vec<Value> {
        self.pages(id, 1, 1_000).await
    }

    /// What `verify` says of an account.
    pub async fn verdict(&self, id: &str) -> Reply {
        let verdict = self.get(&format!("/accounts/{id}/verify")).await;
        assert_eq!((verdict.status, &verdict.body["account_id"]), (200, &json!(id)), "{verdict:?}");
        verdict
    }

    /// Asserts that an account is what follows from its journal.
    pub async fn verified(&self, id: &str) {
        let verdict = self.verdict(id).await;
        assert_eq!(verdict.body["consistent"], true, "{verdict:?}");
        assert_eq!(verdict.body["version"], self.version(id).await, "{verdict:?}");
        assert!(verdict.body.get("detail").is_none(), "{verdict:?}");
    }

    /// The SDK's own client of this world's database.
    pub fn sdk(&self) -> aws_sdk_dynamodb::Client {
        aws_sdk_dynamodb::Client::new(&self.config)
    }

    /// Every item of an entity whose sort key begins like this, in order, as it is stored.
    pub async fn stored(&self, entity: &EntityId, prefix: &str) -> Vec<Attributes> {
        let query = self.sdk().query().table_name(&self.table);
        let query = query.expression_attribute_values(":pk", Attribute::S(entity.to_string())).consistent_read(true);
        // No key may be compared with an empty text.
        let query = match prefix {
            "" => query.key_condition_expression("pk = :pk"),
            prefix => query
                .key_condition_expression("pk = :pk AND begins_with(sk, :sk)")
                .expression_attribute_values(":sk", Attribute::S(prefix.to_owned())),
        };
        let pages = query.into_paginator().items();
        let items: Vec<_> = pages.send().collect::<Result<_, _>>().await.unwrap();
        items.into_iter().map(|item| Item::from(item).into()).collect()
    }

    /// The items of an account's journal.
    pub async fn journal_items(&self, id: &str) -> Vec<Attributes> {
        self.stored(&account(id), "event#").await
    }

    /// Writes an item as it is.
    pub async fn put_item(&self, item: Attributes) {
        let item: HashMap<String, Attribute> = Item::from(item).into();
        self.sdk().put_item().table_name(&self.table).set_item(Some(item)).send().await.unwrap();
    }

    /// Takes an item away.
    pub async fn take_item(&self, entity: &EntityId, sk: &str) {
        let request = self.sdk().delete_item().table_name(&self.table);
        let request = request.key("pk", Attribute::S(entity.to_string())).key("sk", Attribute::S(sk.to_owned()));
        request.send().await.unwrap();
    }

    /// Asserts that nothing is left to do for accounts, and brings the mailboxes of those that have one.
    pub async fn settled(&self, ids: &[&str]) -> Vec<Mailbox> {
        let mut mailboxes = Vec::new();
        for id in ids {
            if self.item(shared::table::mailbox_key(&account(id))).await.is_some() {
                mailboxes.push(self.idle(&account(id)).await);
            }
        }
        mailboxes
    }
}

/// The body of a transfer.
pub fn transferring(from: &str, to: &str, amount: i64) -> String {
    json!({"from": from, "to": to, "amount": amount}).to_string()
}

/// The path by which anybody posts to an account what anybody may post to an entity.
pub fn events_of(id: &str) -> String {
    format!("/entities/{KIND}/{id}/events")
}

/// The types of a journal's events, in order.
pub fn types(journal: &[Value]) -> Vec<&str> {
    journal.iter().map(|event| event["type"].as_str().unwrap()).collect()
}

/// The versions of a journal's events, in order.
pub fn versions(journal: &[Value]) -> Vec<u64> {
    journal.iter().map(|event| event["version"].as_u64().unwrap()).collect()
}
