//! The kind `{{kind}}` by itself, without a database: the code that runs here is what runs in production.

use leasebox::Fault;
use leasebox::test::TestActor;

use {{crate}}::{{module}}::{{{items}}};

#[test]
fn what_was_added_can_be_taken() -> Result<(), Fault> {
    let mut alice = TestActor::<{{Kind}}>::new("alice");
    alice.run(Command::Add { amount: 5 })?;
    let taken = alice.run(Command::Take { amount: 2 })?;
    assert_eq!(*taken.reply(), Reply { amount: 3 });
    assert_eq!(taken.state, State { amount: 3 });
    Ok(())
}

#[test]
fn more_than_there_is_cannot_be_taken() -> Result<(), Fault> {
    let mut alice = TestActor::<{{Kind}}>::new("alice").with_state(&State { amount: 1 });
    let refused = alice.run(Command::Take { amount: 2 })?;
    assert_eq!(refused.rejection().reason, "out-of-range");
    assert_eq!(refused.state, State { amount: 1 });
    Ok(())
}
