//! What the HTTP functions share: the routes, the shapes of answers, problems, and the OpenAPI document.

pub mod answer;
pub mod bank;
pub mod chat;
pub mod gateway;
pub mod guard;
pub mod incoming;
pub mod observed;
pub mod openapi;
pub mod operator;
pub mod problem;
pub mod query;
pub mod routes;
pub mod routing;
