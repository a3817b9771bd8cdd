//! What Leasebox claims, each property a module, on a real DynamoDB engine: the embedded one, or with
//! `DYNAMODB_ENDPOINT` the one that is there.
#![cfg(test)]
// The layers of futures from a test through the handlers and the SDK are deep.
#![recursion_limit = "256"]

mod drive;
mod faults;
mod ledger;
mod meter;
mod world;

mod cost;
mod crash;
mod example;
mod journey;
mod readme;
