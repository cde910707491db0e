//! `quorate member`.

use clap::Subcommand;
use quorate::Member;
use serde_json::json;

use crate::cli::connect::Global;
use crate::cli::exit::{Exit, Failure};
use crate::cli::output;

/// What to do with the members.
#[derive(Debug, Subcommand)]
pub enum MemberVerb {
    /// Show the members
    List,
    /// Add a member that is started with --join; it receives the log and does not vote yet
    Add {
        /// Its member_id, never used before in this cluster
        id: u64,
        /// HOST:PORT at which its peers reach it
        peer_address: String,
    },
    /// Make a member that has caught up a voter
    Promote {
        /// Which member
        id: u64,
    },
    /// Remove a member
    Remove {
        /// Which member
        id: u64,
    },
    /// Put a new member in the place of another: add it, wait, promote it, remove the other
    Replace {
        /// The member that goes
        old: u64,
        /// The member_id of the one that comes, never used before in this cluster
        new: u64,
        /// HOST:PORT at which its peers reach it
        peer_address: String,
    },
    /// Hand leadership over
    Transfer {
        /// The next leader; without it, the member that is most up to date
        id: Option<u64>,
    },
}

/// Does it.
pub async fn run(verb: MemberVerb, global: &Global) -> Result<Exit, Failure> {
    let client = global.connect().await?;
    let members = match verb {
        MemberVerb::List => client.members().await?,
        MemberVerb::Add { id, peer_address } => client.member_add(id, &peer_address).await?,
        MemberVerb::Promote { id } => client.member_promote(id).await?,
        MemberVerb::Remove { id } => client.member_remove(id).await?,
        MemberVerb::Replace { old, new, peer_address } => client.member_replace(old, new, &peer_address).await?,
        MemberVerb::Transfer { id } => {
            let leader = client.transfer_leader(id.unwrap_or(0)).await?;
            let json = json!({ "leader": leader });
            global.output.show(&json, || format!("member {leader} leads"))?;
            return Ok(Exit::Success);
        }
    };
    show(&members, global)?;
    Ok(Exit::Success)
}

fn show(members: &[Member], global: &Global) -> Result<(), Failure> {
    let list: Vec<_> = members
        .iter()
        .map(|member| {
            json!({
                "id": member.id,
                "role": role(member),
                "peer_address": member.peer_address,
                "client_address": member.client_address,
                "directory_id": member.directory_id,
                "matched_index": member.matched_index,
            })
        })
        .collect();
    let rows = members.iter().map(|member| {
        vec![
            member.id.to_string(),
            role(member).to_owned(),
            member.peer_address.clone(),
            member.client_address.clone(),
            member.directory_id.clone(),
        ]
    });
    global.output.show(&json!({ "members": list }), || {
        output::table(&["id", "role", "peer address", "client address", "directory"], rows)
    })
}

fn role(member: &Member) -> &'static str {
    match (member.leader, member.voter) {
        (true, _) => "leader",
        (false, true) => "voter",
        (false, false) => "learner",
    }
}
