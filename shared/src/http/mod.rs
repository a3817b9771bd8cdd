//! What the HTTP functions share: the routes, the shapes of answers, problems, and the OpenAPI document.

pub mod answer;
pub mod openapi;
pub mod problem;
pub mod routes;
