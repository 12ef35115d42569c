//! From the disk to the broker: groups are published, confirmed, and done with, in their order.

mod connection;
mod publisher;

pub(crate) use publisher::{Ended, Publisher, Refusal};
