//! Which calls may use a trunk, and with which numbers: the whole switch between hand-written carriers.
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

mod causes;
mod early;
mod exchange;
mod groups;
mod identity;
mod keys;
mod limits;
mod loops;
mod passing;
mod redirects;
mod trials;
