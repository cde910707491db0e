//! What members have in memory.

use quorate_proto::v1::MemoryResponse;

use crate::eventual::memory;
use crate::grpc::api::Api;

impl Api {
    /// What this member has in memory; with `cluster`, every member. One that cannot be asked says why in its place.
    pub(super) async fn memory(&self, cluster: bool) -> MemoryResponse {
        let me = self.roster.me().member;
        let mut members = vec![memory::of_member(&self.tier, &self.domain_table(), me)];
        if cluster {
            for (id, member) in self.roster.members().iter().filter(|(id, _)| **id != me) {
                members.push(self.tier_network.memory(*id, member).await);
            }
            members.sort_by_key(|member| member.member_id);
        }
        MemoryResponse {
            header: Some(self.eventual_header()),
            members,
        }
    }
}
