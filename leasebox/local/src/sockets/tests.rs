//! Real clients against the gateway, whose handlers are made up.

mod closing;
mod events;
mod messages;
mod opening;
mod pushes;
mod world;
