//! The server as its users run it: a process that is killed, stopped, doubled and left hanging.
#![cfg(test)]
#![cfg(unix)]

mod gate;
mod increment;
mod server;

mod hang_up;
mod kill;
mod operator;
mod queue;
mod restart;
mod two_servers;
