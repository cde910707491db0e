//! What a request is called by, before anybody wants its name.

use quorate_proto::RequestId;

use crate::types::ClientId;

/// What makes the name of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestName {
    /// A mutation of a registered client.
    Mutation {
        /// The client.
        client: ClientId,
        /// Its number among the mutations of the client.
        sequence: u64,
    },
    /// Another call.
    Call {
        /// The number of its connection; of the process, for a call that came alone.
        connection: u64,
        /// Its id on it.
        call: u64,
    },
}

impl RequestName {
    /// The name, in this cluster.
    pub fn id(self, cluster_id: u64) -> RequestId {
        match self {
            Self::Mutation { client, sequence } => RequestId::of_mutation(cluster_id, client.0, sequence),
            Self::Call { connection, call } => RequestId::of_call(connection, call),
        }
    }
}
