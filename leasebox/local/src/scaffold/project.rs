//! A project that `new` has made, as it is found again.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::ScaffoldError;
use super::insert::declared;
use super::names::Kind;

/// Where the project is.
pub(super) struct Project(PathBuf);

impl Project {
    /// The project that a folder lies in.
    pub(super) fn around(place: &Path) -> Result<Self, ScaffoldError> {
        let is_root = |folder: &&Path| folder.join("Cargo.toml").is_file() && folder.join("app/src/lib.rs").is_file();
        let root = place.ancestors().find(is_root).ok_or_else(|| ScaffoldError::NoProject(place.to_owned()))?;
        Ok(Self(root.to_owned()))
    }

    pub(super) fn root(&self) -> &Path {
        &self.0
    }

    pub(super) fn library_path(&self) -> PathBuf {
        self.0.join("app/src/lib.rs")
    }

    pub(super) fn library(&self) -> Result<String, ScaffoldError> {
        read(&self.library_path())
    }

    /// As Rust code calls the app's package.
    pub(super) fn crate_name(&self) -> Result<String, ScaffoldError> {
        let path = self.0.join("app/Cargo.toml");
        let manifest = read(&path)?;
        let package = manifest.lines().map(str::trim).skip_while(|line| *line != "[package]").skip(1);
        let mut package = package.take_while(|line| !line.starts_with('['));
        let name = package.find_map(|line| {
            let value = line.strip_prefix("name")?.trim_start().strip_prefix('=')?.trim_start();
            value.strip_prefix('"')?.split('"').next()
        });
        name.map(|name| name.replace('-', "_")).ok_or(ScaffoldError::Nameless(path))
    }

    /// Whether neither a file nor a module is where the kind is to be.
    pub(super) fn has_room(&self, kind: &Kind) -> Result<(), ScaffoldError> {
        let module = kind.module();
        let exists = |place: String| ScaffoldError::KindExists { kind: kind.name().to_owned(), place: place.into() };
        let places = [format!("app/src/{module}.rs"), format!("app/src/{module}"), format!("app/tests/{module}.rs")];
        for place in places {
            let path = self.0.join(&place);
            match fs::symlink_metadata(&path) {
                Ok(_) => return Err(exists(place)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(cause) => return Err(ScaffoldError::Unusable { path, cause }),
            }
        }
        match self.library()?.lines().any(|line| declared(line.trim()) == Some(&module)) {
            true => Err(exists("app/src/lib.rs".to_owned())),
            false => Ok(()),
        }
    }
}

fn read(path: &Path) -> Result<String, ScaffoldError> {
    fs::read_to_string(path).map_err(|cause| ScaffoldError::Unusable { path: path.to_owned(), cause })
}
