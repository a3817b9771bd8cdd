//! Answers as bytes on a socket: what a network, a proxy or a dying server makes of one reaches the real HTTP client
//! below the SDK, which has to make sense of it.

use std::net::Ipv4Addr;
use std::time::Duration;

use aws_sdk_dynamodb::config::http::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::http::{HttpConnector, SharedHttpConnector};
use aws_smithy_runtime_api::client::result::ConnectorError;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// What somebody else on the way answers with.
const PAGE: &str = "<html><body>an error of somebody in between</body></html>";
/// Time for the client to read what came before the connection is reset: a reset takes with it what was not read.
const READ: Duration = Duration::from_millis(10);

/// An answer of the database, before anything befalls it.
#[derive(Clone, Debug)]
pub struct Said {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// What becomes of an answer on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mishap {
    /// The connection ends before the answer.
    Nothing,
    /// It ends in the middle of the headers.
    HeadersCut,
    /// It is reset after the headers.
    ResetAfterHeaders,
    /// It ends in the middle of the body.
    BodyCut,
    /// It ends in the middle of a chunk of the body.
    ChunkCut,
    /// The body is gone, and so are the headers that tell of it.
    BodyEmpty,
    /// The length is less than the body's, and the body cut to it.
    LengthShort,
    /// The length is more than the body's, and the connection ends behind the body.
    LengthLong,
    /// The body is compressed, as nobody asked for, and cut.
    GzipCut,
    /// A digit of the body is another one.
    DigitChanged,
    /// The answer is to somebody else's request of the same kind.
    Another,
    /// A page with 200.
    Page,
    /// A page with 403.
    PageForbidden,
    /// A redirection.
    Redirected,
    /// An interim answer, and none after it.
    Interim,
}

/// Every mishap, with its name in a summary.
pub const MISHAPS: [(Mishap, &str); 15] = [
    (Mishap::Nothing, "replies dropped"),
    (Mishap::HeadersCut, "headers cut"),
    (Mishap::ResetAfterHeaders, "reset after headers"),
    (Mishap::BodyCut, "bodies cut"),
    (Mishap::ChunkCut, "chunks cut"),
    (Mishap::BodyEmpty, "bodies empty"),
    (Mishap::LengthShort, "lengths too short"),
    (Mishap::LengthLong, "lengths too long"),
    (Mishap::GzipCut, "gzip cut"),
    (Mishap::DigitChanged, "digits changed"),
    (Mishap::Another, "another's answers"),
    (Mishap::Page, "pages with 200"),
    (Mishap::PageForbidden, "pages with 403"),
    (Mishap::Redirected, "redirections"),
    (Mishap::Interim, "interim answers only"),
];

/// How a connection ends after the last byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// With a good-bye.
    Closed,
    /// It is reset.
    Reset,
}

/// The bytes of an answer.
#[derive(Debug)]
pub struct Bytes(Vec<u8>, End);

impl Bytes {
    /// An answer that nothing befalls.
    pub fn whole(said: &Said) -> Self {
        Self(message(said.status, &said.headers, &said.body), End::Closed)
    }

    /// What this mishap makes of an answer; `another` is the answer to somebody else.
    pub fn spoilt(mishap: Mishap, said: &Said, another: &Said) -> Self {
        let Said { status, headers, body } = said;
        let half = body.len() / 2;
        let page = |status| message(status, &[], PAGE.as_bytes());
        match mishap {
            Mishap::Nothing => Self(Vec::new(), End::Closed),
            Mishap::HeadersCut => {
                let head = head(*status, headers, &[("content-length", body.len().to_string())]);
                Self(head[..head.len() / 2].to_vec(), End::Closed)
            }
            Mishap::ResetAfterHeaders => {
                Self(head(*status, headers, &[("content-length", body.len().to_string())]), End::Reset)
            }
            Mishap::BodyCut => {
                let head = head(*status, headers, &[("content-length", body.len().to_string())]);
                Self([&head, &body[..half]].concat(), End::Closed)
            }
            Mishap::ChunkCut => {
                let head = head(*status, headers, &[("transfer-encoding", "chunked".to_owned())]);
                let size = format!("{:x}\r\n", body.len());
                Self([&head, size.as_bytes(), &body[..half]].concat(), End::Closed)
            }
            Mishap::BodyEmpty => Self(message(*status, &[], &[]), End::Closed),
            Mishap::LengthShort => {
                let head = head(*status, headers, &[("content-length", half.to_string())]);
                Self([&head, &body[..]].concat(), End::Closed)
            }
            Mishap::LengthLong => {
                let head = head(*status, headers, &[("content-length", (body.len() + 100).to_string())]);
                Self([&head, &body[..]].concat(), End::Closed)
            }
            Mishap::GzipCut => {
                let length = u16::try_from(body.len()).unwrap_or(u16::MAX);
                let (low, high) = (length.to_le_bytes(), (!length).to_le_bytes());
                let begun = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255, 1, low[0], low[1], high[0], high[1]];
                let cut = [&begun, &body[..half]].concat();
                let encoding = [headers.as_slice(), &[("content-encoding".to_owned(), "gzip".to_owned())]].concat();
                Self(message(*status, &encoding, &cut), End::Closed)
            }
            Mishap::DigitChanged => {
                let mut changed = body.clone();
                let digit = (half..body.len()).chain((0..half).rev()).find(|at| body[*at].is_ascii_digit());
                if let Some(digit) = digit {
                    changed[digit] = b'0' + (changed[digit] - b'0' + 1) % 10;
                }
                // DynamoDB Local says none of its errors, and DynamoDB of every answer.
                let checksum = ("x-amz-crc32".to_owned(), crc32fast::hash(body).to_string());
                let missing = headers.iter().all(|(name, _)| *name != checksum.0);
                let headers =
                    [headers.as_slice(), if missing { std::slice::from_ref(&checksum) } else { &[] }].concat();
                Self(message(*status, &headers, &changed), End::Closed)
            }
            Mishap::Another => Self::whole(another),
            Mishap::Page => Self(page(200), End::Closed),
            Mishap::PageForbidden => Self(page(403), End::Closed),
            Mishap::Redirected => {
                let to = [("location".to_owned(), "http://127.0.0.1:9/".to_owned())];
                Self(message(307, &to, &[]), End::Closed)
            }
            Mishap::Interim => Self(b"HTTP/1.1 103 Early Hints\r\nlink: </>\r\n\r\n".to_vec(), End::Closed),
        }
    }

    /// Has a request answered with these bytes, by a server of its own.
    pub async fn answer(self, real: SharedHttpConnector, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let elsewhere = to(request, &listener);
        let server = tokio::spawn(serve(listener, self));
        let answer = real.call(elsewhere).await;
        server.abort();
        answer
    }
}

/// Sends a request to a port at which nobody listens any more.
pub async fn refused(real: SharedHttpConnector, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let nowhere = to(request, &listener);
    drop(listener);
    real.call(nowhere).await
}

fn to(mut request: HttpRequest, listener: &TcpListener) -> HttpRequest {
    request.set_uri(format!("http://{}/", listener.local_addr().unwrap())).unwrap();
    request
}

/// What a request or an answer is about: its entity, if it names one.
pub fn partition(body: &Value) -> Option<&str> {
    let places = ["/Key/pk/S", "/TransactItems/0/Update/Key/pk/S", "/Item/pk/S", "/Attributes/pk/S", "/Items/0/pk/S"];
    places.iter().find_map(|place| body.pointer(place)?.as_str())
}

fn head(status: u16, headers: &[(String, String)], more: &[(&str, String)]) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {status} said\r\n");
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    for (name, value) in more {
        head += &format!("{name}: {value}\r\n");
    }
    (head + "\r\n").into_bytes()
}

fn message(status: u16, headers: &[(String, String)], body: &[u8]) -> Vec<u8> {
    [&head(status, headers, &[("content-length", body.len().to_string())]), body].concat()
}

async fn serve(listener: TcpListener, Bytes(bytes, end): Bytes) {
    let (stream, _) = listener.accept().await.unwrap();
    let mut stream = BufReader::new(stream);
    read(&mut stream).await;
    let mut stream = stream.into_inner();
    // The client may have gone.
    let _ = stream.write_all(&bytes).await;
    match end {
        End::Closed => drop(stream.shutdown().await),
        End::Reset => {
            tokio::time::sleep(READ).await;
            stream.set_zero_linger().unwrap();
        }
    }
}

/// Reads a request to its end: to close a connection that has unread bytes would reset it.
async fn read(stream: &mut BufReader<TcpStream>) {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.unwrap_or_default() == 0 {
            return;
        }
        match line.trim_end().split_once(": ") {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => length = value.parse().unwrap(),
            None if line.trim_end().is_empty() => break,
            _ => {}
        }
    }
    let _ = stream.read_exact(&mut vec![0; length]).await;
}
