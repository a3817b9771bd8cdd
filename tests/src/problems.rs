//! What every refusal looks like, whatever was wrong.

use shared::envelope::EntityId;
use shared::mailbox::view;
use shared::store::Consistency;

use crate::world::{Reply, World};

/// Checks that an answer is a problem as RFC 9457 has it, and brings the name at the end of its type.
pub fn problem(reply: &Reply) -> &str {
    assert_eq!(reply.headers["content-type"], "application/problem+json", "{reply:?}");
    assert_eq!(reply.body["status"], reply.status, "{reply:?}");
    for member in ["title", "detail"] {
        assert!(reply.body[member].as_str().is_some_and(|text| !text.is_empty()), "no {member}: {reply:?}");
    }
    let name = reply.body["type"].as_str().and_then(|name| name.strip_prefix("urn:leasebox:"));
    name.filter(|name| !name.is_empty()).unwrap_or_else(|| panic!("no type: {reply:?}"))
}

/// Whether an entity has no mailbox: nothing was ever stored for it.
pub async fn is_absent(world: &World, entity: &EntityId) -> bool {
    view::mailbox(&world.host, entity, Consistency::Strong).await.unwrap().is_none()
}
