//! What customers of the bank read: accounts as they are and as they were, journals, and transfers.

use shared::actors::account::{Balance, KIND, State, TransferId, not_open};
use shared::envelope::{EntityId, Millis};
use shared::host::Host;
use shared::http::answer::Answer;
use shared::http::bank::{AccountAnswer, AccountEvents, TransferAnswer, VerifyAnswer};
use shared::http::problem::Problem;
use shared::http::query::Query;
use shared::http::routes::Banking;
use shared::http::routing::Params;
use shared::limits;
use shared::mailbox::view;
use shared::replay::{self, Until, Verified};
use shared::sourced::Snapshot;
use shared::store::Consistency;
use shared::transfers;

/// Answers a customer.
///
/// # Errors
/// The problem to answer with.
pub async fn answer<H: Host>(host: &H, banking: Banking, params: &Params, query: &str) -> Result<Answer, Problem> {
    let account = || EntityId::new(KIND, params.get("id"));
    match banking {
        Banking::Account => {
            let query = Query::read(query, &["version", "at"])?;
            let account = account()?;
            let snapshot = match (query.number("version")?, query.time("at")?) {
                (None, None) => open(host, &account).await?,
                (Some(version), None) => at_version(host, &account, version).await?,
                (None, Some(time)) => replayed(host, &account, Until::Time(time)).await?,
                (Some(_), Some(_)) => return Err(Problem::invalid("`version` and `at` exclude each other")),
            };
            Ok(Answer::json(200, &AccountAnswer::new(account.id(), balance(&account, &snapshot)?)))
        }
        Banking::Events => {
            let query = Query::read(query, &["from", "limit"])?;
            events(host, &account()?, &query).await
        }
        Banking::Verify => {
            Query::read(query, &[])?;
            verify(host, &account()?).await
        }
        Banking::Tracked => {
            Query::read(query, &[])?;
            let unknown = || Problem::unknown_transfer(params.get("id"));
            let id: TransferId = params.get("id").parse().map_err(|_| unknown())?;
            let tracked = transfers::find(host, &id, deadline(host)).await?.ok_or_else(unknown)?;
            Ok(Answer::json(200, &TransferAnswer::new(&id, tracked)))
        }
        // API Gateway sends these to `ingest`.
        Banking::Open | Banking::Deposit | Banking::Withdraw | Banking::Transfer => {
            Err(Problem::wrong_method("GET", "POST"))
        }
    }
}

/// An account that is open.
async fn open<H: Host>(host: &H, account: &EntityId) -> Result<Snapshot<State>, Problem> {
    let refused = || Problem::rejected(not_open(account.id()));
    let image = view::mailbox(host, account, Consistency::Strong).await?.ok_or_else(refused)?;
    let snapshot = read(account, crate::state(host, &image)?)?;
    match snapshot.state.owner {
        Some(_) => Ok(snapshot),
        None => Err(refused()),
    }
}

fn balance(account: &EntityId, snapshot: &Snapshot<State>) -> Result<Balance, Problem> {
    Balance::of(snapshot).ok_or_else(|| Problem::rejected(not_open(account.id())))
}

/// A snapshot from what its actor shows of it.
fn read(account: &EntityId, view: serde_json::Value) -> Result<Snapshot<State>, Problem> {
    serde_json::from_value(view).map_err(|error| {
        let damage = shared::mailbox::image::Damaged(error.to_string());
        shared::mailbox::StepError::Damaged { entity: account.clone(), damage }.into()
    })
}

async fn at_version<H: Host>(host: &H, account: &EntityId, version: u64) -> Result<Snapshot<State>, Problem> {
    let now = open(host, account).await?;
    if version > now.version {
        return Err(Problem::unknown_version(version, now.version));
    }
    replayed(host, account, Until::Version(version)).await
}

async fn replayed<H: Host>(host: &H, account: &EntityId, until: Until) -> Result<Snapshot<State>, Problem> {
    let kind = crate::known(host, KIND)?;
    let replayed = replay::replay(host, (kind, account), until, deadline(host), |_| {}).await?;
    let view = replayed.stage.view().map_err(|fault| Problem::dead(&fault.to_string()))?;
    read(account, view)
}

async fn events<H: Host>(host: &H, account: &EntityId, query: &Query) -> Result<Answer, Problem> {
    let from = query.number("from")?.unwrap_or(1);
    let limit = query.limit_of(limits::EVENTS, limits::EVENTS_MOST)?;
    let now = open(host, account).await?;
    let (entries, next) = replay::page(host, account, from, limit, deadline(host)).await?;
    // The database says that there may be more whenever a page is full.
    let next = next.filter(|next| *next <= now.version);
    Ok(Answer::json(200, &AccountEvents::new(account.id(), entries, next)))
}

async fn verify<H: Host>(host: &H, account: &EntityId) -> Result<Answer, Problem> {
    let kind = crate::known(host, KIND)?;
    match replay::verify_entity(host, (kind, account), deadline(host), |_, _| {}).await? {
        // The first event of an account is that it was opened.
        Some(Verified { snapshot: Snapshot { version, .. }, verdict }) if version > 0 => {
            Ok(Answer::json(200, &VerifyAnswer::new(account.id(), version, verdict)))
        }
        _ => Err(Problem::rejected(not_open(account.id()))),
    }
}

fn deadline<H: Host>(host: &H) -> Millis {
    host.now().plus(limits::REPLAY_MS)
}
