//! The dialect of the bank: its requests, and the answer to a transfer.

use serde::de::DeserializeOwned;
use serde_json::Value;
use shared::actors::account::{Command, KIND, Reply, Transfer, TransferId};
use shared::client::Receipted;
use shared::envelope::{EntityId, EventId, Millis};
use shared::host::Host;
use shared::http::answer::Answer;
use shared::http::bank::{AmountBody, OpenBody, TransferAnswer, TransferBody};
use shared::http::problem::Problem;
use shared::http::routes::Banking;
use shared::limits;
use shared::mailbox::view::Standing;
use shared::outcome::{Outcome, Settled};
use shared::transfers::{self, Progress, Tracked};

use crate::request::{Dialect, PostRequest, object};
use crate::response::{failed, marked, write};

/// Reads a request to the bank: to whom it goes, the event, and how the answer looks.
///
/// # Errors
/// The problem to answer with.
pub fn read(banking: Banking, id: &str, body: &[u8]) -> Result<(EntityId, Vec<Value>, Dialect), Problem> {
    let account = |id: &str| EntityId::new(KIND, id);
    let amount = || required::<AmountBody>(body, r#"{"amount": 50}"#).map(|AmountBody { amount }| amount);
    let (account, command, dialect) = match banking {
        Banking::Open => {
            let form = r#"{"owner": "alice", "initial_balance": 100}"#;
            let OpenBody { owner, initial_balance } = required(body, form)?;
            (account(id)?, Command::Open { owner, initial_balance }, Dialect::Account)
        }
        Banking::Deposit => (account(id)?, Command::Deposit { amount: amount()? }, Dialect::Account),
        Banking::Withdraw => (account(id)?, Command::Withdraw { amount: amount()? }, Dialect::Account),
        Banking::Transfer => {
            let form = r#"{"from": "alice", "to": "bob", "amount": 50}"#;
            let TransferBody { from, to, amount } = required(body, form)?;
            (account(&from)?, Command::Transfer { to, amount }, Dialect::Transfer)
        }
        // API Gateway sends these to `status`.
        Banking::Account | Banking::Events | Banking::Verify | Banking::Tracked => {
            return Err(Problem::wrong_method("POST", "GET, HEAD"));
        }
    };
    // A command consists of what JSON can hold.
    let event = serde_json::to_value(command).unwrap_or_default();
    Ok((account, vec![event], dialect))
}

fn required<T: DeserializeOwned>(body: &[u8], form: &str) -> Result<T, Problem> {
    object(body)?.ok_or_else(|| Problem::invalid(format!("the body is empty; it takes {form}")))
}

/// Answers a transfer with where it stands: 200 once the money has arrived or is back, 202 while it is on its way.
///
/// # Errors
/// The problem to answer with: its records, which alone tell how it went on, cannot be read.
pub async fn transferred<H: Host>(
    host: &H,
    posting: &PostRequest,
    receipts: Vec<Receipted>,
    deadline: Millis,
) -> Result<Answer, Problem> {
    let Some(Receipted { event, standing }) = receipts.into_iter().next() else {
        return Ok(write(posting, Vec::new()));
    };
    match standing {
        Standing::Settled(Settled { event, outcome: Outcome::Reply(reply), replayed }) => {
            let Ok(Reply::Transfer(transfer)) = serde_json::from_value(reply) else {
                return Ok(failed(event, "the reply is not a transfer's"));
            };
            // Whoever would rather not wait for the receiver says so.
            let until = host.now().plus(posting.wait_ms).min(Millis(deadline.0.saturating_sub(limits::FINISH_MS)));
            // The money has left, whatever can be read of the rest: an error would ask for a second transfer.
            let progress = transfers::wait(host, &transfer, until).await.unwrap_or(Progress::Debited);
            Ok(marked(answer(transfer, progress), replayed))
        }
        Standing::Forgotten => {
            // It has left the queue, and only its records tell how it went on.
            let id = TransferId { from: posting.entity.clone(), event };
            match transfers::find(host, &id, deadline).await? {
                Some(Tracked { transfer: Some(transfer), progress }) => Ok(answer(transfer, progress)),
                _ => Err(Problem::unknown_transfer(&id.to_string())),
            }
        }
        Standing::Queued { .. } | Standing::Never => Ok(queued(posting, event)),
        // Nothing has moved, and that is answered as everywhere.
        standing @ (Standing::Settled(_) | Standing::Dead { .. }) => {
            Ok(write(posting, vec![Receipted { event, standing }]))
        }
    }
}

fn answer(transfer: Transfer, progress: Progress) -> Answer {
    let id = transfer.id.clone();
    let status = if progress.is_final() { 200 } else { 202 };
    let tracked = Tracked { transfer: Some(transfer), progress };
    Answer::json(status, &TransferAnswer::new(&id, tracked)).header("location", &format!("/transfers/{id}"))
}

fn queued(posting: &PostRequest, event: EventId) -> Answer {
    let id = TransferId { from: posting.entity.clone(), event };
    let transfer = posting.drafts.first().and_then(|draft| Transfer::asked(&id, &draft.body));
    let answer = TransferAnswer::new(&id, Tracked { transfer, progress: Progress::Queued });
    Answer::json(202, &answer).header("location", &format!("/transfers/{id}"))
}
