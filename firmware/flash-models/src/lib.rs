#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]
//! NOR flash as a board has it: words are written once after an erase, sectors are erased as a whole, a word that was torn by a power
//! cut reads as an ECC error where the chip has ECC, and every erase counts as wear.
//!
//! The power can be cut at any write of a word and any erase of a sector; see [`NorFlashModel::cut_power_at`].

use embedded_storage::nor_flash::{ErrorType, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash};
use thiserror::Error;

/// A chip with words of `WORD` bytes, which are programmed at once, and sectors of `SECTOR` bytes.
///
/// All of its content, with the state of its words and its wear, lies in `M`, so that it can be kept in a file.
#[derive(Clone, Debug)]
pub struct NorFlashModel<M, const WORD: usize, const SECTOR: usize> {
    memory: M,
    capacity: usize,
    has_ecc: bool,
    is_on: bool,
    operations: u32,
    cut: Option<(u32, Cut)>,
}

/// How far a write or an erase has come when the power is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// It had not begun.
    Before,
    /// All looks erased, but what is written there next does not last: a write that has just begun, or an erase that is almost done.
    Weak,
    /// Some bits have changed. With ECC, the word or half of the sector cannot be read; without, it reads as neither.
    Torn,
    /// It was done.
    After,
}

impl Cut {
    /// Every one of them.
    pub const ALL: [Self; 4] = [Self::Before, Self::Weak, Self::Torn, Self::After];
}

/// What the chip, or the flash driver of a board, answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum FlashError {
    /// No whole words or sectors.
    #[error("not aligned")]
    NotAligned,
    /// Outside of the chip.
    #[error("out of bounds")]
    OutOfBounds,
    /// A word is to be written that was not erased: a fault of the program.
    #[error("written without an erase")]
    NotErased,
    /// A word that is to be read is torn.
    #[error("ECC error")]
    Ecc,
    /// The power is off.
    #[error("no power")]
    PowerOff,
}

impl NorFlashError for FlashError {
    fn kind(&self) -> NorFlashErrorKind {
        match self {
            Self::NotAligned => NorFlashErrorKind::NotAligned,
            Self::OutOfBounds => NorFlashErrorKind::OutOfBounds,
            Self::NotErased | Self::Ecc | Self::PowerOff => NorFlashErrorKind::Other,
        }
    }
}

/// States of a word, a byte each behind the content.
const ERASED: u8 = 0;
const WRITTEN: u8 = 1;
const WEAK: u8 = 2;
const UNREADABLE: u8 = 3;

impl<M: AsRef<[u8]> + AsMut<[u8]>, const WORD: usize, const SECTOR: usize> NorFlashModel<M, WORD, SECTOR> {
    /// Bytes of memory of a chip of `capacity` bytes: content, a byte for the state of each word, four for the wear of each sector.
    pub const fn memory_len(capacity: usize) -> usize {
        capacity + capacity / WORD + 4 * (capacity / SECTOR)
    }

    /// A new chip of `capacity` bytes, all of it erased.
    ///
    /// # Panics
    ///
    /// If `memory` has not [`Self::memory_len`] bytes, or the chip no whole sectors.
    pub fn new(mut memory: M, capacity: usize, has_ecc: bool) -> Self {
        let bytes = memory.as_mut();
        bytes.fill(0);
        if let Some(content) = bytes.get_mut(..capacity) {
            content.fill(0xFF);
        }
        Self::with_content(memory, capacity, has_ecc)
    }

    /// A chip as it was, whose memory was kept.
    ///
    /// # Panics
    ///
    /// As [`Self::new`].
    pub fn with_content(memory: M, capacity: usize, has_ecc: bool) -> Self {
        assert_eq!(memory.as_ref().len(), Self::memory_len(capacity), "bytes of memory");
        assert!(capacity.is_multiple_of(SECTOR) && SECTOR.is_multiple_of(WORD), "whole sectors of whole words");
        Self { memory, capacity, has_ecc, is_on: true, operations: 0, cut: None }
    }

    /// Cuts the power at a write of a word or an erase of a sector, after so many others from now on.
    pub fn cut_power_at(&mut self, operation: u32, cut: Cut) {
        self.cut = Some((operation, cut));
    }

    /// Whether it has power.
    pub fn is_on(&self) -> bool {
        self.is_on
    }

    /// Gives it power, with no cut to come.
    pub fn power_on(&mut self) {
        self.is_on = true;
        self.cut = None;
    }

    /// Words written and sectors erased so far.
    pub fn operations(&self) -> u32 {
        self.operations
    }

    /// How often a sector was erased.
    pub fn wear(&self, sector: usize) -> u32 {
        let place = self.capacity + self.capacity / WORD + 4 * sector;
        let count = self.memory.as_ref().get(place..).and_then(<[u8]>::first_chunk);
        count.map_or(0, |count| u32::from_le_bytes(*count))
    }

    /// Its content, as a processor sees it that reads in place. Words that cannot be read are there as well.
    pub fn bytes(&self) -> &[u8] {
        &self.memory.as_ref()[..self.capacity]
    }

    /// All that there is of it; see [`Self::memory_len`].
    pub fn memory(&self) -> &[u8] {
        self.memory.as_ref()
    }

    /// Takes the content, states and wear of some sectors from another memory of the same chip.
    ///
    /// # Panics
    ///
    /// If it is shorter, or the sectors are outside of the chip.
    pub fn restore(&mut self, memory: &[u8], sectors: core::ops::Range<usize>) {
        let (words, wear) = (self.capacity, self.capacity + self.capacity / WORD);
        let parts = [(0, SECTOR), (words, SECTOR / WORD), (wear, 4)];
        for (start, len) in parts {
            let part = start + sectors.start * len..start + sectors.end * len;
            self.memory.as_mut()[part.clone()].copy_from_slice(&memory[part]);
        }
    }

    /// Whether the power is cut at this operation, and how far it comes.
    fn next_operation(&mut self) -> Result<Cut, FlashError> {
        if !self.is_on {
            return Err(FlashError::PowerOff);
        }
        self.operations = self.operations.wrapping_add(1);
        match &mut self.cut {
            None => Ok(Cut::After),
            Some((0, cut)) => {
                self.is_on = false;
                Ok(*cut)
            }
            Some((left, _)) => {
                *left -= 1;
                Ok(Cut::After)
            }
        }
    }

    fn check(&self, offset: u32, len: usize, unit: usize) -> Result<usize, FlashError> {
        let offset = offset as usize;
        if offset.checked_add(len).is_none_or(|end| end > self.capacity) {
            Err(FlashError::OutOfBounds)
        } else if !offset.is_multiple_of(unit) || !len.is_multiple_of(unit) {
            Err(FlashError::NotAligned)
        } else {
            Ok(offset)
        }
    }

    fn after_operation(&self) -> Result<(), FlashError> {
        if self.is_on { Ok(()) } else { Err(FlashError::PowerOff) }
    }

    fn write_word(&mut self, offset: usize, data: &[u8]) -> Result<(), FlashError> {
        let cut = self.next_operation()?;
        let has_ecc = self.has_ecc;
        let (content, rest) = self.memory.as_mut().split_at_mut(self.capacity);
        let (word, state) = (&mut content[offset..offset + WORD], &mut rest[offset / WORD]);
        if cut == Cut::Before {
            return self.after_operation();
        }
        let (left, next) = match (*state, cut) {
            (ERASED, Cut::Weak) => (0xFF, WEAK),
            // Every other bit is not programmed.
            (ERASED, Cut::Torn) => (0x55, if has_ecc { UNREADABLE } else { WRITTEN }),
            (ERASED, Cut::After) => (0, WRITTEN),
            (WEAK, Cut::Weak | Cut::Torn | Cut::After) => (0x08, if has_ecc { UNREADABLE } else { WRITTEN }),
            (_, Cut::Before | Cut::Weak | Cut::Torn | Cut::After) => return Err(FlashError::NotErased),
        };
        for (byte, new) in word.iter_mut().zip(data) {
            *byte &= new | left;
        }
        *state = next;
        self.after_operation()
    }

    fn erase_sector(&mut self, sector: usize) -> Result<(), FlashError> {
        let cut = self.next_operation()?;
        let has_ecc = self.has_ecc;
        let (content, rest) = self.memory.as_mut().split_at_mut(self.capacity);
        let (states, wear) = rest.split_at_mut(self.capacity / WORD);
        let bytes = &mut content[sector * SECTOR..][..SECTOR];
        let states = &mut states[sector * (SECTOR / WORD)..][..SECTOR / WORD];
        match cut {
            Cut::Before => return self.after_operation(),
            Cut::Weak => {
                bytes.fill(0xFF);
                states.fill(WEAK);
            }
            Cut::Torn => {
                let (done, torn) = bytes.split_at_mut(SECTOR / 2);
                done.fill(0xFF);
                torn.iter_mut().for_each(|byte| *byte |= 0xAA);
                let (done, torn) = states.split_at_mut(SECTOR / WORD / 2);
                done.fill(WEAK);
                torn.fill(if has_ecc { UNREADABLE } else { WRITTEN });
            }
            Cut::After => {
                bytes.fill(0xFF);
                states.fill(ERASED);
            }
        }
        if let Some(count) = wear[4 * sector..].first_chunk_mut() {
            *count = u32::from_le_bytes(*count).wrapping_add(1).to_le_bytes();
        }
        self.after_operation()
    }
}

impl<M, const WORD: usize, const SECTOR: usize> ErrorType for NorFlashModel<M, WORD, SECTOR> {
    type Error = FlashError;
}

impl<M: AsRef<[u8]> + AsMut<[u8]>, const WORD: usize, const SECTOR: usize> ReadNorFlash
    for NorFlashModel<M, WORD, SECTOR>
{
    const READ_SIZE: usize = 1;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), FlashError> {
        if !self.is_on {
            return Err(FlashError::PowerOff);
        }
        let offset = self.check(offset, bytes.len(), Self::READ_SIZE)?;
        let (content, rest) = self.memory.as_ref().split_at(self.capacity);
        let states = &rest[offset / WORD..(offset + bytes.len()).div_ceil(WORD)];
        if states.contains(&UNREADABLE) {
            return Err(FlashError::Ecc);
        }
        bytes.copy_from_slice(&content[offset..offset + bytes.len()]);
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.capacity
    }
}

impl<M: AsRef<[u8]> + AsMut<[u8]>, const WORD: usize, const SECTOR: usize> NorFlash for NorFlashModel<M, WORD, SECTOR> {
    const WRITE_SIZE: usize = WORD;
    const ERASE_SIZE: usize = SECTOR;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), FlashError> {
        let len = to.checked_sub(from).ok_or(FlashError::OutOfBounds)?;
        let start = self.check(from, len as usize, SECTOR)?;
        (start / SECTOR..to as usize / SECTOR).try_for_each(|sector| self.erase_sector(sector))
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), FlashError> {
        let start = self.check(offset, bytes.len(), WORD)?;
        (start..).step_by(WORD).zip(bytes.chunks(WORD)).try_for_each(|(offset, word)| self.write_word(offset, word))
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use std::vec;
    use std::vec::Vec;

    type Chip = NorFlashModel<Vec<u8>, 4, 16>;

    fn chip(has_ecc: bool) -> Chip {
        Chip::new(vec![0; Chip::memory_len(32)], 32, has_ecc)
    }

    fn word(chip: &mut Chip, offset: u32) -> Result<[u8; 4], FlashError> {
        let mut word = [0; 4];
        chip.read(offset, &mut word).map(|()| word)
    }

    #[test]
    fn a_word_is_written_once_after_an_erase_and_erases_are_counted() {
        let mut chip = chip(true);
        chip.write(4, &[1, 2, 3, 4, 5, 6, 7, 8]).expect("it is erased");
        assert_eq!(word(&mut chip, 8), Ok([5, 6, 7, 8]));
        assert_eq!(chip.write(4, &[0; 4]), Err(FlashError::NotErased));
        chip.erase(0, 16).expect("a sector");
        assert_eq!((word(&mut chip, 8), chip.wear(0), chip.wear(1)), (Ok([0xFF; 4]), 1, 0));
        assert_eq!(chip.operations(), 4);
        assert_eq!(chip.erase(0, 8), Err(FlashError::NotAligned));
        assert_eq!(chip.write(2, &[0; 4]), Err(FlashError::NotAligned));
        assert_eq!(chip.write(32, &[0; 4]), Err(FlashError::OutOfBounds));
    }

    #[test]
    fn a_cut_leaves_what_its_kind_says_and_nothing_works_without_power() {
        for has_ecc in [false, true] {
            let torn = |read| if has_ecc { Err(FlashError::Ecc) } else { Ok([read; 4]) };
            // After the cut, and after the same write again.
            let cases = [
                (Cut::Before, Ok([0xFF; 4]), Ok(()), Ok([0x21; 4])),
                (Cut::Weak, Ok([0xFF; 4]), Ok(()), torn(0x29)),
                (Cut::Torn, torn(0x75), Err(FlashError::NotErased), torn(0x75)),
                (Cut::After, Ok([0x21; 4]), Err(FlashError::NotErased), Ok([0x21; 4])),
            ];
            for (cut, read, again, after) in cases {
                let mut chip = chip(has_ecc);
                chip.cut_power_at(1, cut);
                assert_eq!(chip.write(0, &[0x21; 12]), Err(FlashError::PowerOff));
                assert_eq!((chip.is_on(), chip.operations()), (false, 2));
                assert_eq!(word(&mut chip, 0), Err(FlashError::PowerOff));
                assert_eq!(chip.erase(0, 16), Err(FlashError::PowerOff));
                chip.power_on();
                assert_eq!(word(&mut chip, 0), Ok([0x21; 4]));
                assert_eq!(word(&mut chip, 4), read, "{cut:?}");
                assert_eq!(word(&mut chip, 8), Ok([0xFF; 4]));
                assert_eq!(chip.write(4, &[0x21; 4]), again, "{cut:?}");
                assert_eq!(word(&mut chip, 4), after, "{cut:?}");
            }
        }
    }

    #[test]
    fn a_cut_erase_leaves_nothing_to_write_to_and_another_erase_mends_it() {
        for (cut, ends) in [(Cut::Weak, [Ok([0xFF; 4]); 2]), (Cut::Torn, [Ok([0xFF; 4]), Err(FlashError::Ecc)])] {
            let mut chip = chip(true);
            chip.write(16, &[0; 16]).expect("it is erased");
            chip.cut_power_at(0, cut);
            assert_eq!(chip.erase(16, 32), Err(FlashError::PowerOff));
            chip.power_on();
            assert_eq!([word(&mut chip, 16), word(&mut chip, 28)], ends);
            chip.write(16, &[1; 4]).expect("it looks erased");
            assert_eq!(word(&mut chip, 16), Err(FlashError::Ecc));
            chip.erase(16, 32).expect("there is power");
            chip.write(16, &[1; 4]).expect("it is erased");
            assert_eq!((word(&mut chip, 16), chip.wear(1)), (Ok([1; 4]), 2));
        }
        // Without a code, what is left can be read.
        let mut chip = chip(false);
        chip.write(16, &[0x41; 16]).expect("it is erased");
        chip.cut_power_at(0, Cut::Torn);
        assert_eq!(chip.erase(16, 32), Err(FlashError::PowerOff));
        chip.power_on();
        assert_eq!([word(&mut chip, 16), word(&mut chip, 28)], [Ok([0xFF; 4]), Ok([0xEB; 4])]);
    }

    #[test]
    fn a_chip_lives_on_in_its_memory_and_sectors_are_taken_back() {
        let mut first = chip(true);
        first.write(16, &[9; 4]).expect("it is erased");
        let kept = first.memory().to_vec();
        first.erase(0, 32).expect("both sectors");
        first.restore(&kept, 1..2);
        assert_eq!((first.wear(0), first.wear(1)), (1, 0));
        let mut second = Chip::with_content(first.memory().to_vec(), 32, true);
        assert_eq!(word(&mut second, 16), Ok([9; 4]));
        assert_eq!(second.write(16, &[9; 4]), Err(FlashError::NotErased));
    }
}
