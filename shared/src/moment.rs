//! Points in time as text.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;

use crate::envelope::Millis;

/// A point in time as RFC 3339 has it, in UTC with milliseconds.
#[must_use]
pub fn rfc3339(at: Millis) -> String {
    let nanos = i128::from(at.0) * 1_000_000;
    let at = OffsetDateTime::from_unix_timestamp_nanos(nanos).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    at.format(format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z"))
        .unwrap_or_default()
}

/// Reads a point in time of the form of RFC 3339, to the millisecond; none when it is of another form, or before 1970.
#[must_use]
pub fn read_rfc3339(text: &str) -> Option<Millis> {
    let time = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    u64::try_from(time.unix_timestamp_nanos().div_euclid(1_000_000)).ok().map(Millis)
}
