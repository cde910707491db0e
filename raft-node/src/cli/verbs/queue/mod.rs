//! `quorate queue`: one kind of verb a file.

mod items;
mod look;
mod settings;
mod sweep;

use clap::Subcommand;
use quorate::{ItemState, Receipt};

use crate::cli::connect::Global;
use crate::cli::exit::{Exit, Failure};

/// What to do with queues.
#[derive(Debug, Subcommand)]
pub enum QueueVerb {
    /// Make a queue, or give it this configuration
    Create(settings::CreateArguments),
    /// Delete a queue that holds nothing
    Delete {
        /// Which
        queue: String,
    },
    /// Add an item, or one for each line
    Push(items::PushArguments),
    /// Claim what is next
    Claim(items::ClaimArguments),
    /// Acknowledge an item: it is done, and goes
    Ack {
        /// Of which
        queue: String,
        /// ITEM:TOKEN, as the claim showed it
        #[arg(value_parser = receipt)]
        receipt: Receipt,
    },
    /// Give an item back
    Nack(items::NackArguments),
    /// Make a claim last longer
    Extend(items::ExtendArguments),
    /// What a queue promises, and how full it is
    Stats {
        /// Which
        queue: String,
    },
    /// Show the queues
    List,
    /// Show items without claiming them
    Peek {
        /// Of which
        queue: String,
        /// In which state
        #[arg(long, value_enum, default_value_t)]
        state: State,
        /// At most so many
        #[arg(short = 'n', long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
    },
    /// Show the dead letters, and why they are dead
    Dead {
        /// Of which
        queue: String,
        /// At most so many
        #[arg(short = 'n', long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
    },
    /// Make dead letters ready again
    Redrive(sweep::RedriveArguments),
    /// Remove items
    Purge(sweep::PurgeArguments),
    /// Hand out nothing any more
    Pause {
        /// Which
        queue: String,
    },
    /// Hand out items again
    Resume {
        /// Which
        queue: String,
    },
}

/// Where an item is.
#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
pub enum State {
    /// It waits for a claim.
    #[default]
    Ready,
    /// Its delay is not over.
    Delayed,
    /// Somebody has it.
    Claimed,
    /// It is a dead letter.
    Dead,
}

impl State {
    fn of_item(self) -> ItemState {
        match self {
            State::Ready => ItemState::Ready,
            State::Delayed => ItemState::Delayed,
            State::Claimed => ItemState::Claimed,
            State::Dead => ItemState::Dead,
        }
    }
}

/// Does it.
pub async fn run(verb: QueueVerb, global: &Global) -> Result<Exit, Failure> {
    match verb {
        QueueVerb::Create(arguments) => settings::create(arguments, global).await,
        QueueVerb::Delete { queue } => settings::delete(&queue, global).await,
        QueueVerb::Push(arguments) => items::push(arguments, global).await,
        QueueVerb::Claim(arguments) => items::claim(arguments, global).await,
        QueueVerb::Ack { queue, receipt } => items::ack(&queue, receipt, global).await,
        QueueVerb::Nack(arguments) => items::nack(arguments, global).await,
        QueueVerb::Extend(arguments) => items::extend(arguments, global).await,
        QueueVerb::Stats { queue } => look::stats(&queue, global).await,
        QueueVerb::List => look::list(global).await,
        QueueVerb::Peek { queue, state, limit } => look::peek(&queue, state.of_item(), limit, global).await,
        QueueVerb::Dead { queue, limit } => look::peek(&queue, ItemState::Dead, limit, global).await,
        QueueVerb::Redrive(arguments) => sweep::redrive(arguments, global).await,
        QueueVerb::Purge(arguments) => sweep::purge(arguments, global).await,
        QueueVerb::Pause { queue } => settings::set_paused(&queue, true, global).await,
        QueueVerb::Resume { queue } => settings::set_paused(&queue, false, global).await,
    }
}

fn receipt(text: &str) -> Result<Receipt, String> {
    text.parse().map_err(|error: quorate::Error| error.message().to_owned())
}
