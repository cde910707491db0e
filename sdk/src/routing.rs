//! Which member a call goes to: writes and strong reads to the leader, other reads to a member already connected.
//!
//! The table learns from refusals (hints), from writes that succeeded and from the list of members; it forgets a leader
//! that stopped answering. It never holds more than [`ENDPOINTS_MAX`] addresses. Members come and go for as long as a client
//! lives: addresses that it has learnt are forgotten when a list of the members lacks them, and when others need their
//! place; those that it was configured with stay.

use std::sync::Arc;
use std::time::Instant;

use parking_lot::RwLock;
use tokio::sync::Notify;

use crate::endpoint::{Endpoint, normal_address};
use crate::error::{Error, Outcome, Result};
use crate::identity::Identity;
use crate::tls::Trust;

/// Addresses a client keeps, configured and learnt together.
pub(crate) const ENDPOINTS_MAX: usize = 64;

/// Where a call may be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// By the leader.
    Leader,
    /// By any member.
    Any,
}

struct Table {
    /// The configured ones first, then those that were learnt, in that order.
    endpoints: Vec<Arc<Endpoint>>,
    configured: usize,
    leader: Option<Arc<Endpoint>>,
    /// Where the search for a leader goes on.
    cursor: usize,
}

impl Table {
    fn turn_from(&mut self, endpoint: &Arc<Endpoint>) {
        if let Some(index) = self.endpoints.iter().position(|known| Arc::ptr_eq(known, endpoint)) {
            self.cursor = (index + 1) % self.endpoints.len();
        }
    }

    /// Forgets an endpoint that was learnt.
    fn forget(&mut self, index: usize) {
        let forgotten = self.endpoints.remove(index);
        if self.cursor > index {
            self.cursor -= 1;
        }
        self.leader.take_if(|leader| Arc::ptr_eq(leader, &forgotten));
    }
}

/// The endpoints of a client.
pub(crate) struct Routing {
    table: RwLock<Table>,
    /// Where calls that any member can answer go while it is connected.
    nearest: Option<Arc<Endpoint>>,
    /// Of which cluster all of them are.
    identity: Arc<Identity>,
    trust: Option<Arc<Trust>>,
    connections: u32,
    outstanding_max: u32,
    /// An endpoint failed a call.
    failures: Arc<Notify>,
}

impl Routing {
    /// Without `trust` there is no TLS.
    pub(crate) fn new(
        addresses: &[String],
        trust: Option<Trust>,
        connections: u32,
        outstanding_max: u32,
    ) -> Result<Self> {
        let table = Table {
            endpoints: Vec::new(),
            configured: 0,
            leader: None,
            cursor: 0,
        };
        let routing = Self {
            table: RwLock::new(table),
            nearest: None,
            identity: Arc::default(),
            trust: trust.map(Arc::new),
            connections,
            outstanding_max,
            failures: Arc::default(),
        };
        for address in addresses {
            routing.learn(address)?;
        }
        routing.keep_what_is_known();
        Ok(routing)
    }

    /// Calls of the eventual tier go there while it is connected.
    pub(crate) fn prefer(&mut self, address: &str) -> Result<()> {
        self.nearest = Some(self.learn(address)?);
        self.keep_what_is_known();
        Ok(())
    }

    /// What is known now was configured.
    fn keep_what_is_known(&self) {
        let mut table = self.table.write();
        table.configured = table.endpoints.len();
    }

    /// Is notified when an endpoint failed a call.
    pub(crate) fn failures(&self) -> Arc<Notify> {
        Arc::clone(&self.failures)
    }

    pub(crate) fn nearest(&self) -> Option<&Arc<Endpoint>> {
        self.nearest.as_ref()
    }

    /// The endpoint for the next attempt, or `None` when all are being left alone for a moment. `avoid` has just failed
    /// the call, and is chosen only if there is no other.
    pub(crate) fn pick(&self, route: Route, avoid: Option<&Arc<Endpoint>>, now: Instant) -> Option<Arc<Endpoint>> {
        let table = self.table.read();
        let usable = |endpoint: &&Arc<Endpoint>| {
            endpoint.is_ready(now) && avoid.is_none_or(|avoided| !Arc::ptr_eq(avoided, endpoint))
        };
        // From the cursor on, which lies behind the endpoint that failed last.
        let (before, after) = table.endpoints.split_at(table.cursor.min(table.endpoints.len()));
        let mut in_turn = after.iter().chain(before);
        let preferred = match route {
            Route::Leader => table.leader.as_ref().filter(usable),
            Route::Any => in_turn
                .clone()
                .find(|endpoint| endpoint.is_connected() && usable(endpoint)),
        };
        let found = preferred.or_else(|| in_turn.find(usable));
        found.or_else(|| avoid.filter(|avoided| avoided.is_ready(now))).cloned()
    }

    /// The endpoint for a stream that any member can serve: one of the `favoured`, then one that is connected, then the next
    /// in turn. Those that are in `refused_by` or that are to be avoided come last.
    pub(crate) fn pick_any(
        &self,
        favoured: impl Fn(&Endpoint) -> bool,
        refused_by: &[Arc<Endpoint>],
        avoid: Option<&Arc<Endpoint>>,
        now: Instant,
    ) -> Option<Arc<Endpoint>> {
        let table = self.table.read();
        let (before, after) = table.endpoints.split_at(table.cursor.min(table.endpoints.len()));
        let ready = after.iter().chain(before).filter(|endpoint| endpoint.is_ready(now));
        let last = |endpoint: &Arc<Endpoint>| {
            let mut unwanted = refused_by.iter().chain(avoid);
            unwanted.any(|unwanted| Arc::ptr_eq(unwanted, endpoint))
        };
        ready
            .min_by_key(|endpoint| (last(endpoint), !favoured(endpoint), !endpoint.is_connected()))
            .cloned()
    }

    /// A write succeeded there: it leads.
    pub(crate) fn confirm_leader(&self, endpoint: &Arc<Endpoint>) {
        let known = |table: &Table| {
            table
                .leader
                .as_ref()
                .is_some_and(|leader| Arc::ptr_eq(leader, endpoint))
        };
        if !known(&self.table.read()) {
            self.table.write().leader = Some(Arc::clone(endpoint));
        }
    }

    /// `refused_by` does not lead; `hint` may. Says whether there is somewhere new to go at once.
    pub(crate) fn redirect(&self, refused_by: &Arc<Endpoint>, hint: Option<&str>) -> bool {
        let hinted = hint.and_then(|address| self.learn(address).ok());
        let hinted = hinted.filter(|endpoint| !Arc::ptr_eq(endpoint, refused_by));
        let Some(hinted) = hinted else {
            self.distrust(refused_by);
            return false;
        };
        let ready = hinted.is_ready(Instant::now());
        let mut table = self.table.write();
        // If the hint is worth nothing, the search goes on behind who gave it: it would give the same again.
        table.turn_from(refused_by);
        table.leader = Some(hinted);
        ready
    }

    /// The endpoint failed a call: it is no longer taken for the leader, and the search does not go on with it. Where a hint led
    /// there the search has come further already, and does not go back.
    pub(crate) fn distrust(&self, endpoint: &Arc<Endpoint>) {
        self.failures.notify_one();
        let mut table = self.table.write();
        let led = table.leader.take_if(|leader| Arc::ptr_eq(leader, endpoint)).is_some();
        let next = table.endpoints.get(table.cursor);
        if !led || next.is_some_and(|next| Arc::ptr_eq(next, endpoint)) {
            table.turn_from(endpoint);
        }
    }

    /// The endpoint does not serve a stream, which says nothing about who leads: the search goes on behind it.
    pub(crate) fn turn_from(&self, endpoint: &Arc<Endpoint>) {
        self.table.write().turn_from(endpoint);
    }

    /// The endpoint of an address, added if it is new.
    pub(crate) fn learn(&self, address: &str) -> Result<Arc<Endpoint>> {
        let address = normal_address(address)?;
        let find = |table: &Table| table.endpoints.iter().find(|known| known.address() == address).cloned();
        if let Some(known) = find(&self.table.read()) {
            return Ok(known);
        }
        let mut table = self.table.write();
        if let Some(known) = find(&table) {
            return Ok(known);
        }
        if table.endpoints.len() >= ENDPOINTS_MAX {
            // The one that was learnt first, of those that nothing goes through.
            let mut learnt = table.endpoints.iter().enumerate().skip(table.configured);
            if let Some((index, _)) = learnt.find(|(_, endpoint)| !endpoint.is_connected()) {
                table.forget(index);
            }
        }
        if table.endpoints.len() >= ENDPOINTS_MAX {
            let message = format!("{address}: {ENDPOINTS_MAX} endpoints are known, which is the limit");
            return Err(Error::invalid("endpoints", message));
        }
        let endpoint = Arc::new(self.endpoint(&address)?);
        table.endpoints.push(Arc::clone(&endpoint));
        Ok(endpoint)
    }

    /// These are the addresses of all members. Others that were learnt are forgotten, unless something still goes through them.
    pub(crate) fn learn_all(&self, addresses: &[&str]) -> Vec<Error> {
        let learnt = addresses.iter().map(|address| self.learn(address));
        let (known, wrong): (Vec<_>, Vec<_>) = learnt.partition(Result::is_ok);
        let known: Vec<Arc<Endpoint>> = known.into_iter().flatten().collect();
        if !known.is_empty() {
            let mut table = self.table.write();
            for index in (table.configured..table.endpoints.len()).rev() {
                let endpoint = &table.endpoints[index];
                let is_members = known.iter().any(|known| Arc::ptr_eq(known, endpoint));
                if !is_members && !endpoint.is_connected() {
                    table.forget(index);
                }
            }
        }
        wrong.into_iter().filter_map(Result::err).collect()
    }

    /// The endpoint of an address that a person named; an unknown one is not kept.
    pub(crate) fn known_or_new(&self, address: &str) -> Result<Arc<Endpoint>> {
        let address = normal_address(address).map_err(|error| error.with_outcome(Outcome::NotAMutation))?;
        match self.endpoints().into_iter().find(|known| known.address() == address) {
            Some(known) => Ok(known),
            None => Ok(Arc::new(self.endpoint(&address)?)),
        }
    }

    fn endpoint(&self, address: &str) -> Result<Endpoint> {
        let identity = Arc::clone(&self.identity);
        Endpoint::new(
            address,
            identity,
            self.trust.clone(),
            self.connections,
            self.outstanding_max,
        )
    }

    pub(crate) fn endpoints(&self) -> Vec<Arc<Endpoint>> {
        self.table.read().endpoints.clone()
    }

    pub(crate) fn close(&self) {
        for endpoint in self.endpoints() {
            endpoint.close();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESSES: [&str; 3] = ["127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"];

    fn routing() -> Routing {
        Routing::new(&ADDRESSES.map(str::to_owned), None, 1, 16).unwrap()
    }

    fn picked(routing: &Routing) -> String {
        routing
            .pick(Route::Leader, None, Instant::now())
            .unwrap()
            .address()
            .to_owned()
    }

    #[tokio::test]
    async fn a_hint_names_the_leader_and_may_teach_a_new_address() {
        let routing = routing();
        let refused_by = routing.learn(ADDRESSES[0]).unwrap();
        assert!(routing.redirect(&refused_by, Some("127.0.0.1:9")));
        assert_eq!(picked(&routing), "127.0.0.1:9");
        assert_eq!(routing.endpoints().len(), 4);
    }

    #[tokio::test]
    async fn without_a_hint_the_endpoints_are_tried_in_turn() {
        let routing = routing();
        for address in ADDRESSES.iter().chain(&ADDRESSES) {
            assert_eq!(picked(&routing), *address);
            let refused_by = routing.learn(address).unwrap();
            assert!(!routing.redirect(&refused_by, None));
        }
    }

    #[tokio::test]
    async fn a_hint_at_the_member_that_refused_is_not_followed() {
        let routing = routing();
        let refused_by = routing.learn(ADDRESSES[0]).unwrap();
        assert!(!routing.redirect(&refused_by, Some(ADDRESSES[0])));
        assert_eq!(picked(&routing), ADDRESSES[1]);
    }

    /// Both are cut off from the others, of whom one leads.
    #[tokio::test]
    async fn a_deposed_leader_and_who_believes_in_it_do_not_keep_a_call_to_themselves() {
        let routing = routing();
        let [deposed, believer, _] = ADDRESSES.map(|address| routing.learn(address).unwrap());
        routing.confirm_leader(&deposed);
        let next = |avoid| routing.pick(Route::Leader, Some(avoid), Instant::now()).unwrap();
        assert!(!routing.redirect(&deposed, None));
        assert_eq!(next(&deposed).address(), believer.address());
        assert!(routing.redirect(&believer, Some(deposed.address())));
        assert_eq!(next(&believer).address(), deposed.address());
        assert!(!routing.redirect(&deposed, None));
        assert_eq!(next(&deposed).address(), ADDRESSES[2]);
    }

    #[tokio::test]
    async fn no_more_addresses_are_known_than_the_limit() {
        let addresses: Vec<String> = (0..ENDPOINTS_MAX)
            .map(|port| format!("127.0.0.1:{}", 1_000 + port))
            .collect();
        let routing = Routing::new(&addresses, None, 1, 16).unwrap();
        assert!(routing.learn("127.0.0.1:9999").err().unwrap().message().contains("64"));
        assert_eq!(routing.endpoints().len(), ENDPOINTS_MAX);
    }

    /// Every member is replaced, again and again.
    #[tokio::test]
    async fn a_client_that_outlives_its_members_knows_the_newest_and_those_it_was_configured_with() {
        let routing = routing();
        let refused_by = routing.learn(ADDRESSES[0]).unwrap();
        for port in 1_000..1_000 + 3 * ENDPOINTS_MAX {
            let address = format!("127.0.0.1:{port}");
            assert!(routing.redirect(&refused_by, Some(&address)));
            assert_eq!(picked(&routing), address);
        }
        let known: Vec<String> = routing
            .endpoints()
            .iter()
            .map(|known| known.address().to_owned())
            .collect();
        assert_eq!(known.len(), ENDPOINTS_MAX);
        assert_eq!(known[..3], ADDRESSES);
        assert_eq!(
            known[ENDPOINTS_MAX - 1],
            format!("127.0.0.1:{}", 999 + 3 * ENDPOINTS_MAX)
        );
    }

    #[tokio::test]
    async fn a_list_of_the_members_ends_what_was_learnt_of_others() {
        let routing = routing();
        for address in ["127.0.0.1:4", "127.0.0.1:5", "127.0.0.1:6"] {
            routing.learn(address).unwrap();
        }
        let gone = routing.learn("127.0.0.1:5").unwrap();
        routing.confirm_leader(&gone);
        routing.turn_from(&gone);
        let wrong = routing.learn_all(&["127.0.0.1:3", "127.0.0.1:6", "127.0.0.1:7", "nonsense"]);
        assert_eq!(wrong.len(), 1);
        let known: Vec<String> = routing
            .endpoints()
            .iter()
            .map(|known| known.address().to_owned())
            .collect();
        assert_eq!(known, [&ADDRESSES[..], &["127.0.0.1:6", "127.0.0.1:7"]].concat());
        // The search goes on where it was, and the member that led is not gone back to.
        assert_eq!(picked(&routing), "127.0.0.1:6");
        // A list that is of no use changes nothing.
        routing.learn_all(&["nonsense"]);
        assert_eq!(routing.endpoints().len(), 5);
    }
}
