//! Which directory below `state/` is the live one.
//!
//! The file `CURRENT` says it, with a checksum: a number that is read wrongly would open another state, or an empty one, and
//! the real one would be deleted as left over.

use std::fs;
use std::io;
use std::path::Path;

use super::snapshot::sync_directory;

const CURRENT: &str = "CURRENT";
/// The number of the first live directory.
pub(super) const FIRST: u64 = 1;

/// The number of the live directory below `root`; where there is no state yet, that of the first one.
///
/// Fails if the file is damaged, and if it is gone though a state is there.
pub(super) fn read(root: &Path) -> io::Result<u64> {
    let path = root.join(CURRENT);
    let damaged = |what: &str| io::Error::other(format!("{}: damaged: {what}", path.display()));
    let text = match fs::read(&path) {
        Ok(bytes) => String::from_utf8(bytes).map_err(|_| damaged("it is no text"))?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if has_directories(root)? {
                return Err(damaged("it is missing, although there is a state beside it"));
            }
            set(root, FIRST)?;
            return Ok(FIRST);
        }
        Err(error) => return Err(error),
    };
    let number = text.split_whitespace().next().and_then(|number| number.parse().ok());
    let number = number.ok_or_else(|| damaged(&format!("it names {text:?}")))?;
    if text != line(number) {
        return Err(damaged(&format!("{text:?} does not match its checksum")));
    }
    // The first directory is made after the file, every other one before it.
    if number != FIRST && !root.join(number.to_string()).is_dir() {
        return Err(damaged(&format!("it names {number}, which is not there")));
    }
    Ok(number)
}

/// Makes `number` the live directory. A crash leaves the one before, or this one.
pub(super) fn set(root: &Path, number: u64) -> io::Result<()> {
    let next = root.join("CURRENT.next");
    fs::write(&next, line(number))?;
    fs::File::open(&next)?.sync_all()?;
    fs::rename(&next, root.join(CURRENT))?;
    sync_directory(root)
}

/// Deletes every directory but the live one.
pub(super) fn remove_others(root: &Path, number: u64) -> io::Result<()> {
    for entry in fs::read_dir(root)? {
        let entry = entry?;
        let name = entry.file_name();
        if entry.file_type()?.is_dir() && name.to_string_lossy() != number.to_string() {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

fn line(number: u64) -> String {
    let number = number.to_string();
    let checksum = crc32c::crc32c(number.as_bytes());
    format!("{number} crc32c {checksum:08x}\n")
}

fn has_directories(root: &Path) -> io::Result<bool> {
    for entry in fs::read_dir(root)? {
        if entry?.file_type()?.is_dir() {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root_with(directories: &[u64]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for number in directories {
            fs::create_dir(root.path().join(number.to_string())).unwrap();
        }
        root
    }

    #[test]
    fn the_file_is_frozen() {
        assert_eq!(line(1), "1 crc32c 90f599e3\n");
    }

    #[test]
    fn what_was_set_is_read_and_the_first_is_1() {
        let root = root_with(&[]);
        assert_eq!(read(root.path()).unwrap(), 1);
        assert_eq!(read(root.path()).unwrap(), 1, "it was written");
        fs::create_dir(root.path().join("17")).unwrap();
        set(root.path(), 17).unwrap();
        assert_eq!(read(root.path()).unwrap(), 17);
    }

    #[test]
    fn a_flipped_bit_is_found_wherever_it_is() {
        let root = root_with(&[1, 3, 2, 11, 12, 13]);
        set(root.path(), 12).unwrap();
        let right = fs::read(root.path().join(CURRENT)).unwrap();
        for place in 0..right.len() * 8 {
            let mut wrong = right.clone();
            wrong[place / 8] ^= 1 << (place % 8);
            fs::write(root.path().join(CURRENT), wrong).unwrap();
            let error = read(root.path()).unwrap_err().to_string();
            assert!(error.contains("CURRENT: damaged"), "{error}");
        }
        for length in 0..right.len() {
            fs::write(root.path().join(CURRENT), &right[..length]).unwrap();
            read(root.path()).unwrap_err();
        }
    }

    #[test]
    fn a_state_without_the_file_is_not_taken_for_none() {
        let root = root_with(&[2]);
        let error = read(root.path()).unwrap_err().to_string();
        assert!(error.contains("missing"), "{error}");
    }

    #[test]
    fn a_name_of_what_is_not_there_is_refused() {
        let root = root_with(&[1]);
        set(root.path(), 2).unwrap();
        let error = read(root.path()).unwrap_err().to_string();
        assert!(error.contains("names 2"), "{error}");
    }

    #[test]
    fn all_but_one_go() {
        let root = root_with(&[1, 2, 3]);
        set(root.path(), 2).unwrap();
        remove_others(root.path(), 2).unwrap();
        let mut left: Vec<_> = fs::read_dir(root.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        left.sort();
        assert_eq!(left, ["2", CURRENT]);
    }
}
