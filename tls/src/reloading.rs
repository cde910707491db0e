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
    /// Why it was not taken.
    refused: Option<String>,
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
            refused: None,
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
        let again = contents == state.looked_at;
        if again && state.refused.is_none() {
            return Refreshed::Same;
        }
        // What was refused may have been refused for the time that it was: it is looked at again.
        let taken = Credentials::of(&self.files, &contents).map_err(|error| error.to_string());
        let taken = taken.and_then(|new| check(&new).map(|()| new));
        state.looked_at = contents;
        match taken {
            Ok(new) => {
                state.current = Arc::new(new);
                state.refused = None;
                Refreshed::Renewed(Arc::clone(&state.current))
            }
            Err(error) => {
                // The same files are refused in the same words, whatever time it is meanwhile.
                let before = state.refused.take().filter(|_| again);
                let reason = before.unwrap_or(error);
                state.refused = Some(reason.clone());
                Refreshed::Kept(reason)
            }
        }
    }
}
