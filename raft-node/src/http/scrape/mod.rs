//! Puts what is known of a member on a page.
//!
//! A file a subject. What is counted anyway is read where it is; a scrape reads a few rows of the store, never a table whose
//! size users decide.

mod calls;
mod consensus;
mod coordination;
mod disk;
mod eventual;
mod process;

use super::checks::Readiness;
use super::site::Site;
use crate::metrics::{self as table, Page};

/// The text of the page. Reads the store, so it may wait for the disk.
pub(super) fn page(site: &Site) -> String {
    site.scrapes.time(|| {
        let mut page = Page::default();
        let names_max = usize::try_from(site.config.metrics.names_max).unwrap_or(table::NAMES_MAX);
        process::put(&mut page, site);
        calls::connections(&mut page, site);
        page.truth(table::READY, &[], Readiness::of(site).is_ready(&[]));
        if let Some(observed) = site.observed() {
            consensus::put(&mut page, observed);
            disk::put(&mut page, observed, &site.config);
            calls::put(&mut page, observed);
            let shown = coordination::put(&mut page, observed, names_max)
                .and_then(|()| eventual::put(&mut page, observed, names_max));
            if let Err(error) = shown {
                // The rest of the page says how the member is, and who reads it sees what is missing.
                tracing::error!(%error, "metrics: the store cannot be read");
            }
        }
        page.text()
    })
}
