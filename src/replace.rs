//! A file replaced whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, chown};
use std::path::{Path, PathBuf};

/// Writes `bytes` to `path`: whoever reads it meanwhile, and whoever looks after a power cut, sees the old ones or the new.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // A link stays one.
    let path = &fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_string_lossy();
    let beside = folder.join(format!(".{name}.{}", std::process::id()));
    let written = write(&beside, path, bytes).and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        let _ = fs::remove_file(&beside);
    }
    written?;
    File::open(folder)?.sync_all()
}

/// Keeps the file under its name and `.before`, and says where; `None` when there is no such file.
pub(crate) fn keep(path: &Path) -> io::Result<Option<PathBuf>> {
    let mut before = path.as_os_str().to_os_string();
    before.push(".before");
    let before = PathBuf::from(before);
    match fs::read(path) {
        Ok(bytes) => write(&before, path, &bytes).map(|()| Some(before)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// A durable file with the rights and the owner of the one it will replace, a new one for its owner only: there may be
/// passwords in it.
fn write(beside: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(beside)?;
    if let Ok(old) = fs::metadata(path) {
        file.set_permissions(old.permissions())?;
        // Only root may give a file away; whoever owns the folder's files already keeps them.
        let _ = chown(beside, Some(old.uid()), Some(old.gid()));
    }
    file.write_all(bytes)?;
    file.sync_all()
}
