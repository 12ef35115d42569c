//! Publishes groups from the disk and hands them on in order once they are confirmed.

mod connection;
mod in_flight;
mod publisher;
mod replies;

pub(crate) use publisher::{Confirmed, Ended, Publisher, Refusal};
pub(crate) use replies::Rejection;
