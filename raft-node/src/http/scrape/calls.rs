//! Calls of clients, and those who watch.

use super::super::site::{Observed, Site};
use crate::metrics::{self as table, Page};

pub(super) fn put(page: &mut Page, observed: &Observed) {
    let api = &observed.api;
    api.rpc()
        .each(|method, code, count| page.number(table::RPC, &[method, code], count));
    api.rpc()
        .each_timed(|method, timed| page.timed(table::RPC_SECONDS, &[method], timed));
    let (working, waiting) = api.outstanding();
    page.number(table::RPC_IN_FLIGHT, &[], working);
    page.number(table::RPC_WAITING, &[], waiting);
    page.number(table::SLOW_CALLS, &[], api.requests().slow_calls());
    let spans = api.requests().span_counts();
    page.number(table::TRACE_SPANS, &["exported"], spans.exported.get());
    page.number(table::TRACE_SPANS, &["dropped"], spans.dropped.get());

    for (reason, count) in api.cut().each() {
        page.number(table::REQUESTS_CUT, &[reason], count);
    }

    page.number(table::REQUESTS_BYTES, &[], api.requests_bytes());
    page.number(table::ANSWERS_UNREAD_BYTES, &[], api.unread_bytes());
    let watches = api.watches().figures();
    page.number(table::WATCHES, &[], watches.watches);
    page.number(table::WATCHES_BEHIND, &[], watches.behind);
    page.number(table::WATCH_EVENTS, &[], watches.events);
    page.number(table::WATCHES_LAGGED, &[], watches.lagged);
    page.number(table::WATCH_PENDING_BYTES, &[], watches.pending_bytes);
    page.number(table::CACHES, &[], watches.caches);
    page.number(table::CACHE_KEYS, &[], watches.cache_keys);
    page.number(table::CACHE_INVALIDATIONS, &[], watches.invalidations);
}

pub(super) fn connections(page: &mut Page, site: &Site) {
    for (side, open) in [
        ("client", &site.clients.open),
        ("peer", &site.peers.open),
        ("http", &site.visitors),
    ] {
        page.number(table::CONNECTIONS, &[side], open.get());
    }
    for (side, door) in [("client", &site.clients), ("peer", &site.peers)] {
        for (reason, count) in door.refused() {
            page.number(table::CONNECTIONS_REFUSED, &[side, reason], count);
        }
    }
    for (side, tls) in [("client", &site.tls.client), ("peer", &site.tls.peer)] {
        if let Some(expiry) = tls.expiry() {
            page.number(table::TLS_CERTIFICATE_EXPIRY, &[side], expiry);
        }
    }
    let (client, peer) = (&site.tls.client, &site.tls.peer);
    let ok = client.reloaded.get() + peer.reloaded.get();
    page.number(table::TLS_RELOADS, &["ok"], ok);
    let failed = client.reload_failed.get() + peer.reload_failed.get();
    page.number(table::TLS_RELOADS, &["failed"], failed);
}
