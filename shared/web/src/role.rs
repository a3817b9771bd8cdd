//! Which program an app is built into. What a program never does is not in it: a function is fetched and mapped before
//! anything in it runs, so each byte of it is paid for at every start.
//!
//! The role is a type, since only of code that no type leads to does the compiler make nothing: a handler that stood in a
//! list would be in every program that has the list.

/// Says which parts of an app a program has: one of [`Ingest`], [`Drain`], [`Status`] and [`Whole`].
pub trait Role: sealed::Sealed + 'static {
    /// Whether it answers what posts, and sockets.
    const POSTS: bool;
    /// Whether it answers what reads, the OpenAPI document among it.
    const READS: bool;
    /// Whether it has the commands of the development server.
    const DEVELOPS: bool;
    /// Whether it answers requests at all, and so knows what routes there are.
    const SERVES: bool = Self::POSTS || Self::READS;
}

macro_rules! role {
    ($role:ident, $about:literal, $posts:literal, $reads:literal, $develops:literal) => {
        #[doc = $about]
        #[derive(Debug)]
        pub enum $role {}

        impl sealed::Sealed for $role {}

        impl Role for $role {
            const POSTS: bool = $posts;
            const READS: bool = $reads;
            const DEVELOPS: bool = $develops;
        }
    };
}

role!(Ingest, "Makes the function that takes events in: routes that post, and sockets.", true, false, false);
role!(Drain, "Makes the function that finishes what nobody finished: kinds alone.", false, false, false);
role!(Status, "Makes the function that reads: routes that read, and the OpenAPI document.", false, true, false);
role!(Whole, "Makes a program that has everything: the development server, and tests.", true, true, true);

mod sealed {
    pub trait Sealed {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::App;
    use crate::route::Function;

    /// The routes of a program: which there are, which function serves each, and whether this one does.
    fn routes<R: Role>() -> Vec<(String, Function, bool)> {
        let service = App::<R>::new().build().unwrap();
        service.routes.iter().map(|route| (format!("{route:?}"), route.function, route.handler.is_some())).collect()
    }

    #[test]
    fn a_program_knows_all_routes_and_answers_its_own() {
        let whole = routes::<Whole>();
        assert!(whole.iter().all(|(_, _, answered)| *answered));
        let of = |own: Function| -> Vec<_> {
            whole.iter().map(|(route, function, _)| (route.clone(), *function, *function == own)).collect()
        };
        assert_eq!(routes::<Ingest>(), of(Function::Ingest));
        assert_eq!(routes::<Status>(), of(Function::Status));
    }
}
