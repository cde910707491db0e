//! Work that may wait for a disk or for another thread, where a call cannot be asynchronous.

use tokio::runtime::{Handle, RuntimeFlavor};

/// Does it so that other tasks of this thread go on elsewhere meanwhile, where the runtime has other threads.
pub fn blocking<T>(work: impl FnOnce() -> T) -> T {
    let moves = Handle::try_current().is_ok_and(|handle| handle.runtime_flavor() == RuntimeFlavor::MultiThread);
    if moves {
        tokio::task::block_in_place(work)
    } else {
        work()
    }
}
