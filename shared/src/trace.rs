//! One trace from hop to hop: what `traceparent` (W3C Trace Context) and X-Ray say of it, and the form in which an
//! envelope carries it. Pure: whoever makes an id brings the chance for it.

use std::fmt;

use serde::de::{self, Deserializer};
use serde::{Deserialize, Serialize, Serializer};
use sha2::{Digest, Sha256};

/// Bytes of a trace in an envelope: that of a `traceparent` header, which it is stored as.
pub const BYTES: usize = 55;

/// The only flag that is defined: whoever began the trace records it.
const SAMPLED: u8 = 1;

/// A trace and the last hop of it: what the next hop hangs on.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Trace {
    id: [u8; 16],
    span: [u8; 8],
    sampled: bool,
}

/// One hop of a trace: it has a span of its own, and knows the one that it came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hop {
    /// The trace as this hop hands it on.
    pub trace: Trace,
    /// The span of the hop before; none when the trace begins here.
    parent: Option<[u8; 8]>,
}

/// An id as lower-case hexadecimal.
#[derive(Clone, Copy)]
pub struct Hex<const N: usize>([u8; N]);

impl<const N: usize> fmt::Display for Hex<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// So many bytes from twice as many digits; upper case is none of either format's.
fn bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let lower = !text.bytes().any(|b| b.is_ascii_uppercase());
    (lower && hex::decode_to_slice(text, &mut bytes).is_ok()).then_some(bytes)
}

fn is_set(bytes: &[u8]) -> bool {
    bytes.iter().any(|byte| *byte != 0)
}

impl Trace {
    /// What a `traceparent` header says; none when it is not exactly what the recommendation has. A later version may
    /// have more fields behind those of version 00, and is read as far as that goes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut fields = text.splitn(5, '-');
        let mut field = || fields.next();
        let (version, id, span, flags, rest) = (field()?, field()?, field()?, field()?, field());
        let [version] = bytes::<1>(version)?;
        let (id, span, [flags]) = (bytes(id)?, bytes(span)?, bytes::<1>(flags)?);
        let known = version != 0xff && (version > 0 || rest.is_none());
        let sampled = flags & SAMPLED != 0;
        (known && is_set(&id) && is_set(&span)).then_some(Self { id, span, sampled })
    }

    /// What X-Ray's header says, `Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1`: the root
    /// without its version and dash is the trace's id. Who has no parent begins the trace.
    #[must_use]
    pub fn from_xray(text: &str) -> Option<Self> {
        let field = |name: &str| {
            let mut fields = text.split(';').filter_map(|field| field.trim().split_once('='));
            fields.find_map(|(other, value)| (other == name).then_some(value))
        };
        let (time, random) = field("Root")?.strip_prefix("1-")?.split_once('-')?;
        let (time, random) = (bytes::<4>(time)?, bytes::<12>(random)?);
        let mut id = [0; 16];
        id[..4].copy_from_slice(&time);
        id[4..].copy_from_slice(&random);
        let span = field("Parent").map_or(Some([0; 8]), bytes)?;
        is_set(&id).then_some(Self { id, span, sampled: field("Sampled") == Some("1") })
    }

    /// The first hop of a new trace. Nobody asked for it to be recorded.
    #[must_use]
    pub fn begin(mut random: impl FnMut() -> u64) -> Hop {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&random().to_be_bytes());
        id[8..].copy_from_slice(&random().to_be_bytes());
        // Zero is no id.
        id[15] |= u8::from(!is_set(&id));
        Self { id, span: [0; 8], sampled: false }.hop(random())
    }

    /// The next hop, by chance.
    #[must_use]
    pub fn hop(self, random: u64) -> Hop {
        self.to(random.max(1).to_be_bytes())
    }

    /// The next hop as the work of one acquisition: the same work, run again under the same fence, is the same hop.
    #[must_use]
    pub fn hop_of(self, fence: [u8; 12], number: u64) -> Hop {
        let digest = Sha256::new().chain_update(fence).chain_update(number.to_be_bytes()).finalize();
        let mut seed = [0; 8];
        seed.copy_from_slice(&digest[..8]);
        self.hop(u64::from_be_bytes(seed))
    }

    fn to(self, span: [u8; 8]) -> Hop {
        Hop { trace: Self { span, ..self }, parent: Some(self.span).filter(|parent| is_set(parent)) }
    }

    /// Whether whoever began it records it.
    #[must_use]
    pub fn is_sampled(&self) -> bool {
        self.sampled
    }

    /// The id that all hops share.
    #[must_use]
    pub fn trace_id(&self) -> Hex<16> {
        Hex(self.id)
    }

    /// The id of the last hop.
    #[must_use]
    pub fn span_id(&self) -> Hex<8> {
        Hex(self.span)
    }
}

/// As the header has it.
impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{}-{}-{:02x}", self.trace_id(), self.span_id(), u8::from(self.sampled))
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Trace({self})")
    }
}

impl Hop {
    /// The trace as envelopes carry it: only one that somebody records is worth its bytes in every write.
    #[must_use]
    pub fn carried(&self) -> Option<Trace> {
        Some(self.trace).filter(Trace::is_sampled)
    }

    /// The id of the hop before.
    #[must_use]
    pub fn parent_id(&self) -> Option<Hex<8>> {
        self.parent.map(Hex)
    }
}

impl Serialize for Trace {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Trace {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| de::Error::custom("it is no traceparent"))
    }
}

#[cfg(test)]
mod tests;
