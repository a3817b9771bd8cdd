//! The app of this repository, complete: what the tests run, and ask for its routes.

use std::sync::{Arc, LazyLock};

use shared::registry::Registry;
use web::app::Service;
use web::route::Route;

static SERVICE: LazyLock<Arc<Service>> = LazyLock::new(|| Arc::new(kinds::app().service().unwrap()));

/// What the functions run.
pub fn service() -> &'static Service {
    &SERVICE
}

/// The same, to be kept by whoever runs it.
pub fn whole() -> Arc<Service> {
    Arc::clone(&SERVICE)
}

/// The kinds of entity.
pub fn registry() -> Registry {
    SERVICE.registry.clone()
}

/// Every route.
pub fn routes() -> impl Iterator<Item = &'static Arc<Route>> {
    SERVICE.routes.iter()
}
