//! What Leasebox claims, each property a module, on a real DynamoDB engine: the embedded one, or with
//! `DYNAMODB_ENDPOINT` the one that is there.
#![cfg(test)]

mod meter;
mod world;

mod journey;
