//! The two lines of a kind in a `lib.rs` that somebody may have changed.

use super::names::Kind;

/// What came of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Insertion {
    /// The text with both lines.
    Done(String),
    /// It cannot be told where they belong.
    Unclear,
}

const APP: &str = "App::new()";

/// The line of the module, and the one of the app.
pub(super) fn lines(kind: &Kind) -> [String; 2] {
    let (module, type_name) = (kind.module(), kind.type_name());
    [format!("pub mod {module};"), format!(".kind::<{module}::{type_name}>()")]
}

/// Puts the module among the others, and the kind behind the last of those that follow `App::new()`.
pub(super) fn insert(text: &str, kind: &Kind) -> Insertion {
    let [module, line] = lines(kind);
    match with_kind(text, &line).and_then(|text| with_module(&text, &module)) {
        Some(text) => Insertion::Done(text),
        None => Insertion::Unclear,
    }
}

/// The name of the module that a line declares.
pub(super) fn declared(line: &str) -> Option<&str> {
    line.strip_prefix("pub ").unwrap_or(line).strip_prefix("mod ")?.strip_suffix(';')
}

fn with_kind(text: &str, line: &str) -> Option<String> {
    let mut places = text.match_indices(APP).filter(|(place, _)| !in_comment(text, *place));
    let (place, _) = places.next()?;
    if places.next().is_some() {
        return None;
    }
    let start = place + APP.len();
    let (mut end, mut between) = (start, None);
    while let Some((space, after)) = next_kind(text.get(end..)?) {
        between = between.or(Some(space));
        end += after;
    }
    // A chain goes on as it has begun: on one line, or on several.
    let rest = text.get(start..)?;
    let next = rest.trim_start();
    let space = match between {
        Some(space) => space.to_owned(),
        None if next.starts_with('.') => rest.get(..rest.len() - next.len())?.to_owned(),
        None => String::new(),
    };
    Some(format!("{}{space}{line}{}", text.get(..end)?, text.get(end..)?))
}

fn in_comment(text: &str, place: usize) -> bool {
    let line = text.get(..place).and_then(|before| before.rsplit('\n').next()).unwrap_or_default();
    line.contains("//")
}

/// The next `.kind::<…>()` when nothing but space and comments is before it: the space right before it, and where it ends.
fn next_kind(text: &str) -> Option<(&str, usize)> {
    let mut rest = text;
    loop {
        let code = rest.trim_start();
        if code.starts_with("//") {
            rest = code.get(code.find('\n')?..)?;
            continue;
        }
        if !code.starts_with(".kind::<") {
            return None;
        }
        let end = code.find(">()")? + ">()".len();
        let space = rest.get(..rest.len() - code.len())?;
        return Some((space, text.len() - code.len() + end));
    }
}

fn with_module(text: &str, module: &str) -> Option<String> {
    let lines: Vec<&str> = text.lines().collect();
    let name = declared(module)?;
    let modules: Vec<(usize, &str)> =
        lines.iter().enumerate().filter_map(|(place, line)| Some((place, declared(line)?))).collect();
    let before = modules.iter().rev().find(|(_, other)| *other < name);
    let place = match (before, modules.first()) {
        (Some((place, _)), _) => place + 1,
        // Before the first, and before what is said about it.
        (None, Some((first, _))) => {
            let about = lines
                .iter()
                .take(*first)
                .rev()
                .take_while(|line| line.starts_with("#[") || line.starts_with("//") && !line.starts_with("//!"));
            first - about.count()
        }
        (None, None) => return before_the_first_use(&lines, module),
    };
    Some(joined(&lines, place, &[module], text))
}

fn before_the_first_use(lines: &[&str], module: &str) -> Option<String> {
    let place = lines.iter().position(|line| line.starts_with("use ") || line.starts_with("pub use "))?;
    Some(joined(lines, place, &[module, ""], "\n"))
}

fn joined(lines: &[&str], place: usize, added: &[&str], text: &str) -> String {
    let (before, after) = lines.split_at(place.min(lines.len()));
    let end = if text.ends_with('\n') { "\n" } else { "" };
    [before, added, after].concat().join("\n") + end
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With the kind `m`.
    fn inserted(text: &str) -> Option<String> {
        match insert(text, &Kind::new("m").unwrap()) {
            Insertion::Done(text) => Some(text),
            Insertion::Unclear => None,
        }
    }

    #[test]
    fn modules_stay_sorted_and_keep_what_is_said_about_them() {
        let app = "fn app() -> App {\n    App::new()\n}\n";
        let with = "fn app() -> App {\n    App::new().kind::<m::M>()\n}\n";
        for (before, after) in [
            ("//! Doc.\n\nmod a;\nmod z;\n", "//! Doc.\n\nmod a;\npub mod m;\nmod z;\n"),
            ("//! Doc.\n\n/// Of z.\n#[x]\nmod z;\n", "//! Doc.\n\npub mod m;\n/// Of z.\n#[x]\nmod z;\n"),
            ("//! Doc.\n\nuse leasebox::App;\n", "//! Doc.\n\npub mod m;\n\nuse leasebox::App;\n"),
        ] {
            assert_eq!(inserted(&format!("{before}{app}")), Some(format!("{after}{with}")));
        }
        assert_eq!(inserted(app), None, "there is neither a module nor a use");
    }

    #[test]
    fn a_kind_goes_behind_the_others_in_their_form() {
        for (before, after) in [
            ("App::new();", "App::new().kind::<m::M>();"),
            ("App::new().kind::<a::A>().hint(x)", "App::new().kind::<a::A>().kind::<m::M>().hint(x)"),
            ("App::new()\n  .hint(x)", "App::new()\n  .kind::<m::M>()\n  .hint(x)"),
            (
                "App::new()\n  // Kinds.\n  .kind::<a::A>() // A.\n  .kind::<b::B>()\n  .hint(x)",
                "App::new()\n  // Kinds.\n  .kind::<a::A>() // A.\n  .kind::<b::B>()\n  .kind::<m::M>()\n  .hint(x)",
            ),
            ("// Not App::new().\nApp::new()", "// Not App::new().\nApp::new().kind::<m::M>()"),
        ] {
            let told = inserted(&format!("mod a;\n{before}"));
            assert_eq!(told, Some(format!("mod a;\npub mod m;\n{after}")));
        }
        assert_eq!(inserted("mod a;\nApp::new(); App::new()"), None, "which of the two");
        assert_eq!(inserted("mod a;\nApp::default()"), None);
    }
}
