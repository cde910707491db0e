//! The files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::Counts;
use crate::cli::exit::Failure;

/// The demonstration is to end within half a minute.
const FILES_MAX: usize = 5000;

/// Longer files are left out.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Directories that hold no work of their owner.
const LEFT_OUT: [&str; 2] = [".git", "target"];

/// One file and what a plain count of it gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputFile {
    /// Where it is.
    pub path: PathBuf,
    /// Counted before any node runs.
    pub expected: Counts,
}

/// Every regular file below `root`, in a fixed order, counted; symbolic links are not followed.
pub fn collect(root: &Path) -> Result<Vec<InputFile>, Failure> {
    let failed = |path: &Path, error: &io::Error| Failure::usage(format!("{}: {error}", path.display()));
    let mut files = Vec::new();
    let mut directories = vec![root.to_owned()];
    while let Some(directory) = directories.pop() {
        let mut entries = fs::read_dir(&directory)
            .and_then(Iterator::collect::<io::Result<Vec<_>>>)
            .map_err(|error| failed(&directory, &error))?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            if files.len() == FILES_MAX {
                return Ok(files);
            }
            let path = entry.path();
            let kind = entry.file_type().map_err(|error| failed(&path, &error))?;
            if kind.is_dir() {
                if !LEFT_OUT.iter().any(|name| entry.file_name() == *name) {
                    directories.push(path);
                }
            } else if kind.is_file()
                && entry.metadata().is_ok_and(|metadata| metadata.len() <= FILE_BYTES_MAX)
                && let Ok(content) = fs::read(&path)
            {
                // A file that this user may not read is as if it were not there.
                let expected = Counts::of(&content);
                files.push(InputFile { path, expected });
            }
        }
    }
    if files.is_empty() {
        return Err(Failure::usage(format!(
            "--input {}: there are no readable files of up to {FILE_BYTES_MAX} bytes",
            root.display()
        )));
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_found_in_order_without_build_output_links_and_large_files() {
        let root = tempfile::tempdir().unwrap();
        let write = |name: &str, content: &[u8]| {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        };
        write("b.txt", b"b\n");
        write("a/c.txt", b"c c");
        write(".git/config", b"x");
        write("target/debug/x", b"x");
        write("large", &vec![b'x'; (FILE_BYTES_MAX + 1) as usize]);
        std::os::unix::fs::symlink(root.path().join("b.txt"), root.path().join("link")).unwrap();
        let files = collect(root.path()).unwrap();
        let names: Vec<&Path> = files
            .iter()
            .map(|file| file.path.strip_prefix(root.path()).unwrap())
            .collect();
        assert_eq!(names, [Path::new("b.txt"), Path::new("a/c.txt")]);
        assert_eq!(files[1].expected, Counts::of(b"c c"));
    }

    #[test]
    fn a_directory_without_files_is_refused_by_name() {
        let root = tempfile::tempdir().unwrap();
        let failure = collect(root.path()).unwrap_err();
        assert!(
            failure.message.contains(&root.path().display().to_string()),
            "{failure}"
        );
        assert!(collect(&root.path().join("missing")).is_err());
    }
}
