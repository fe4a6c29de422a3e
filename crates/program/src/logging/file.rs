//! Log files: one that grows, and a directory of files that are replaced when full.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::time;
use adit_dialect::errno;

/// A file is replaced before a line would push it over this size.
const FULL: u64 = 1 << 20;

/// Old files that are kept.
const KEPT: usize = 5;

const NAME: &str = "cloudflared.log";
const OLD_PREFIX: &str = "cloudflared-";
const OLD_SUFFIX: &str = ".log";

/// Opens a file to append to, making the directories above it where they are missing.
///
/// # Errors
///
/// Fails as opening does.
pub(super) fn append(path: &Path) -> io::Result<File> {
    let open = || {
        OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o644)
            .open(path)
    };
    match open() {
        Ok(file) => Ok(file),
        Err(first) => {
            let Some(above) = path.parent() else {
                return Err(first);
            };
            make_directory(above)?;
            open()
        }
    }
}

/// The current file of a directory, replaced when full.
#[derive(Debug)]
pub(super) struct Rotating {
    directory: PathBuf,
    file: File,
    size: u64,
}

impl Rotating {
    /// Opens the directory and goes on with the file that is there.
    ///
    /// # Errors
    ///
    /// Fails when the directory or its file cannot be made or opened, and says which.
    pub(super) fn open(directory: &Path) -> Result<Self, String> {
        let told = |verb: &str, path: &Path, error: io::Error| {
            format!("{verb} {}: {}", path.display(), errno::text(&error))
        };
        make_directory(directory).map_err(|error| told("mkdir", directory, error))?;
        let path = directory.join(NAME);
        let file = append(&path).map_err(|error| told("open", &path, error))?;
        let size = file.metadata().map_err(|error| told("stat", &path, error))?.len();
        Ok(Self {
            directory: directory.to_owned(),
            file,
            size,
        })
    }

    fn rotate(&mut self) -> io::Result<()> {
        let current = self.directory.join(NAME);
        let stamp = time::file_stamp(SystemTime::now());
        let old = self.directory.join(format!("{OLD_PREFIX}{stamp}{OLD_SUFFIX}"));
        fs::rename(&current, old)?;
        self.file = append(&current)?;
        self.size = 0;
        self.forget_oldest()
    }

    fn forget_oldest(&self) -> io::Result<()> {
        let mut old = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let name = entry?.file_name();
            let is_old = name
                .to_str()
                .is_some_and(|name| name.starts_with(OLD_PREFIX) && name.ends_with(OLD_SUFFIX));
            if is_old {
                old.push(name);
            }
        }
        // The names sort by time.
        old.sort_unstable();
        let surplus = old.len().saturating_sub(KEPT);
        for name in &old[..surplus] {
            fs::remove_file(self.directory.join(name))?;
        }
        Ok(())
    }
}

impl Write for Rotating {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let length = line.len() as u64;
        if self.size > 0 && self.size + length > FULL {
            self.rotate()?;
        }
        self.file.write_all(line)?;
        self.size += length;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn make_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o744).create(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_file_makes_room_and_old_ones_go() {
        let directory = tempfile::tempdir().unwrap();
        let mut log = Rotating::open(directory.path()).unwrap();
        let line = vec![b'x'; usize::try_from(FULL).unwrap() / 2 + 1];
        for _ in 0..3 {
            log.write_all(&line).unwrap();
        }
        let mut names: Vec<_> = fs::read_dir(directory.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort_unstable();
        assert!(names.contains(&NAME.to_owned()));
        assert!(names.len() >= 2, "{names:?}");
        for number in 0..9 {
            let name = format!("cloudflared-2020-01-01T00-00-0{number}.000.log");
            fs::write(directory.path().join(name), "").unwrap();
        }
        log.write_all(&line).unwrap();
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), KEPT + 1);
        assert_eq!(log.size, line.len() as u64);
    }

    #[test]
    fn directories_are_made_on_the_way() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a/b/log");
        append(&path).unwrap().write_all(b"one\n").unwrap();
        append(&path).unwrap().write_all(b"two\n").unwrap();
        assert_eq!(fs::read_to_string(path).unwrap(), "one\ntwo\n");
    }
}
