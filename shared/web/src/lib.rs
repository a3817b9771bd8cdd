//! HTTP in front of Leasebox: an [`app`] of kinds and routes, and what answers a request.
//!
//! A [`route`] is data. A request comes [`incoming`] by the wire or by [`gateway`], [`routing`] finds its route once, the
//! [`guard`] lets it in or not, and its handler is given a [`request`]: it says what to [`post`], or reads. [`generic`] are
//! the routes that every app has, [`openapi`] is the document of all of them, a [`problem`] whatever goes wrong.
//! [`socket`] and [`operation`] are what an app may have besides.

pub mod answer;
pub mod app;
pub mod body;
pub mod gateway;
pub mod generic;
pub mod guard;
pub mod incoming;
pub mod observed;
pub mod openapi;
pub mod operation;
pub mod operator;
pub mod pages;
pub mod post;
pub mod problem;
pub mod query;
pub mod reading;
pub mod request;
pub mod role;
pub mod route;
pub mod routing;
pub mod socket;
