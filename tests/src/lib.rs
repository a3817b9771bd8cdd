//! What Leasebox claims, each property a module, on a real DynamoDB engine: the embedded one, or with
//! `DYNAMODB_ENDPOINT` the one that is there.
#![cfg(test)]
// The layers of futures from a test through the handlers and the SDK are deep.
#![recursion_limit = "256"]

mod app;
mod chance;
mod connector;
mod drive;
mod ledger;
mod lines;
mod meter;
mod problems;
mod scribe;
mod stalled;
mod takeover;
mod template;
mod wire;
mod world;

mod access_page;
mod accounts;
mod architecture;
mod chat;
mod concurrency;
mod consumed;
mod cost;
mod cost_page;
mod crash;
mod damage;
mod dashboards;
mod decoders;
mod deployed_routes;
mod deployed_sockets;
mod differential;
mod direct;
mod doors;
mod effects;
mod extremes;
mod fuzz;
mod guard;
mod input;
mod invocations;
mod journey;
mod keys;
mod limits;
mod logs;
mod metrics;
mod openapi;
mod operators;
mod pages;
mod paths;
mod payloads;
mod poison;
mod prefer;
mod pushes;
mod readme;
mod refusals;
mod retries;
mod routing;
mod seeds;
mod stack;
mod stateless;
mod traces;
mod wakes;
