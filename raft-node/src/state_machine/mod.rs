//! Applies committed commands, exactly once and in order.

mod command;
mod reply;

pub use command::{
    Command, Compact, Compare, CompareOperand, CompareOperator, ExpireClients, ExpireKeys, Group, GroupBuilder,
    GroupHead, Operation, RegisterClient, Stamp, Transaction,
};
pub use reply::{GroupReply, OperationReply, Reply, TransactionReply};
