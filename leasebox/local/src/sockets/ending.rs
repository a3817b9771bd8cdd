//! How a socket ends, and what the `$disconnect` event says of it.

use axum::extract::ws::CloseFrame;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::error::ProtocolError;

/// A status code of RFC 6455 and a reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct End {
    pub(super) code: u16,
    pub(super) reason: String,
}

/// Who ends a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Leaving {
    /// The client has said good-bye.
    Client(End),
    /// This side says good-bye, and the client may answer.
    Server(End),
    /// This side says good-bye to a client whose frames can no longer be read.
    Unreadable(End),
    /// There is nobody left to say anything to.
    Broken,
}

impl Leaving {
    /// What is said of it.
    pub(super) fn end(&self) -> End {
        match self {
            Self::Client(end) | Self::Server(end) | Self::Unreadable(end) => end.clone(),
            Self::Broken => End::broken(),
        }
    }
}

impl End {
    fn new(code: u16, reason: &str) -> Self {
        Self { code, reason: reason.to_owned() }
    }

    /// The client's own. API Gateway's words for a frame without a status.
    pub(super) fn of_client(frame: Option<CloseFrame>) -> Self {
        match frame {
            Some(frame) => Self { code: frame.code, reason: frame.reason.as_str().to_owned() },
            None => Self::new(1005, "Client-side close frame status not set"),
        }
    }

    /// The socket was silent, or open, for too long; or the server ends.
    pub(super) fn going_away() -> Self {
        Self::new(1001, "Going away")
    }

    /// Somebody deleted the connection.
    pub(super) fn deleted() -> Self {
        Self::new(1000, "Closed by the server")
    }

    /// API Gateway takes no binary frames.
    pub(super) fn binary() -> Self {
        Self::new(1003, "Binary frames are not taken; send text")
    }

    /// The client does not read what it is sent.
    pub(super) fn too_slow() -> Self {
        Self::new(1013, "Too much waits to be read")
    }

    /// Nobody said good-bye.
    pub(super) fn broken() -> Self {
        Self::new(1006, "Connection Closed Abnormally")
    }

    /// The same as a frame.
    pub(super) fn frame(self) -> CloseFrame {
        CloseFrame { code: self.code, reason: self.reason.into() }
    }
}

/// Whether a message was not written because nobody reads what the library already has.
pub(super) fn is_full(error: axum::Error) -> bool {
    matches!(error.into_inner().downcast_ref(), Some(Error::WriteBufferFull(_)))
}

/// What an error of a read comes to.
pub(super) fn of_error(error: axum::Error) -> Leaving {
    let Ok(error) = error.into_inner().downcast::<Error>() else {
        return Leaving::Broken;
    };
    match *error {
        Error::Capacity(_) => Leaving::Unreadable(End::new(1009, "A message has at most 128 KB, and a frame 32 KB")),
        Error::Utf8(_) => Leaving::Unreadable(End::new(1007, "Text frames hold UTF-8")),
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => Leaving::Broken,
        Error::Protocol(_) => Leaving::Unreadable(End::new(1002, "The frame is none of RFC 6455")),
        _ => Leaving::Broken,
    }
}
