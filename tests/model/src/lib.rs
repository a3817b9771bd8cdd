//! The exhaustive model of the mailbox protocol.
pub mod check;
pub mod client;
pub mod config;
pub mod configs;
pub mod drain;
pub mod fact;
pub mod list;
pub mod mailbox;
pub mod mutant;
pub mod property;
pub mod reply;
pub mod request;
pub mod system;
pub mod visit;
pub mod world;
