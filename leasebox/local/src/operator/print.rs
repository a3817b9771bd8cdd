//! Answers as a person reads them.

use web::operator::{
    DeadLetterAnswer, DeadLetterPage, DeletedAnswer, KeptAnswer, RedriveAllAnswer, RedriveAnswer, ResumeAnswer,
    StuckAnswer, StuckPage, SweepAnswer,
};

/// A page of dead letters.
pub fn letters(page: &DeadLetterPage) -> String {
    if page.items.is_empty() {
        return "There are no dead letters.\n".to_owned();
    }
    let row = |letter: &DeadLetterAnswer| {
        let event = letter.event.as_ref().map(ToString::to_string).unwrap_or_default();
        [letter.name.clone(), letter.at.clone(), shortened(&letter.cause), shortened(&event)]
    };
    let mut text = table(["NAME", "SINCE", "CAUSE", "EVENT"], page.items.iter().map(row));
    if let Some(cursor) = &page.cursor {
        text += &format!("\nThere may be more: --cursor {cursor}\n");
    }
    text
}

/// One dead letter, whole.
pub fn letter(letter: &DeadLetterAnswer) -> String {
    let event = letter.event.as_ref().map(ToString::to_string);
    let lines = [
        ("name", Some(&letter.name)),
        ("since", Some(&letter.at)),
        ("cause", Some(&letter.cause)),
        ("policy", letter.policy.as_ref()),
        ("event id", letter.event_id.as_ref()),
        ("posted", letter.posted_at.as_ref()),
        ("from", letter.from.as_ref()),
        ("to", letter.to.as_ref()),
        ("event", event.as_ref()),
        ("unreadable", letter.unreadable.as_ref()),
    ];
    let line = |(name, value): (&str, Option<&String>)| value.map(|value| format!("{name:<12}{value}\n"));
    lines.into_iter().filter_map(line).collect()
}

/// A dead letter that was redriven.
pub fn redriven(redriven: &RedriveAnswer) -> String {
    let event = redriven.event_id.as_deref().unwrap_or("an event that was processed at once");
    format!("{} is posted to {} as {event}.\n", redriven.name, redriven.to)
}

/// Dead letters that were redriven.
pub fn all_redriven(all: &RedriveAllAnswer) -> String {
    let mut text: String = all.redriven.iter().map(redriven).collect();
    text += &format!("{} redriven.\n", all.redriven.len());
    if let Some(stopped) = &all.stopped {
        text += &format!("It stopped at {}, and those behind it wait: {}.\n", stopped.name, stopped.detail);
    }
    text
}

/// A dead letter that was deleted.
pub fn deleted(deleted: &DeletedAnswer) -> String {
    format!("{} is deleted.\n", deleted.deleted)
}

/// An entity that was released.
pub fn resumed(resumed: &ResumeAnswer) -> String {
    let first = match &resumed.parked {
        Some(name) => format!("its first event is {name} in the dead letters"),
        None => "its first event runs again".to_owned(),
    };
    let ResumeAnswer { entity, cause, pending, .. } = resumed;
    format!("{entity} is released: {first}, and {pending} wait. It was blocked because of this: {cause}\n")
}

/// Entities with something pending.
pub fn stuck(page: &StuckPage) -> String {
    if page.items.is_empty() {
        return "Nothing is pending.\n".to_owned();
    }
    let row = |stuck: &StuckAnswer| {
        let lease = match stuck.lease {
            KeptAnswer::Free => "free",
            KeptAnswer::Held => "held",
            KeptAnswer::Expired => "expired",
            KeptAnswer::Blocked => "blocked",
        };
        let [age, events, effects] = [stuck.age_seconds, stuck.pending, stuck.undelivered].map(|n| n.to_string());
        let cause = stuck.cause.as_deref().map(shortened).unwrap_or_default();
        [stuck.entity.clone(), format!("{age} s"), events, effects, lease.to_owned(), cause]
    };
    table(["ENTITY", "WAITS", "EVENTS", "EFFECTS", "LEASE", "CAUSE"], page.items.iter().map(row))
}

/// What a sweep found.
pub fn swept(swept: &SweepAnswer) -> String {
    let SweepAnswer { looked, ran, held, waiting, .. } = swept;
    let mut text = format!("Looked at {looked}: {ran} had work and were run.\n");
    if *held > 0 {
        text += &format!("{held} are held by somebody; sweep again after the lease to see what is left of them.\n");
    }
    if *waiting > 0 {
        text += &format!("{waiting} wait with effects that are to be tried again later.\n");
    }
    for entity in &swept.blocked {
        text += &format!("{entity} is blocked; release it with: operator resume {entity}\n");
    }
    for entity in &swept.failed {
        text += &format!("{entity} could not be run here; the log says why.\n");
    }
    text
}

/// The beginning of a text that may be long, on one line.
fn shortened(text: &str) -> String {
    const MOST: usize = 60;
    let mut short: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MOST).collect();
    if text.chars().nth(MOST).is_some() {
        short.push('…');
    }
    short
}

fn table<const N: usize>(head: [&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let rows: Vec<[String; N]> = std::iter::once(head.map(str::to_owned)).chain(rows).collect();
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..N).map(|column| width(column).unwrap_or_default()).collect();
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}  "));
        cells.collect::<String>().trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_what_is_in_them() {
        let rows = [["counter/alice".to_owned(), "1".to_owned()], ["b".to_owned(), "22".to_owned()]];
        let text = table(["ENTITY", "N"], rows.into_iter());
        assert_eq!(text, "ENTITY         N\ncounter/alice  1\nb              22\n");
    }

    #[test]
    fn long_texts_are_cut_and_kept_on_one_line() {
        let text = shortened(&"line\nline ".repeat(20));
        assert_eq!((text.chars().count(), text.contains('\n')), (61, false));
    }
}
