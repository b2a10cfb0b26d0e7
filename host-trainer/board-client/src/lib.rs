//! The computer's end of the line to a board, for a program in a terminal as for a page in a browser.
//!
//! Nothing here reads, writes or waits: whoever has a port gives the bytes that came to a [`line::Receiver`], and its [`line::Event`]s to
//! whatever wants them; a [`state::State`] knows what a board is and does by them. A conversation ([`diagnosis::Diagnosis`],
//! [`deployment::Deployment`]) also says, when it is asked, what to send: its next [`line::Step`]. The time is an argument, a
//! [`Duration`](core::time::Duration) since any moment that stays the same.

#![forbid(unsafe_code)]

pub mod capture;
pub mod deployment;
pub mod diagnosis;
#[cfg(any(test, feature = "testing"))]
pub mod fixtures;
pub mod line;
pub mod state;
pub mod text;
