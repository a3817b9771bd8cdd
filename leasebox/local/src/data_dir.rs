//! The directory that survives a restart, owned by one process at a time.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use crate::private;

/// The file that says where the database answers: a URL, with the key of an embedded one in it.
const ENDPOINT: &str = "database-url";
/// The file that is locked. A directory that has it is one of ours.
const LOCK: &str = "lock";

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
    /// Others may look into it, and what else is in it is none of ours.
    #[error(
        "the data directory {path} is open to other users of this machine, and holds files that are not Leasebox's; pass \
         --data with a directory of its own, or close this one: chmod 700 {path}",
        path = .0.display()
    )]
    Open(PathBuf),
    /// It cannot be created or written.
    #[error("the data directory {} cannot be used: {cause}", path.display())]
    Unusable {
        /// The directory that cannot be used.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
}

impl DataDir {
    /// Opens the directory, creating it when it is missing. It is its owner's alone from then on, with what
    /// is in it: one of ours that was open is closed to others.
    pub fn open(path: &Path) -> Result<Self, DataDirError> {
        let unusable = |cause| DataDirError::Unusable { path: path.to_owned(), cause };
        private::create_dir_all(path).map_err(unusable)?;
        if private::is_open(path).map_err(unusable)? {
            if !is_ours(path).map_err(unusable)? {
                return Err(DataDirError::Open(path.to_owned()));
            }
            private::close(path).map_err(unusable)?;
            tracing::warn!(directory = %path.display(), "the data directory was open to other users; it is its owner's alone now");
        }
        let lock =
            private::options().write(true).create(true).truncate(true).open(path.join(LOCK)).map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(DataDirError::InUse(path.to_owned())),
            Err(TryLockError::Error(cause)) => return Err(unusable(cause)),
        }
        Ok(Self { path: path.to_owned(), _lock: lock, _temporary: None })
    }

    /// A directory of its own that is deleted at the end.
    pub fn temporary() -> Result<Self, DataDirError> {
        let temporary = private::temporary("leasebox-")
            .map_err(|cause| DataDirError::Unusable { path: "(temporary)".into(), cause })?;
        let mut opened = Self::open(temporary.path())?;
        opened._temporary = Some(temporary);
        Ok(opened)
    }

    /// Notes at which endpoint the database answers, for as long as the server runs.
    pub fn write_endpoint(&self, endpoint: &str) -> Result<(), DataDirError> {
        let unusable = |cause| DataDirError::Unusable { path: self.path.clone(), cause };
        private::replace(&self.endpoint_file(), format!("{endpoint}\n").as_bytes()).map_err(unusable)
    }

    /// The file with that.
    pub fn endpoint_file(&self) -> PathBuf {
        self.path.join(ENDPOINT)
    }

    /// The path of the directory.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// The endpoint of the database of the server that serves, or last served, a data directory.
pub fn read_endpoint(path: &Path) -> io::Result<String> {
    Ok(std::fs::read_to_string(path.join(ENDPOINT))?.trim().to_owned())
}

/// Whether a directory was made for this, or is as good as: it has our lock, or nothing.
fn is_ours(path: &Path) -> io::Result<bool> {
    Ok(path.join(LOCK).exists() || std::fs::read_dir(path)?.next().is_none())
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

    #[cfg(unix)]
    #[test]
    fn a_directory_that_was_open_is_closed_when_it_is_ours_and_refused_when_it_is_not() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let set = |mode| std::fs::set_permissions(directory.path(), PermissionsExt::from_mode(mode)).unwrap();
        let mode = || std::fs::metadata(directory.path()).unwrap().permissions().mode() & 0o777;
        std::fs::write(directory.path().join("letter"), "").unwrap();
        set(0o755);
        let refused = DataDir::open(directory.path()).unwrap_err();
        assert!(matches!(refused, DataDirError::Open(_)) && refused.to_string().contains("chmod 700"), "{refused}");
        assert_eq!(mode(), 0o755, "nothing is done to it");
        std::fs::remove_file(directory.path().join("letter")).unwrap();
        DataDir::open(directory.path()).unwrap();
        assert_eq!(mode(), 0o700);
        set(0o750);
        std::fs::write(directory.path().join("letter"), "").unwrap();
        DataDir::open(directory.path()).unwrap();
        assert_eq!(mode(), 0o700);
    }
}
