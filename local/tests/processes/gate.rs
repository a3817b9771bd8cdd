//! A way to the database that can be held shut: requests go in, answers do not come out.

use local::database::Serving;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// A proxy on a port of its own.
pub struct Gate {
    endpoint: String,
    is_open: watch::Sender<bool>,
}

impl Gate {
    /// An open gate in front of a database.
    pub async fn before(serving: &Serving) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = serving.endpoint_through(listener.local_addr().unwrap());
        let database = serving.address();
        let (is_open, state) = watch::channel(true);
        tokio::spawn(async move {
            while let Ok((server, _)) = listener.accept().await {
                let Ok(database) = TcpStream::connect(database).await else { continue };
                let (mut requests, answered) = server.into_split();
                let (answers, mut asked) = database.into_split();
                tokio::spawn(async move { copy(&mut requests, &mut asked).await });
                tokio::spawn(pass(answers, answered, state.clone()));
            }
        });
        Self { endpoint, is_open }
    }

    /// The endpoint URL to give to a server.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Lets no answer out any more.
    pub fn shut(&self) {
        self.is_open.send_replace(false);
    }

    /// Lets the answers out, the held ones first.
    pub fn open(&self) {
        self.is_open.send_replace(true);
    }
}

async fn pass(mut answers: OwnedReadHalf, mut answered: OwnedWriteHalf, mut is_open: watch::Receiver<bool>) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = answers.read(&mut buffer).await {
        let opened = is_open.wait_for(|is_open| *is_open).await.is_ok();
        if !opened || answered.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}
