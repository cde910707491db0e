//! One change of bytes.

use std::fmt;
use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rand::Rng;
use rand::rngs::SmallRng;

use super::place::Place;
use crate::HarnessError;

const PAGE_BYTES: usize = 4096;

/// A cut takes at most so much.
const CUT_BYTES_MAX: usize = 8192;

/// What is done to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// One bit changes.
    Bit,
    /// A page becomes zeroes.
    Zeroes,
    /// The end of what was written is gone.
    Cut,
    /// Two pages stand where the other should.
    Exchange,
}

impl Kind {
    pub(super) fn draw(random: &mut SmallRng) -> Kind {
        match random.random_range(0..8) {
            0..4 => Kind::Bit,
            4 | 5 => Kind::Zeroes,
            6 => Kind::Cut,
            _ => Kind::Exchange,
        }
    }
}

/// What was done.
#[derive(Clone, Debug)]
pub(super) struct Damage {
    pub place: Place,
    /// Within the data directory.
    pub file: PathBuf,
    what: String,
    /// Where it is.
    path: PathBuf,
    before: Vec<u8>,
    after: Vec<u8>,
}

impl Damage {
    /// What whoever finds it may call the file. Of identities there is one in a data directory, which is named; of a pointer
    /// that names what is not there, the directory of the store is; and of a table that cannot be opened, that it is one of
    /// those of its store.
    pub(super) fn names(&self) -> Vec<String> {
        let name = self.file.file_name().map(|name| name.to_string_lossy().into_owned());
        let other = match self.place {
            Place::Identity => Some("its identity is damaged".to_owned()),
            Place::Table => self.file.parent().map(|store| format!("{}/*.sst", store.display())),
            Place::Pointer => self.file.parent().map(|store| format!("{}: ", store.display())),
            _ => None,
        };
        name.into_iter().chain(other).collect()
    }

    /// Damages a file in place, so that other names of it see it too. Nothing if no byte would change.
    pub(super) fn apply(
        data: &Path,
        file: &Path,
        place: Place,
        kind: Kind,
        random: &mut SmallRng,
    ) -> Result<Option<Damage>, HarnessError> {
        let doing = || format!("damage {}", file.display());
        let before = match std::fs::read(file) {
            Ok(bytes) => bytes,
            // A member that runs may have deleted it.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(HarnessError::io(doing())(error)),
        };
        let mut after = before.clone();
        let what = change(&mut after, kind, random);
        if after == before {
            return Ok(None);
        }
        rewrite(file, &before, &after).map_err(HarnessError::io(doing()))?;
        Ok(Some(Damage {
            place,
            file: file.strip_prefix(data).unwrap_or(file).to_owned(),
            what,
            path: file.to_owned(),
            before,
            after,
        }))
    }

    /// Takes back what nobody has noticed, if the file still is what was made of it: somebody may come to it later, when another
    /// member is damaged.
    pub(super) fn undo(&self) -> Result<(), HarnessError> {
        let undo = || match std::fs::read(&self.path) {
            Ok(bytes) if bytes == self.after => rewrite(&self.path, &self.after, &self.before),
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        };
        undo().map_err(HarnessError::io(format!("undo the damage of {}", self.path.display())))
    }
}

/// Makes `before` into `after` in place, page by page.
fn rewrite(file: &Path, before: &[u8], after: &[u8]) -> std::io::Result<()> {
    let opened = OpenOptions::new().write(true).open(file)?;
    opened.set_len(after.len() as u64)?;
    let pages = (0..after.len())
        .step_by(PAGE_BYTES)
        .map(|at| at..after.len().min(at + PAGE_BYTES));
    for page in pages.filter(|page| before.get(page.clone()) != Some(&after[page.clone()])) {
        opened.write_all_at(&after[page.clone()], page.start as u64)?;
    }
    Ok(())
}

/// Nine times of ten where something was written; files are made longer than what is in them.
fn change(bytes: &mut Vec<u8>, kind: Kind, random: &mut SmallRng) -> String {
    let written = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let end = match random.random_bool(0.9) {
        true => written.max(1),
        false => bytes.len(),
    };
    let pages = end.div_ceil(PAGE_BYTES);
    let page = |number: usize| number * PAGE_BYTES..bytes.len().min((number + 1) * PAGE_BYTES);
    match kind {
        Kind::Bit => {
            let (at, bit) = (random.random_range(0..end), random.random_range(0..8));
            bytes[at] ^= 1 << bit;
            format!("bit {bit} of byte {at} of {}", bytes.len())
        }
        Kind::Zeroes => {
            let page = page(random.random_range(0..pages));
            let what = format!("zeroes at {page:?} of {}", bytes.len());
            bytes[page].fill(0);
            what
        }
        Kind::Cut => {
            let cut = random.random_range(1..=written.clamp(1, CUT_BYTES_MAX));
            let what = format!("cut at {} of {}", written.saturating_sub(cut), bytes.len());
            bytes.truncate(written.saturating_sub(cut));
            what
        }
        Kind::Exchange => {
            let (one, other) = (page(random.random_range(0..pages)), page(random.random_range(0..pages)));
            if one.len() == other.len() {
                let kept = bytes[one.clone()].to_vec();
                bytes.copy_within(other.clone(), one.start);
                bytes[other.clone()].copy_from_slice(&kept);
            }
            format!("{one:?} and {other:?} exchanged, of {}", bytes.len())
        }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.place, self.file.display(), self.what)
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn each_kind_changes_the_file_in_place_and_says_where() {
        let root = tempfile::tempdir().unwrap();
        let (file, link) = (root.path().join("f"), root.path().join("link"));
        let mut random = SmallRng::seed_from_u64(1);
        for kind in [Kind::Bit, Kind::Zeroes, Kind::Cut, Kind::Exchange] {
            let before: Vec<u8> = (0..5 * PAGE_BYTES)
                .map(|at| (at / PAGE_BYTES + at % 200) as u8 | 1)
                .collect();
            std::fs::write(&file, &before).unwrap();
            let _ = std::fs::remove_file(&link);
            std::fs::hard_link(&file, &link).unwrap();
            let damage =
                (0..20).find_map(|_| Damage::apply(root.path(), &file, Place::Log, kind, &mut random).unwrap());
            let after = std::fs::read(&link).unwrap();
            assert!(after != before && damage.is_some(), "{kind:?}");
            let differ = before.iter().zip(&after).filter(|(one, other)| one != other).count();
            match kind {
                Kind::Bit => assert_eq!(differ, 1),
                Kind::Zeroes => assert_eq!(differ, PAGE_BYTES),
                Kind::Cut => assert!(differ == 0 && after.len() + CUT_BYTES_MAX >= before.len()),
                Kind::Exchange => assert!(differ > 0 && after.len() == before.len()),
            }
        }
    }

    #[test]
    fn what_changes_nothing_is_no_damage() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("f");
        std::fs::write(&file, vec![0; 100]).unwrap();
        let mut random = SmallRng::seed_from_u64(1);
        let damage = Damage::apply(root.path(), &file, Place::Log, Kind::Zeroes, &mut random).unwrap();
        assert!(damage.is_none(), "{damage:?}");
    }
}
