//! `new` and `add kind`: a project of one's own around this crate, and one more kind of entity in it. What is written is
//! embedded, so nothing is fetched.

mod dependency;
mod files;
mod insert;
mod names;
mod project;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use self::dependency::leasebox;
use self::files::Values;
use self::insert::Insertion;
use self::names::{Kind, ProjectName};
use self::project::Project;

/// The options of `new`.
#[derive(Debug, Args)]
pub struct New {
    /// Where: a folder that is not there yet, or empty. Its name is the project's.
    #[arg(value_name = "NAME_OR_PATH")]
    path: PathBuf,
    /// The name of the first kind of entity.
    #[arg(long, value_name = "NAME", default_value = "counter")]
    kind: String,
}

/// The options of `add`.
#[derive(Debug, Args)]
pub struct Add {
    #[command(subcommand)]
    what: Addition,
}

#[derive(Debug, Subcommand)]
enum Addition {
    /// A kind of entity: a file, its test, and the two lines that make the app have it.
    Kind {
        /// Its name in paths and ids, such as `order`.
        name: String,
    },
}

/// Why nothing was written, or not all of it.
#[derive(Debug, thiserror::Error)]
pub enum ScaffoldError {
    /// A name that cannot be used.
    #[error("{0}")]
    Name(String),
    /// The path has no last component.
    #[error("{} names no folder; pass the name of one that is to be made, such as ../shop", .0.display())]
    NoFolder(PathBuf),
    /// The folder is there already, and something is in it.
    #[error("{} is there, and not an empty folder; pass the name of one that is not there yet", .0.display())]
    Occupied(PathBuf),
    /// No project is around.
    #[error(
        "{} is in no project that `new` has made: neither here nor above is there an app/src/lib.rs beside a Cargo.toml; \
         change into one, or make one with `new`",
        .0.display()
    )]
    NoProject(PathBuf),
    /// The project's package has no name.
    #[error("{} does not say what the package is called: it takes a line name = \"…\" below [package]", .0.display())]
    Nameless(PathBuf),
    /// The kind is there.
    #[error("there is a kind or a module `{kind}` already: {}; take another name", place.display())]
    KindExists {
        /// The name of the kind that is asked for.
        kind: String,
        /// The file in which that kind is.
        place: PathBuf,
    },
    /// A file cannot be read or written.
    #[error("{} cannot be used: {cause}", path.display())]
    Unusable {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
}

/// Makes a project, and says what to type next.
///
/// # Errors
/// When the name or the folder cannot be used: then nothing was written. Also when a file cannot be written.
pub fn new(options: &New) -> Result<String, ScaffoldError> {
    let folder = absolute(&options.path)?;
    let name = folder.file_name().ok_or_else(|| ScaffoldError::NoFolder(options.path.clone()))?;
    let name = ProjectName::new(&name.to_string_lossy())?;
    let kind = Kind::new(&options.kind)?;
    match is_free(&folder) {
        Ok(true) => {}
        Ok(false) => return Err(ScaffoldError::Occupied(options.path.clone())),
        Err(cause) => return Err(ScaffoldError::Unusable { path: folder, cause }),
    }
    // What the manifest is to say of the crate is known by where the folder really is.
    let parent = folder.ancestors().skip(1).find_map(|above| fs::canonicalize(above).ok().map(|real| (above, real)));
    let real = match &parent {
        Some((above, real)) => real.join(folder.strip_prefix(above).unwrap_or(&folder)),
        None => folder.clone(),
    };
    let values = Values { crate_name: name.crate_name(), kind: &kind };
    let files = files::project(&name, &values, &leasebox(&real));
    for (path, text) in &files {
        write(&folder.join(path), text)?;
    }
    let (at, kind) = (options.path.display(), kind.name());
    Ok(format!(
        "made {at}: {count} files, with the kind `{kind}` in app/src. Now type:\n  \
         cd {at}\n  \
         cargo run      # everything in one process; what it stands on takes some minutes to compile, once\n\
         and in another terminal:\n  \
         curl localhost:3000/entities/{kind}/alice/events -d '{{\"type\": \"add\", \"amount\": 5}}'\n  \
         curl localhost:3000/entities/{kind}/alice\n\
         README.md says how to test it, to add a kind, and to deploy it.\n",
        count = files.len(),
    ))
}

/// Adds what is asked for to the project around `place`, and says what was done.
///
/// # Errors
/// When the name cannot be used, or there is no project: then nothing was written. Also when a file cannot be written.
pub fn add(options: &Add, place: &Path) -> Result<String, ScaffoldError> {
    let Addition::Kind { name } = &options.what;
    let kind = Kind::new(name)?;
    let project = Project::around(&absolute(place)?)?;
    project.has_room(&kind)?;
    let library = project.library()?;
    let values = Values { crate_name: project.crate_name()?, kind: &kind };
    let mut said = String::new();
    for (path, text) in files::kind(&values) {
        write(&project.root().join(&path), &text)?;
        said += &format!("wrote {path}\n");
    }
    let [module, line] = insert::lines(&kind);
    match insert::insert(&library, &kind) {
        Insertion::Done(text) => {
            write(&project.library_path(), &text)?;
            said += &format!("added to app/src/lib.rs:\n  {module}\n  {line}\n");
        }
        Insertion::Unclear => {
            said += &format!(
                "app/src/lib.rs is not as `new` wrote it, so add two lines to it yourself: beside the other modules\n  \
                 {module}\nand after App::new()\n  {line}\n"
            );
        }
    }
    let kind = kind.name();
    said += &format!(
        "Restart `cargo run`, and type:\n  \
         curl localhost:3000/entities/{kind}/alice/events -d '{{\"type\": \"add\", \"amount\": 5}}'\n"
    );
    Ok(said)
}

/// Whether nothing is there, or an empty folder.
fn is_free(folder: &Path) -> io::Result<bool> {
    match fs::read_dir(folder) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Ok(false),
        Err(error) => Err(error),
    }
}

fn absolute(path: &Path) -> Result<PathBuf, ScaffoldError> {
    std::path::absolute(path).map_err(|cause| ScaffoldError::Unusable { path: path.to_owned(), cause })
}

fn write(path: &Path, text: &str) -> Result<(), ScaffoldError> {
    let written = match path.parent() {
        Some(folder) => fs::create_dir_all(folder).and_then(|()| fs::write(path, text)),
        None => fs::write(path, text),
    };
    written.map_err(|cause| ScaffoldError::Unusable { path: path.to_owned(), cause })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new_at(path: &Path, kind: &str) -> Result<String, String> {
        new(&New { path: path.to_owned(), kind: kind.to_owned() }).map_err(|error| error.to_string())
    }

    fn add_at(place: &Path, kind: &str) -> Result<String, String> {
        add(&Add { what: Addition::Kind { name: kind.to_owned() } }, place).map_err(|error| error.to_string())
    }

    /// Every file below a folder, with its text.
    fn all(folder: &Path) -> Vec<(PathBuf, String)> {
        let (mut folders, mut files) = (vec![folder.to_owned()], Vec::new());
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let text = fs::read_to_string(&path).unwrap();
                    files.push((path, text));
                }
            }
        }
        files.sort();
        files
    }

    fn refused(told: Result<String, String>, why: &str) {
        let error = told.unwrap_err();
        assert!(error.contains(why), "{error}");
    }

    #[test]
    fn a_folder_with_something_in_it_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let shop = folder.path().join("shop");
        fs::create_dir(&shop).unwrap();
        fs::write(shop.join("notes"), "mine").unwrap();
        refused(new_at(&shop, "counter"), "not an empty folder");
        refused(new_at(&shop.join("notes"), "counter"), "not an empty folder");
        assert_eq!(all(folder.path()).len(), 1);
    }

    #[test]
    fn an_empty_folder_is_as_good_as_none() {
        let folder = tempfile::tempdir().unwrap();
        let (shop, other) = (folder.path().join("shop"), folder.path().join("a/b/other"));
        fs::create_dir(&shop).unwrap();
        for path in [&shop, &other] {
            assert!(new_at(path, "counter").unwrap().contains("cargo run"));
            assert!(path.join("app/src/counter.rs").is_file());
        }
    }

    #[test]
    fn names_that_cannot_be_used_leave_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        for (name, kind, why) in [
            ("My-Shop", "counter", "such as my-shop"),
            ("1shop", "counter", "starting with a letter"),
            ("match", "counter", "is a word of Rust"),
            ("leasebox", "counter", "something that the project consists of"),
            ("ingest", "counter", "something that the project consists of"),
            ("shop", "Counter", "is not a kind: 1 to 32 characters"),
            ("shop", "type", "is a word of Rust"),
            ("shop", "state", "in the file of every kind"),
            ("..", "counter", "names no folder"),
        ] {
            refused(new_at(&folder.path().join(name), kind), why);
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_kind_is_added_from_anywhere_in_the_project() {
        let folder = tempfile::tempdir().unwrap();
        let shop = folder.path().join("my-shop");
        new_at(&shop, "counter").unwrap();
        let told = add_at(&shop.join("app/src"), "gift-card").unwrap();
        assert!(told.contains("added to app/src/lib.rs"), "{told}");
        let library = fs::read_to_string(shop.join("app/src/lib.rs")).unwrap();
        assert!(library.contains("pub mod counter;\npub mod gift_card;\n"), "{library}");
        assert!(
            library.contains(
                "        .kind::<counter::Counter>()\n        .kind::<gift_card::GiftCard>()\n        .hint("
            ),
            "{library}"
        );
        assert!(fs::read_to_string(shop.join("app/src/gift_card.rs")).unwrap().contains("\"gift-card\""));
        assert!(fs::read_to_string(shop.join("app/tests/gift_card.rs")).unwrap().contains("use my_shop::gift_card::{"));
    }

    #[test]
    fn a_library_of_another_form_is_left_to_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let shop = folder.path().join("shop");
        new_at(&shop, "counter").unwrap();
        let library = shop.join("app/src/lib.rs");
        let own = "pub fn app() -> leasebox::App { leasebox::App::default() }\n";
        fs::write(&library, own).unwrap();
        let told = add_at(&shop, "order").unwrap();
        assert!(told.contains("  pub mod order;\n") && told.contains("  .kind::<order::Order>()\n"), "{told}");
        assert_eq!(fs::read_to_string(&library).unwrap(), own);
        assert!(shop.join("app/src/order.rs").is_file() && shop.join("app/tests/order.rs").is_file());
    }

    #[test]
    fn what_cannot_be_added_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let shop = folder.path().join("shop");
        refused(add_at(folder.path(), "order"), "is in no project that `new` has made");
        new_at(&shop, "counter").unwrap();
        fs::create_dir(shop.join("app/src/basket")).unwrap();
        fs::write(shop.join("app/src/basket/mod.rs"), "").unwrap();
        let before = all(folder.path());
        for (kind, why) in [
            ("counter", "there is a kind or a module `counter` already: app/src/counter.rs"),
            ("basket", "app/src/basket;"),
            ("Order", "is not a kind"),
            ("loop", "is a word of Rust"),
            ("lib", "beside it"),
        ] {
            refused(add_at(&shop, kind), why);
        }
        let manifest = shop.join("app/Cargo.toml");
        let named = fs::read_to_string(&manifest).unwrap();
        fs::write(&manifest, "[package]\nversion = \"0.1.0\"\n").unwrap();
        refused(add_at(&shop, "order"), "does not say what the package is called");
        fs::write(&manifest, named).unwrap();
        assert_eq!(all(folder.path()), before);
    }
}
