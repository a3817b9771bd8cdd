//! The bank: event-sourced accounts and the transfers between them.

mod crash;
