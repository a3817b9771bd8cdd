//! The server as its users run it: a process that is killed, stopped, doubled and left hanging.
#![cfg(test)]
#![cfg(unix)]

mod answer;
mod chatter;
mod damaged;
mod database;
mod gate;
mod increment;
mod issuer;
mod raw;
mod ring;
mod server;
mod socket_client;

mod access;
mod chat;
mod demo;
mod door;
mod ending;
mod hang_up;
mod journal;
mod kill;
mod metrics;
mod neighbours;
mod operator;
mod queue;
mod restart;
mod scarcity;
mod sockets;
mod talking;
mod transfers;
mod two_servers;
