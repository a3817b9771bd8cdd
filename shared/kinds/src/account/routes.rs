//! What customers of the bank do, and how a transfer is answered.

use leasebox::shared::outcome::{Outcome, Settled};
use leasebox::{
    Access, Answer, App, EntityId, EventId, Post, Posted, Problem, Reader, Receipted, Request, Role, Route, Standing,
};

use crate::account::answers::{AccountAnswer, AmountBody, OpenBody, TransferAnswer, TransferBody, unknown_transfer};
use crate::account::progress::{self, Progress, Tracked};
use crate::account::{Account, Command, Reply, Transfer, TransferId};

/// A body of a deposit or a withdrawal.
const AMOUNT: &str = r#"{"amount": 50}"#;

/// Adds the routes by which customers do something.
pub(super) fn add<R: Role>(app: App<R>) -> App<R> {
    let post = Access::Signed;
    app.route(
        Route::post("/accounts/{id}/open", post, |request, OpenBody { owner, initial_balance }: OpenBody| {
            account(request, Command::Open { owner, initial_balance })
        })
        .example(r#"{"owner": "alice", "initial_balance": 100}"#)
        .summary("Open an account"),
    )
    .route(
        Route::post("/accounts/{id}/deposit", post, |request, AmountBody { amount }: AmountBody| {
            account(request, Command::Deposit { amount })
        })
        .example(AMOUNT)
        .summary("Pay in"),
    )
    .route(
        Route::post("/accounts/{id}/withdraw", post, |request, AmountBody { amount }: AmountBody| {
            account(request, Command::Withdraw { amount })
        })
        .example(AMOUNT)
        .summary("Pay out"),
    )
    .route(
        Route::post("/transfers", post, |_, TransferBody { from, to, amount }: TransferBody| {
            let post = Post::to::<Account>(&from, Command::Transfer { to, amount })?;
            Ok(post.answer_by::<TransferAnswer, _, _>(transferred))
        })
        .example(r#"{"from": "alice", "to": "bob", "amount": 50}"#)
        .accepts::<TransferAnswer>()
        .summary("Send money from one account to another"),
    )
}

fn account(request: &Request, command: Command) -> Result<Post<AccountAnswer>, Problem> {
    let post = Post::to::<Account>(request.id("id"), command)?;
    Ok(post.answer(|account: &EntityId, _: EventId, reply| match reply {
        Reply::Account(balance) => Ok(AccountAnswer::new(account.id(), balance)),
        Reply::Transfer(_) => Err(Problem::dead("the reply is a transfer's")),
    }))
}

/// Answers a transfer with where it stands: 200 once the money has arrived or is back, 202 while it is on its way.
async fn transferred(reader: Reader, posted: Posted) -> Result<Option<Answer>, Problem> {
    let Receipted { event, standing } = &posted.receipt;
    let id = TransferId { from: posted.entity.clone(), event: *event };
    match standing {
        Standing::Settled(Settled { outcome: Outcome::Reply(reply), .. }) => {
            let Ok(Reply::Transfer(transfer)) = serde_json::from_value(reply.clone()) else {
                return Err(Problem::dead("the reply is not a transfer's").with("event_id", event.to_string()));
            };
            // The money has left, whatever can be read of the rest: an error would ask for a second transfer.
            let progress = progress::wait(&reader, &transfer, posted.until).await.unwrap_or(Progress::Debited);
            Ok(Some(answer(transfer, progress)))
        }
        Standing::Forgotten => {
            // It has left the queue, and only its records tell how it went on.
            match progress::find(&reader, &id, posted.deadline).await? {
                Some(Tracked { transfer: Some(transfer), progress }) => Ok(Some(answer(transfer, progress))),
                _ => Err(unknown_transfer(&id.to_string())),
            }
        }
        Standing::Queued { .. } | Standing::Never => Ok(Some(queued(&id, &posted.body))),
        // Nothing has moved, and that is answered as everywhere.
        Standing::Settled(_) | Standing::Dead { .. } => Ok(None),
    }
}

fn answer(transfer: Transfer, progress: Progress) -> Answer {
    let id = transfer.id.clone();
    let status = if progress.is_final() { 200 } else { 202 };
    let tracked = Tracked { transfer: Some(transfer), progress };
    Answer::json(status, &TransferAnswer::new(&id, tracked)).header("location", &format!("/transfers/{id}"))
}

fn queued(id: &TransferId, body: &str) -> Answer {
    let transfer = Transfer::asked(id, body);
    let answer = TransferAnswer::new(id, Tracked { transfer, progress: Progress::Queued });
    Answer::json(202, &answer).header("location", &format!("/transfers/{id}"))
}
