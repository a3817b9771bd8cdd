//! A client that writes bytes, and reads them or not.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::server::Server;

/// How long anything may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A connection to a server.
pub struct Raw(TcpStream);

impl Raw {
    pub async fn open(server: &Server) -> Self {
        Self(TcpStream::connect(server.address().replace("localhost", "127.0.0.1")).await.unwrap())
    }

    /// One that takes hardly anything of what it does not read.
    pub async fn narrow(server: &Server) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let address = server.address().replace("localhost", "127.0.0.1").parse().unwrap();
        Self(socket.connect(address).await.unwrap())
    }

    pub async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).await.unwrap();
    }

    /// Writes as much as is taken within a time; fails when the other side has ended the connection.
    pub async fn press(&mut self, bytes: &[u8], time: Duration) -> io::Result<()> {
        match timeout(time, self.0.write_all(bytes)).await {
            Ok(written) => written,
            Err(_) => Ok(()),
        }
    }

    /// Writes no more.
    pub async fn finish(&mut self) {
        self.0.shutdown().await.unwrap();
    }

    /// Everything that comes until the other side ends the connection, in whatever way.
    pub async fn rest(&mut self) -> String {
        let mut bytes = Vec::new();
        // A reset ends it as well.
        let _ = timeout(PATIENCE, self.0.read_to_end(&mut bytes)).await.expect("the connection stays open");
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// What comes until these words have come.
    pub async fn until(&mut self, words: &str) -> String {
        let mut heard = Vec::new();
        while !String::from_utf8_lossy(&heard).contains(words) {
            let mut bytes = [0; 4096];
            let read = timeout(PATIENCE, self.0.read(&mut bytes)).await.expect("nothing comes").unwrap();
            assert!(read > 0, "it ended after {:?}", String::from_utf8_lossy(&heard));
            heard.extend_from_slice(&bytes[..read]);
        }
        String::from_utf8_lossy(&heard).into_owned()
    }

    /// Makes a socket of it.
    pub async fn upgrade(&mut self, user: &str) {
        self.write(format!(
            "GET /ws?user_id={user} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        ))
        .await;
        assert!(self.until("\r\n\r\n").await.starts_with("HTTP/1.1 101 "));
    }
}
