//! Settings: what a computer changes while a board runs, in words, so that a computer needs to know none of them.

use serde::{Deserialize, Serialize};

/// The value with which a setting goes back to what the board's program was built with.
pub const DEFAULT: &str = "default";

/// What a computer asks of a board's settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SettingRequest<'a> {
    /// Asks for all of them, each in a [`SettingAnswer::Present`].
    List,
    /// One is to change, from the next frame on and over resets.
    Set {
        /// Its name.
        key: &'a str,
        /// What it shall be; [`DEFAULT`] always can be.
        value: &'a str,
    },
}

/// The answer to a [`SettingRequest`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SettingAnswer<'a> {
    /// A setting as it is, on [`SettingRequest::List`].
    #[serde(borrow)]
    Present(Setting<'a>),
    /// A setting as it is now, on [`SettingRequest::Set`]; it is kept.
    Changed(Setting<'a>),
    /// Nothing has changed.
    Refused {
        /// As it was asked for.
        key: &'a str,
        /// Why, for people.
        reason: &'a str,
    },
}

/// A setting of a board.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting<'a> {
    /// Its place among those that the board has.
    pub index: u8,
    /// How many the board has.
    pub count: u8,
    /// Its name.
    pub key: &'a str,
    /// Its value, as [`SettingRequest::Set`] takes it.
    pub value: &'a str,
    /// What the board's program was built with.
    pub default: &'a str,
    /// The values that it can have, for people.
    pub allowed: &'a str,
    /// What it does, for people.
    pub meaning: &'a str,
    /// What is to be said of its value, for people; mostly nothing.
    pub note: &'a str,
}
