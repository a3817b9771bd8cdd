//! Writes what was measured: one page of Markdown, and plots beside it.
//!
//! The page is the template with its parts filled in. A part that was not measured this time stays as an earlier run
//! left it, with the date and the machine of that run.

mod machine;
mod parts;
mod plot;
mod table;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

pub use self::machine::Machine;
pub use self::parts::{comparison, curve, distant, key_ratios, seed_table};
pub use self::table::Table;

/// The page without what was measured.
pub const TEMPLATE: &str = include_str!("report/template.md");

/// Why a report was not written.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// A file cannot be written.
    #[error("{}: {cause}", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// A plot cannot be drawn.
    #[error("a plot cannot be drawn: {0}")]
    Plot(String),
    /// The page has no such part.
    #[error("the template has no part `{0}`")]
    NoPart(String),
}

/// The page, and where it lies.
#[derive(Debug)]
pub struct Page {
    folder: PathBuf,
    text: String,
}

impl Page {
    /// The page of a folder: the template, with the parts of the page that is there.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn open(folder: &Path) -> Result<Self, ReportError> {
        fs::create_dir_all(folder).map_err(|cause| ReportError::File { path: folder.to_owned(), cause })?;
        let mut page = Self { folder: folder.to_owned(), text: TEMPLATE.to_owned() };
        if let Ok(before) = fs::read_to_string(page.path()) {
            for name in parts_of(TEMPLATE) {
                if let Some(part) = part(&before, name) {
                    page.set(name, part)?;
                }
            }
        }
        Ok(page)
    }

    fn path(&self) -> PathBuf {
        self.folder.join("README.md")
    }

    /// Fills in a part and writes the page.
    ///
    /// # Errors
    /// When there is no such part, or the page cannot be written.
    pub fn write(&mut self, name: &str, text: &str) -> Result<(), ReportError> {
        self.set(name, text)?;
        fs::write(self.path(), &self.text).map_err(|cause| ReportError::File { path: self.path(), cause })
    }

    /// Writes a plot.
    ///
    /// # Errors
    /// When it cannot be drawn or written.
    pub fn plot(&self, name: &str, plot: &Plot<'_>) -> Result<(), ReportError> {
        let path = self.folder.join(name);
        let drawn = plot.draw().map_err(ReportError::Plot)?;
        fs::write(&path, drawn).map_err(|cause| ReportError::File { path, cause })
    }

    /// Copies a part into the project's README, if that is where it should be and asks for the part.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn copy(&self, name: &str) -> Result<(), ReportError> {
        let path = self.folder.join("../../README.md");
        let (Ok(text), Some(part)) = (fs::read_to_string(&path), part(&self.text, name)) else {
            return Ok(());
        };
        let mut readme = Self { folder: self.folder.clone(), text };
        if !self.folder.ends_with("docs/performance") || readme.set(name, part).is_err() {
            return Ok(());
        }
        fs::write(&path, &readme.text).map_err(|cause| ReportError::File { path, cause })
    }

    fn set(&mut self, name: &str, text: &str) -> Result<(), ReportError> {
        let missing = || ReportError::NoPart(name.to_owned());
        let (begin, end) = (begin(name), end(name));
        let from = self.text.find(&begin).ok_or_else(missing)? + begin.len();
        let to = self.text.find(&end).ok_or_else(missing)?;
        self.text.replace_range(from..to, &format!("\n{}\n", text.trim()));
        Ok(())
    }
}

pub use self::plot::{Line, Plot, Scale};

fn begin(name: &str) -> String {
    format!("<!-- measured: {name} -->")
}

fn end(name: &str) -> String {
    format!("<!-- /measured: {name} -->")
}

/// The names of a page's parts.
#[must_use]
pub fn parts_of(page: &str) -> Vec<&str> {
    let names = page.split("<!-- measured: ").skip(1);
    names.filter_map(|rest| rest.split(" -->").next()).collect()
}

/// A part of a page.
#[must_use]
pub fn part<'a>(page: &'a str, name: &str) -> Option<&'a str> {
    let after = page.split_once(&begin(name))?.1;
    after.split_once(&end(name)).map(|(part, _)| part)
}
