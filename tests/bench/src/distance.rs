//! A relay that makes a database as far away as DynamoDB is: each answer is held back for a while.
//!
//! On the loopback device the embedded database answers in a fraction of a millisecond, most of which is its own work. Then
//! what is compared is how much work a request is, and not how many of them an event waits for.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

/// How long an answer is held back: DynamoDB says "single-digit milliseconds" of itself.
pub const DISTANCE: Duration = Duration::from_millis(4);
/// What is read at once, in bytes.
const CHUNK: usize = 64 * 1024;
/// Chunks under way on one connection. More than one answer has.
const CHUNKS: usize = 64;

/// Relays to a server for as long as the runtime lasts; gives the address to use instead.
///
/// # Errors
/// When there is no port for it.
pub async fn relay(to: SocketAddr, distance: Duration) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            // A connection that breaks is its client's to make again.
            tokio::spawn(async move { connection(client, to, distance).await.ok() });
        }
    });
    Ok(address)
}

async fn connection(client: TcpStream, to: SocketAddr, distance: Duration) -> io::Result<()> {
    let server = TcpStream::connect(to).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (mut asked, answers) = client.into_split();
    let (answered, mut asks) = server.into_split();
    let answering = tokio::spawn(hold_back(answered, answers, distance));
    copy(&mut asked, &mut asks).await?;
    asks.shutdown().await?;
    answering.await?
}

/// Passes on what comes, each part as late as the first: so that a long answer is not later than a short one.
async fn hold_back(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, distance: Duration) -> io::Result<()> {
    let (sender, mut held) = mpsc::channel::<(Instant, Vec<u8>)>(CHUNKS);
    let writing = tokio::spawn(async move {
        while let Some((due, part)) = held.recv().await {
            sleep_until(due).await;
            to.write_all(&part).await?;
        }
        io::Result::Ok(())
    });
    let mut part = vec![0; CHUNK];
    loop {
        let read = from.read(&mut part).await?;
        let bytes = part.get(..read).unwrap_or_default().to_vec();
        if read == 0 || sender.send((Instant::now() + distance, bytes)).await.is_err() {
            break;
        }
    }
    drop(sender);
    writing.await?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn answers_come_whole_and_not_before_their_time() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let to = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let (mut from, mut back) = stream.split();
            copy(&mut from, &mut back).await.unwrap();
        });
        let distance = Duration::from_millis(30);
        let mut stream = TcpStream::connect(relay(to, distance).await.unwrap()).await.unwrap();
        let question: Vec<u8> = (0..100_000_u32).map(|n| n.to_le_bytes()[0]).collect();
        let began = Instant::now();
        stream.write_all(&question).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        assert!(began.elapsed() >= distance, "a lower bound, however slow the machine is");
        assert_eq!(answer, question);
    }
}
