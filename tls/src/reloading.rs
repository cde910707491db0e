//! Credentials that follow their files.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::credentials::Contents;
use crate::{Credentials, FileError, Files};

/// The credentials in force.
#[derive(Debug)]
pub struct Reloading {
    files: Files,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    current: Arc<Credentials>,
    /// What was looked at last, whether it was taken or not.
    looked_at: Contents,
    /// It was not taken.
    refused: bool,
}

/// What a look at the files found.
#[derive(Clone, Debug)]
pub enum Refreshed {
    /// They have not changed since the last look.
    Same,
    /// They changed, and what they hold is in force for new connections.
    Renewed(Arc<Credentials>),
    /// They cannot be used, and why; what was in force still is.
    Kept(String),
}

impl Reloading {
    /// Reads the files for the first time.
    pub fn open(files: Files) -> Result<Self, FileError> {
        let contents = files.read()?;
        let state = State {
            current: Arc::new(Credentials::of(&files, &contents)?),
            looked_at: contents,
            refused: false,
        };
        Ok(Self {
            files,
            state: Mutex::new(state),
        })
    }

    /// What new connections use.
    pub fn current(&self) -> Arc<Credentials> {
        Arc::clone(&self.state.lock().current)
    }

    /// Which files are followed.
    pub fn files(&self) -> &Files {
        &self.files
    }

    /// Looks at the files, and takes up what they hold if it changed and can be used.
    pub fn refresh(&self) -> Refreshed {
        self.refresh_if(|_| Ok(()))
    }

    /// The same, where what they hold must also pass `check`.
    pub fn refresh_if(&self, check: impl FnOnce(&Credentials) -> Result<(), String>) -> Refreshed {
        let read = self.files.read();
        let mut state = self.state.lock();
        let contents = match read {
            Ok(contents) => contents,
            // A file that is being replaced may be gone for a moment.
            Err(error) => return Refreshed::Kept(error.to_string()),
        };
        // What was refused may have been refused for the time that it was: it is looked at again.
        if contents == state.looked_at && !state.refused {
            return Refreshed::Same;
        }
        let taken = Credentials::of(&self.files, &contents).map_err(|error| error.to_string());
        let taken = taken.and_then(|new| check(&new).map(|()| new));
        state.looked_at = contents;
        match taken {
            Ok(new) => {
                state.current = Arc::new(new);
                state.refused = false;
                Refreshed::Renewed(Arc::clone(&state.current))
            }
            Err(error) => {
                state.refused = true;
                Refreshed::Kept(error)
            }
        }
    }
}
