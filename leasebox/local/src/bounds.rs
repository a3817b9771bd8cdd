//! What clients may take of the development server, so that none of them takes it from the others: connections, time, and
//! memory. On AWS the quotas of API Gateway are these bounds.

use std::time::Duration;

use shared::limits::KB;

/// Connections at once, those of sockets among them; more wait until one is free. Each is a file descriptor, of which many
/// systems give a process 1,024, and the database needs some.
pub const CONNECTIONS: usize = 768;
/// How many sockets may be open at once. They are fewer than the connections, so that requests are answered whatever
/// sockets there are.
pub const SOCKETS: usize = 512;
/// Sockets of one user at once: twice as many as get pushes.
pub const SOCKETS_OF_ONE: usize = 32;

/// How long a connection may take to send the whole head of a request, and be idle between two of them.
pub const HEAD: Duration = Duration::from_secs(15);
/// How long the body of a request may take.
pub const BODY: Duration = Duration::from_secs(10);
/// What is kept of a connection that does not come to the end of a head, or does not read its answers, in bytes. API Gateway
/// takes heads of 10 KB.
pub const BUFFER: usize = 64 * KB;

/// The time between two frames of one socket that make others hear of something each time, and that nobody acknowledges:
/// the page says every three seconds that somebody is typing.
pub const SELDOM: Duration = Duration::from_secs(1);

/// How long clients have, at the end of the server, for what is only theirs to do: to send the rest of a request, once
/// nothing else is in hand, and to read an answer.
pub const GRACE: Duration = Duration::from_secs(3);
/// How long the end of the server takes at most, in seconds: an invocation that began at the last moment, and the grace.
pub const END_SECONDS: u64 = 30;
