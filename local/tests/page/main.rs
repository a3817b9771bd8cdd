//! The page as people use it: windows of Chromium, and a server that comes and goes. `.ci/page` runs these.
#![cfg(test)]
#![cfg(unix)]

mod browser;
#[path = "../processes/issuer.rs"]
#[allow(dead_code, reason = "the tests of tokens need more of it")]
mod issuer;
mod people;
#[path = "../processes/server.rs"]
#[allow(dead_code, reason = "the other tests of processes need more of it")]
mod server;

mod chat;
mod counter;
mod keyboard;
mod looks;
mod outage;
mod picture;
mod tokens;
