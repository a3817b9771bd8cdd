//! What fails for a while and may pass: a full disk, no more file descriptors. It is told once, and so is its end.

use std::fmt::Display;

/// Whether something works that is tried again and again.
#[derive(Debug, Default)]
pub enum Outage {
    /// It worked, or was not tried yet.
    #[default]
    Over,
    /// It failed, and that was told.
    Told,
}

impl Outage {
    /// Tells the first failure, and that it works again. It brings what worked.
    pub fn tell<T, E: Display>(&mut self, what: impl Display, tried: Result<T, E>) -> Option<T> {
        match (tried, &self) {
            (Ok(done), Self::Over) => Some(done),
            (Ok(done), Self::Told) => {
                *self = Self::Over;
                tracing::warn!(%what, "it works again");
                Some(done)
            }
            (Err(error), Self::Over) => {
                *self = Self::Told;
                tracing::warn!(%what, %error, "it fails for now, and is tried again");
                None
            }
            (Err(_), Self::Told) => None,
        }
    }
}
