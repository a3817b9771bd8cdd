//! What a project and a kind may be called, and what follows from their names.

use shared::envelope::check_kind;
use web::openapi::type_name;

use super::ScaffoldError;

/// The longest name of a project: what AWS calls after it gets longer names.
const PROJECT_BYTES: usize = 64;

/// Words that Rust keeps for itself.
const RESERVED: &[&str] = &[
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate", "do", "dyn", "else",
    "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop", "macro", "match", "mod",
    "move", "mut", "override", "priv", "pub", "ref", "return", "self", "static", "struct", "super", "trait", "true",
    "try", "type", "typeof", "unsafe", "unsized", "use", "virtual", "where", "while", "yield",
];

/// Crates that are there already, and the functions, which are programs of the project.
const CRATES: &[&str] =
    &["alloc", "core", "drain", "ingest", "leasebox", "proc_macro", "serde", "status", "std", "test"];

/// Files that mean something else in `app`, and types that the file of a kind has beside the one that is called after it.
const TAKEN: &[&str] = &[
    "actor",
    "app",
    "command",
    "deserialize",
    "err",
    "event",
    "fault",
    "json_schema",
    "leasebox",
    "lib",
    "main",
    "none",
    "ok",
    "rejection",
    "reply",
    "result",
    "serialize",
    "some",
    "state",
    "test_actor",
    "turn",
];

/// The name of a project, which is that of its package.
#[derive(Debug)]
pub(super) struct ProjectName(String);

impl ProjectName {
    pub(super) fn new(name: &str) -> Result<Self, ScaffoldError> {
        let starts = name.starts_with(|c: char| c.is_ascii_lowercase());
        let alphabet = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_');
        if !starts || !alphabet || name.len() > PROJECT_BYTES {
            return Err(ScaffoldError::Name(format!(
                "`{name}` cannot be a project's name, which is the folder's: 1 to {PROJECT_BYTES} characters of a-z, 0-9, - \
                 and _, starting with a letter, such as my-shop"
            )));
        }
        let crate_name = name.replace('-', "_");
        if RESERVED.contains(&crate_name.as_str()) {
            return Err(ScaffoldError::Name(format!(
                "`{name}` is a word of Rust, and no crate can be called so; take another name, such as my-{name}"
            )));
        }
        if CRATES.contains(&crate_name.as_str()) {
            return Err(ScaffoldError::Name(format!(
                "`{name}` is the name of something that the project consists of; take another one, such as my-{name}"
            )));
        }
        Ok(Self(name.to_owned()))
    }

    /// As the package is called.
    pub(super) fn name(&self) -> &str {
        &self.0
    }

    /// As Rust code calls it.
    pub(super) fn crate_name(&self) -> String {
        self.0.replace('-', "_")
    }

    /// As CloudFormation calls it, which takes no `_`.
    pub(super) fn stack(&self) -> String {
        self.0.replace('_', "-")
    }
}

/// The name of a kind.
#[derive(Debug)]
pub(super) struct Kind(String);

impl Kind {
    pub(super) fn new(name: &str) -> Result<Self, ScaffoldError> {
        check_kind(name).map_err(|malformed| ScaffoldError::Name(malformed.to_string()))?;
        let kind = Self(name.to_owned());
        if RESERVED.contains(&kind.module().as_str()) {
            return Err(ScaffoldError::Name(format!(
                "`{name}` is a word of Rust, and no module can be called so; take another name for the kind"
            )));
        }
        if TAKEN.contains(&kind.module().as_str()) {
            return Err(ScaffoldError::Name(format!(
                "`{name}` is what something else is called in the file of every kind, or beside it; take another name for \
                 the kind"
            )));
        }
        Ok(kind)
    }

    /// As ids and paths have it.
    pub(super) fn name(&self) -> &str {
        &self.0
    }

    /// The name of its module and its files.
    pub(super) fn module(&self) -> String {
        self.0.replace('-', "_")
    }

    /// The name of its type: what the types of its schemas begin with too.
    pub(super) fn type_name(&self) -> String {
        type_name(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dashes_become_what_rust_takes() {
        let name = ProjectName::new("my-shop_2").unwrap();
        assert_eq!((name.name(), name.crate_name().as_str()), ("my-shop_2", "my_shop_2"));
        assert_eq!(name.stack(), "my-shop-2");
        let kind = Kind::new("gift-card2").unwrap();
        assert_eq!((kind.module().as_str(), kind.type_name().as_str()), ("gift_card2", "GiftCard2"));
    }

    #[test]
    fn a_kind_may_have_the_name_of_a_project() {
        for name in ["shop", "x", "a-1"] {
            ProjectName::new(name).unwrap();
            Kind::new(name).unwrap();
        }
        assert!(ProjectName::new(&"x".repeat(PROJECT_BYTES + 1)).is_err());
        assert!(ProjectName::new("").is_err());
    }
}
