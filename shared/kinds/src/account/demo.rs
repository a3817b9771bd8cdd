//! Three bank accounts: commands become events, and balances follow from events.

use std::io::Write;
use std::time::Duration;

use leasebox::shared::journal::Entry;
use leasebox::shared::registry::Kind;
use leasebox::shared::replay::{self, Until, Verdict};
use leasebox::web::reading::deadline;
use leasebox::{AnyHost, Client, Demo, EntityId, PlayError, Value};

use crate::account::{Account, Balance, Command, KIND, Reply, State};
use leasebox::shared::limits;

/// The demonstration.
pub(super) const ACCOUNTS: Demo = Demo {
    name: "accounts",
    about: "Event-sourced bank accounts: what is in them follows from their journals.",
    play: |client, out| Box::pin(play(client, out)),
};

const OWNERS: [&str; 3] = ["alice", "bob", "charlie"];
const INITIAL: i64 = 100;
/// How long a command may take, on whichever machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// Plays it through the client that the server's functions use.
async fn play(client: Client<AnyHost>, out: &mut (dyn Write + Send)) -> Result<(), PlayError> {
    let client = &client;
    writeln!(out, "Event-sourced bank accounts\n\nThree accounts are opened:")?;
    for account in OWNERS {
        let command = Command::Open { owner: account.to_owned(), initial_balance: INITIAL };
        let Balance { balance, .. } = ask(client, account, command).await?;
        writeln!(out, "  {account:<8} opened           balance {balance:>4}")?;
    }
    writeln!(out, "\nMoney comes in and goes out:")?;
    let commands = [
        ("alice", Command::Deposit { amount: 50 }),
        ("bob", Command::Withdraw { amount: 30 }),
        ("charlie", Command::Deposit { amount: 200 }),
    ];
    for (account, command) in commands {
        let done = match &command {
            Command::Deposit { amount } => format!("deposited {amount:>5}"),
            Command::Withdraw { amount } => format!("withdrew  {amount:>5}"),
            other => format!("{other:?}"),
        };
        let Balance { balance, .. } = ask(client, account, command).await?;
        writeln!(out, "  {account:<8} {done}  balance {balance:>4}")?;
    }
    writeln!(out, "\nWhat is kept of it is what has happened:")?;
    for account in OWNERS {
        writeln!(out, "  {account}")?;
        for Entry { version, r#type, payload, .. } in journal(client.host(), account).await? {
            writeln!(out, "    {version}  {:<16}{}", r#type, Value::Object(payload))?;
        }
    }
    writeln!(out, "\nThe final balances, replayed from these events:")?;
    for account in OWNERS {
        writeln!(out, "  {account:<8} {:>4}", replayed(client.host(), account).await?.balance)?;
    }
    writeln!(out, "\nEach is equal to its snapshot, from which commands are answered without a replay.")?;
    Ok(())
}

async fn ask(client: &Client<AnyHost>, account: &'static str, command: Command) -> Result<Balance, PlayError> {
    match client.ask::<Account>(account, command, PATIENCE).await {
        Ok(Reply::Account(balance)) => Ok(balance),
        Ok(Reply::Transfer(transfer)) => Err(PlayError::from(format!("{account} answered with {transfer:?}"))),
        Err(error) => Err(PlayError::from(format!("{account}: {error}"))),
    }
}

async fn journal(host: &AnyHost, account: &'static str) -> Result<Vec<Entry>, PlayError> {
    let entity = entity(account)?;
    let (entries, _) = replay::page(host, &entity, 1, limits::EVENTS, deadline(host)).await?;
    Ok(entries)
}

/// An account as it follows from its journal, which is what its snapshot says.
async fn replayed(host: &AnyHost, account: &'static str) -> Result<State, PlayError> {
    let (entity, kind) = (entity(account)?, Kind::of::<Account>());
    let verified = replay::verify_entity(host, (&kind, &entity), deadline(host), |_, _| {}).await?;
    match verified {
        Some(verified) if verified.verdict == Verdict::Consistent => {}
        _ => return Err(PlayError::from(format!("{entity} is not what its journal says"))),
    }
    let all = Until::Version(u64::MAX);
    let state = replay::replay(host, (&kind, &entity), all, deadline(host), |_| {}).await?.snapshot(&entity)?.state;
    serde_json::from_value(state).map_err(|error| PlayError::from(format!("{entity}: {error}")))
}

fn entity(account: &'static str) -> Result<EntityId, PlayError> {
    Ok(EntityId::new(KIND, account)?)
}
