//! What customers of the bank read: accounts as they are and as they were, journals, and transfers.

use leasebox::shared::host::ReadHost;
use leasebox::shared::limits;
use leasebox::shared::mailbox::view;
use leasebox::shared::replay::{self, Until, Verified};
use leasebox::shared::store::Consistency;
use leasebox::web::reading::{deadline, known, read, shown};
use leasebox::{Access, App, EntityId, Parameter, Problem, Reader, Request, Role, Route, Snapshot};

use crate::account::answers::{AccountAnswer, AccountEvents, TransferAnswer, VerifyAnswer, unknown_transfer};
use crate::account::progress;
use crate::account::{Account, Balance, KIND, State, TransferId, not_open};

/// Adds the routes by which customers read.
pub(super) fn add<R: Role>(app: App<R>) -> App<R> {
    let events_asked = [Parameter::number("from"), Parameter::limit(limits::EVENTS, limits::EVENTS_MOST)];
    let signed = Access::Signed;
    app.route(
        Route::get("/accounts/{id}", signed, account)
            .query([Parameter::number("version"), Parameter::time("at")])
            .summary("Read an account, as it is or as it was"),
    )
    .route(Route::get("/accounts/{id}/events", signed, events).query(events_asked).summary("Read an account's journal"))
    .route(Route::get("/accounts/{id}/verify", signed, verify).summary("Compare an account with its journal"))
    .route(Route::get("/transfers/{id}", signed, transfer).summary("Read where a transfer stands"))
}

async fn account(reader: Reader, request: Request) -> Result<AccountAnswer, Problem> {
    let account = request.entity::<Account>("id")?;
    let snapshot = match (request.query.number("version")?, request.query.time("at")?) {
        (None, None) => open(&reader, &account).await?,
        (Some(version), None) => at_version(&reader, &account, version).await?,
        (None, Some(time)) => replayed(&reader, &account, Until::Time(time)).await?,
        (Some(_), Some(_)) => return Err(Problem::invalid("`version` and `at` exclude each other")),
    };
    Ok(AccountAnswer::new(account.id(), balance(&account, &snapshot)?))
}

async fn transfer(reader: Reader, request: Request) -> Result<TransferAnswer, Problem> {
    let unknown = || unknown_transfer(request.id("id"));
    let id: TransferId = request.id("id").parse().map_err(|_| unknown())?;
    let tracked = progress::find(&reader, &id, deadline(&reader)).await?.ok_or_else(unknown)?;
    Ok(TransferAnswer::new(&id, tracked))
}

/// An account that is open.
async fn open<H: ReadHost>(host: &H, account: &EntityId) -> Result<Snapshot<State>, Problem> {
    let refused = || Problem::rejected(not_open(account.id()));
    let image = view::mailbox(host, account, Consistency::Strong).await?.ok_or_else(refused)?;
    let snapshot: Snapshot<State> = read(account, shown(host, &image)?)?;
    match snapshot.state.owner {
        Some(_) => Ok(snapshot),
        None => Err(refused()),
    }
}

fn balance(account: &EntityId, snapshot: &Snapshot<State>) -> Result<Balance, Problem> {
    Balance::of(snapshot).ok_or_else(|| Problem::rejected(not_open(account.id())))
}

async fn at_version<H: ReadHost>(host: &H, account: &EntityId, version: u64) -> Result<Snapshot<State>, Problem> {
    let now = open(host, account).await?;
    if version > now.version {
        return Err(Problem::unknown_version(version, now.version));
    }
    replayed(host, account, Until::Version(version)).await
}

async fn replayed<H: ReadHost>(host: &H, account: &EntityId, until: Until) -> Result<Snapshot<State>, Problem> {
    let kind = known(host.registry(), KIND)?;
    let replayed = replay::replay(host, (kind, account), until, deadline(host), |_| {}).await?;
    let view = replayed.stage.view().map_err(|fault| Problem::dead(&fault.to_string()))?;
    read(account, view)
}

async fn events(reader: Reader, request: Request) -> Result<AccountEvents, Problem> {
    let account = request.entity::<Account>("id")?;
    let from = request.query.number("from")?.unwrap_or(1);
    let limit = request.query.limit_of(limits::EVENTS, limits::EVENTS_MOST)?;
    let now = open(&reader, &account).await?;
    let (entries, next) = replay::page(&reader, &account, from, limit, deadline(&reader)).await?;
    // The database says that there may be more whenever a page is full.
    let next = next.filter(|next| *next <= now.version);
    Ok(AccountEvents::new(account.id(), entries, next))
}

async fn verify(reader: Reader, request: Request) -> Result<VerifyAnswer, Problem> {
    let account = request.entity::<Account>("id")?;
    let kind = known(reader.registry(), KIND)?;
    match replay::verify_entity(&reader, (kind, &account), deadline(&reader), |_, _| {}).await? {
        // The first event of an account is that it was opened.
        Some(Verified { snapshot: Snapshot { version, .. }, verdict }) if version > 0 => {
            Ok(VerifyAnswer::new(account.id(), version, verdict))
        }
        _ => Err(Problem::rejected(not_open(account.id()))),
    }
}
