//! Golden scripts of queues.
