//! The files of a project, from the templates beside this one.

use super::names::{Kind, ProjectName};

/// How long a line may be, unless somebody tells rustfmt otherwise.
const RUSTFMT_WIDTH: usize = 100;

/// What is filled in for a kind.
pub(super) struct Values<'a> {
    pub(super) crate_name: String,
    pub(super) kind: &'a Kind,
}

/// A file: its path from the project's root, and its text.
pub(super) type Written = (String, String);

/// Every file of a new project. `leasebox` is how its manifest depends on this crate.
pub(super) fn project(name: &ProjectName, values: &Values<'_>, leasebox: &str) -> Vec<Written> {
    let module = values.kind.module();
    let kind = values.kind.name();
    let plain = [
        ("Cargo.toml", include_str!("files/workspace.toml")),
        ("README.md", include_str!("files/README.md")),
        (".gitignore", include_str!("files/gitignore")),
        ("template.yaml", include_str!("template.yaml")),
        ("samconfig.toml", include_str!("files/samconfig.toml")),
        ("app/Cargo.toml", include_str!("files/app.toml")),
        ("app/src/lib.rs", include_str!("files/lib.rs")),
        ("app/src/bin/ingest.rs", include_str!("files/ingest.rs")),
        ("app/src/bin/drain.rs", include_str!("files/drain.rs")),
        ("app/src/bin/status.rs", include_str!("files/status.rs")),
        ("app/tests/app.rs", include_str!("files/app_test.rs")),
        ("dev/Cargo.toml", include_str!("files/dev.toml")),
        ("dev/src/main.rs", include_str!("files/main.rs")),
    ];
    let mut files: Vec<Written> = plain.map(|(path, template)| (path.to_owned(), template.to_owned())).into();
    files.push((format!("events/ingest-{kind}.json"), include_str!("files/ingest.json").to_owned()));
    files.push((format!("events/status-{kind}.json"), include_str!("files/status.json").to_owned()));
    for (_, text) in &mut files {
        *text = fill(text, &[("name", name.name()), ("stack", &name.stack()), ("leasebox", leasebox)]);
        *text = fill(text, &[("hint", &hint(values.kind))]);
        *text = fill_kind(text, &module, values);
    }
    files.extend(self::kind(values));
    files.sort();
    files
}

/// What to type first, in as many lines as rustfmt wants.
fn hint(kind: &Kind) -> String {
    let kind = kind.name();
    let text = format!(r##"r#"curl {{base}}/entities/{kind}/alice/events -d '{{"type": "add", "amount": 5}}'"#"##);
    let line = format!("        .hint({text})");
    match line.len() <= RUSTFMT_WIDTH {
        true => line.trim_start().to_owned(),
        false => format!(".hint(\n            {text},\n        )"),
    }
}

/// The files of one kind.
pub(super) fn kind(values: &Values<'_>) -> [Written; 2] {
    let module = values.kind.module();
    [
        (format!("app/src/{module}.rs"), fill_kind(include_str!("files/kind.rs"), &module, values)),
        (format!("app/tests/{module}.rs"), fill_kind(include_str!("files/kind_test.rs"), &module, values)),
    ]
}

fn fill_kind(text: &str, module: &str, Values { crate_name, kind }: &Values<'_>) -> String {
    let type_name = kind.type_name();
    // In the order that rustfmt wants.
    let mut items = ["Command", "Reply", "State", &type_name];
    items.sort_unstable();
    let items = items.join(", ");
    let values = [
        ("crate", crate_name.as_str()),
        ("kind", kind.name()),
        ("module", module),
        ("Kind", &type_name),
        ("items", &items),
    ];
    fill(text, &values)
}

fn fill(text: &str, values: &[(&str, &str)]) -> String {
    values.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("{{{{{name}}}}}"), value))
}

#[cfg(test)]
mod tests {
    use std::env;
    use std::fs;
    use std::path::Path;

    use super::*;

    /// What the project `my-shop` with the kind `gift-card` consists of. Of the template, which is long, only the lines that
    /// are filled in: the rest is its file.
    fn rendered() -> String {
        let (name, kind) = (ProjectName::new("my-shop").unwrap(), Kind::new("gift-card").unwrap());
        let values = Values { crate_name: name.crate_name(), kind: &kind };
        let mut told = String::new();
        for (path, text) in project(&name, &values, "\"0.0.0\"") {
            assert!(!text.contains("{{") || text.contains("use my_shop::"), "{path} is not filled in");
            told += &format!("=== {path}\n");
            match path.as_str() {
                "template.yaml" => {
                    let lines = text.lines().zip(include_str!("template.yaml").lines());
                    told.extend(lines.filter(|(line, template)| line != template).map(|(line, _)| format!("{line}\n")));
                }
                _ => told += &text,
            }
        }
        told
    }

    #[test]
    fn a_new_project_is_as_the_snapshot_says() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/scaffold/snapshot.txt");
        let rendered = rendered();
        if env::var_os("LEASEBOX_SNAPSHOT").is_some() {
            fs::write(&path, &rendered).unwrap();
        }
        let snapshot = fs::read_to_string(&path).unwrap_or_default();
        let differs = rendered.lines().zip(snapshot.lines()).position(|(now, then)| now != then);
        let line = differs.unwrap_or_else(|| rendered.lines().count().min(snapshot.lines().count()));
        assert!(
            rendered == snapshot,
            "a new project is not as in {} from line {} on:\n  now  {:?}\n  then {:?}\nIf it is meant to be so, write it down: \
             LEASEBOX_SNAPSHOT=1 cargo test -p leasebox-local --lib snapshot",
            path.display(),
            line + 1,
            rendered.lines().nth(line),
            snapshot.lines().nth(line),
        );
    }
}
