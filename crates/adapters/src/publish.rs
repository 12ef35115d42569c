//! From the disk to the broker: groups are published, confirmed, and done with, in their order.

mod connection;
mod in_flight;
mod publisher;
mod replies;

pub(crate) use publisher::{Confirmed, Ended, Publisher, Refusal};
pub(crate) use replies::Rejection;
