//! Directories and files that are their owner's alone: what is in them are secrets, and other people's messages.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

/// What others than the owner may do with a file, by its mode.
#[cfg(unix)]
const OTHERS: u32 = 0o077;

/// How a file is opened that, when it is made by that, is its owner's alone from its first byte on.
pub fn options() -> OpenOptions {
    #[cfg_attr(not(unix), expect(unused_mut))]
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Replaces a file as a whole: a crash leaves the old one or the new one.
pub fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".new");
    let temporary = Path::new(&temporary);
    options().write(true).create(true).truncate(true).open(temporary)?.write_all(content)?;
    std::fs::rename(temporary, path)
}

/// Makes a directory, and those above it that are missing, for the owner alone. One that is there stays as it is.
pub fn create_dir_all(path: &Path) -> io::Result<()> {
    #[cfg_attr(not(unix), expect(unused_mut))]
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(path)
}

/// Makes a directory that is deleted with the value.
pub fn temporary(prefix: &str) -> io::Result<tempfile::TempDir> {
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
    builder.prefix(prefix).tempdir()
}

/// Whether others may look into a directory.
pub fn is_open(directory: &Path) -> io::Result<bool> {
    #[cfg(unix)]
    return Ok(mode(directory)? & OTHERS != 0);
    #[cfg(not(unix))]
    return directory.metadata().map(|_| false);
}

/// Closes a directory, and the files in it, to others.
pub fn close(directory: &Path) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let close = |path: &Path| std::fs::set_permissions(path, PermissionsExt::from_mode(mode(path)? & !OTHERS));
        close(directory)?;
        for entry in std::fs::read_dir(directory)? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                close(&entry.path())?;
            }
        }
    }
    directory.metadata().map(|_| ())
}

#[cfg(unix)]
fn mode(path: &Path) -> io::Result<u32> {
    use std::os::unix::fs::PermissionsExt;
    Ok(path.metadata()?.permissions().mode())
}
