//! The directory that survives a restart, owned by one process at a time.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// The file that says where the database answers.
const ENDPOINT: &str = "database-url";

/// The data directory, locked for as long as this value lives.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    /// Holds the lock; the system releases it when the process ends, however it ends.
    _lock: File,
    /// Deletes the directory at the end, when it is a temporary one.
    _temporary: Option<tempfile::TempDir>,
}

/// Why a data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// Another process has it open.
    #[error(
        "the data directory {} is in use by another process; stop it, or pass --data with another directory",
        .0.display()
    )]
    InUse(PathBuf),
    /// It cannot be created or written.
    #[error("the data directory {} cannot be used: {cause}", path.display())]
    Unusable {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
}

impl DataDir {
    /// Opens the directory, creating it when it is missing.
    pub fn open(path: &Path) -> Result<Self, DataDirError> {
        let unusable = |cause| DataDirError::Unusable { path: path.to_owned(), cause };
        std::fs::create_dir_all(path).map_err(unusable)?;
        let lock = File::create(path.join("lock")).map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(DataDirError::InUse(path.to_owned())),
            Err(TryLockError::Error(cause)) => return Err(unusable(cause)),
        }
        Ok(Self { path: path.to_owned(), _lock: lock, _temporary: None })
    }

    /// A directory of its own that is deleted at the end.
    pub fn temporary() -> Result<Self, DataDirError> {
        let temporary = tempfile::Builder::new()
            .prefix("leasebox-")
            .tempdir()
            .map_err(|cause| DataDirError::Unusable { path: "(temporary)".into(), cause })?;
        let mut opened = Self::open(temporary.path())?;
        opened._temporary = Some(temporary);
        Ok(opened)
    }

    /// Notes at which endpoint the database answers, for as long as the server runs.
    pub fn write_endpoint(&self, endpoint: &str) -> Result<(), DataDirError> {
        let unusable = |cause| DataDirError::Unusable { path: self.path.clone(), cause };
        std::fs::write(self.path.join(ENDPOINT), format!("{endpoint}\n")).map_err(unusable)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// The endpoint of the database of the server that serves, or last served, a data directory.
pub fn read_endpoint(path: &Path) -> io::Result<String> {
    Ok(std::fs::read_to_string(path.join(ENDPOINT))?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_process_at_a_time() {
        let first = DataDir::temporary().unwrap();
        let refused = DataDir::open(first.path()).unwrap_err();
        assert!(matches!(refused, DataDirError::InUse(_)));
        assert!(refused.to_string().contains("--data"));
        let path = first.path().to_owned();
        drop(first);
        assert!(!path.exists());
        DataDir::open(&path).unwrap();
        std::fs::remove_dir_all(path).unwrap();
    }
}
