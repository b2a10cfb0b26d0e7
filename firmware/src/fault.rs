//! What can go wrong between a camera and its picture, by name, and how often it did.

use embedded_hal::i2c;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Why there is no usable frame. Each message says what is wrong and where to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Error)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Fault {
    /// Nothing acknowledges the camera's address, or a byte was refused.
    #[error("the camera does not acknowledge on its I2C bus; check wiring, pull-ups and power")]
    Nack,
    /// The bus failed in another way: lost arbitration, a short to another line, a DMA error.
    #[error("the camera's bus failed; check wiring and clock rate")]
    Bus,
    /// Something did not happen in time.
    #[error("timeout: {0}")]
    Timeout(Wait),
    /// Another product answers than the driver is made for.
    #[error(
        "the camera says that it is product {found:#06x}, which is not the {expected:#06x} of this driver"
    )]
    WrongProduct {
        /// The driver's; where it knows several, the first.
        expected: u16,
        /// What was read.
        found: u16,
    },
    /// A register does not hold what was written to it: the camera has lost its configuration.
    #[error(
        "register {address:#04x} holds {found:#04x} in place of {written:#04x}; does the supply break down?"
    )]
    RegisterLost {
        /// Of the register, in its bank.
        address: u8,
        /// By the driver.
        written: u8,
        /// Later.
        found: u8,
    },
    /// The camera says that it has a picture, but its memory stays empty; or it never says so.
    #[error("the camera's picture memory does not fill")]
    StuckFifo,
    /// A frame has another number of bytes than its format takes.
    #[error("a frame of {found} bytes came in place of {expected}")]
    WrongLength {
        /// In bytes.
        expected: u32,
        /// In bytes; of an endless frame, as many as were counted.
        found: u32,
    },
    /// Pixels came faster than they were taken.
    #[error("pixels were lost; lower the pixel clock or give DMA a higher priority")]
    Overrun,
    /// All pixels are the same, which light and noise never give.
    #[error("the frame is blank; does the sensor see light and get its clock?")]
    Blank,
    /// The frame before or the one before that again, bit for bit, which noise never gives.
    #[error("the picture is frozen")]
    Frozen,
}

/// What was waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Error)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Wait {
    /// The end of one transaction on the bus.
    #[error("a transaction on the camera's bus does not end")]
    Transaction,
    /// The camera's controller, busy with a command.
    #[error("the camera stays busy")]
    Idle,
    /// A whole frame on the parallel port.
    #[error("no frame comes on the parallel port")]
    Frame,
}

/// A [`Fault`] without its details.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[allow(missing_docs, reason = "documented at Fault")]
pub enum FaultKind {
    Nack,
    Bus,
    Timeout,
    WrongProduct,
    RegisterLost,
    StuckFifo,
    WrongLength,
    Overrun,
    Blank,
    Frozen,
}

impl FaultKind {
    /// Every kind, in the order of [`FaultCounters`].
    pub const ALL: [Self; 10] = [
        Self::Nack,
        Self::Bus,
        Self::Timeout,
        Self::WrongProduct,
        Self::RegisterLost,
        Self::StuckFifo,
        Self::WrongLength,
        Self::Overrun,
        Self::Blank,
        Self::Frozen,
    ];

    /// For a person, in two words at most.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nack => "NACK",
            Self::Bus => "bus error",
            Self::Timeout => "timeout",
            Self::WrongProduct => "wrong product",
            Self::RegisterLost => "register lost",
            Self::StuckFifo => "stuck FIFO",
            Self::WrongLength => "wrong length",
            Self::Overrun => "overrun",
            Self::Blank => "blank",
            Self::Frozen => "frozen",
        }
    }
}

impl Fault {
    /// Which kind it is.
    pub const fn kind(&self) -> FaultKind {
        match self {
            Self::Nack => FaultKind::Nack,
            Self::Bus => FaultKind::Bus,
            Self::Timeout(_) => FaultKind::Timeout,
            Self::WrongProduct { .. } => FaultKind::WrongProduct,
            Self::RegisterLost { .. } => FaultKind::RegisterLost,
            Self::StuckFifo => FaultKind::StuckFifo,
            Self::WrongLength { .. } => FaultKind::WrongLength,
            Self::Overrun => FaultKind::Overrun,
            Self::Blank => FaultKind::Blank,
            Self::Frozen => FaultKind::Frozen,
        }
    }

    /// Whether only a camera that is still configured has this fault, so that another frame is worth a try before a reset.
    pub const fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Nack | Self::Bus | Self::Overrun | Self::Blank | Self::Frozen
        )
    }

    /// An error of an I²C bus.
    pub fn from_i2c(error: &impl i2c::Error) -> Self {
        match error.kind() {
            i2c::ErrorKind::NoAcknowledge(_) => Self::Nack,
            _ => Self::Bus,
        }
    }
}

/// How often each kind of fault was found since boot; a count that is full stays full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct FaultCounters([u32; FaultKind::ALL.len()]);

impl FaultCounters {
    /// None yet.
    pub const fn new() -> Self {
        Self([0; FaultKind::ALL.len()])
    }

    /// One more.
    pub fn count(&mut self, kind: FaultKind) {
        let counter = &mut self.0[kind as usize];
        *counter = counter.saturating_add(1);
    }

    /// How often.
    pub const fn get(&self, kind: FaultKind) -> u32 {
        self.0[kind as usize]
    }

    /// Of all kinds.
    pub fn total(&self) -> u32 {
        self.0
            .iter()
            .fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// Every kind and its count.
    pub fn iter(&self) -> impl Iterator<Item = (FaultKind, u32)> {
        FaultKind::ALL.into_iter().zip(self.0)
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use std::vec::Vec;

    #[test]
    fn every_kind_has_its_own_counter_in_the_stated_order() {
        let mut counters = FaultCounters::default();
        for (index, kind) in FaultKind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, index);
            for _ in 0..=index {
                counters.count(kind);
            }
        }
        let expected: Vec<_> = FaultKind::ALL.into_iter().zip(1..).collect();
        assert_eq!(counters.iter().collect::<Vec<_>>(), expected);
        assert_eq!(counters.total(), 55);
    }

    #[test]
    fn a_full_counter_stays_full() {
        let mut counters = FaultCounters([u32::MAX; 10]);
        counters.count(FaultKind::Blank);
        assert_eq!(counters.get(FaultKind::Blank), u32::MAX);
        assert_eq!(counters.total(), u32::MAX);
    }
}
