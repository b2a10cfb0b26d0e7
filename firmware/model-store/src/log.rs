//! A value that survives a power cut at any moment: checked copies one behind the other, in sectors that take turns.

use crate::{FlashFailed, MAX_PAGE};
use core::ops::Range;
use crc::{CRC_32_ISO_HDLC, Crc};
use embedded_storage::nor_flash::NorFlash;

/// Sequence number, value, CRC-32 of both: a page of the chips with the largest ones, and a few flash words of others.
const COPY_LEN: usize = MAX_PAGE;
/// Bytes of the value.
pub(crate) const VALUE_LEN: usize = COPY_LEN - 8;

pub(crate) const CRC32: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);

/// Where the newest copy is, and where the next may go.
///
/// The copy with the highest sequence number counts. The next one goes behind it, so that a write never touches a page that counts; a
/// sector is erased when it is its turn and another has the newest copy. Nothing is concluded from a page that looks erased, since a
/// torn write or erase may look like that: the first copy of a sector comes directly after its erase, and every copy is read back.
pub(crate) struct Log {
    region: Range<u32>,
    /// Bytes from one copy to the next: whole pages.
    stride: u32,
    places_in_sector: u32,
    /// The place and the sequence number of the newest copy.
    newest: Option<(u32, u32)>,
}

impl Log {
    /// Finds the newest copy in `region`, if there is one. What cannot be read is no copy.
    pub(crate) fn open<F: NorFlash>(flash: &mut F, region: Range<u32>, page: u32) -> (Self, Option<[u8; VALUE_LEN]>) {
        let stride = (COPY_LEN as u32).next_multiple_of(page);
        let mut log = Self { region, stride, places_in_sector: F::ERASE_SIZE as u32 / stride, newest: None };
        let mut newest = None;
        for place in 0..log.places::<F>() {
            if let Some((sequence, value)) = log.read(flash, place)
                && log.newest.is_none_or(|(_, highest)| sequence > highest)
            {
                log.newest = Some((place, sequence));
                newest = Some(value);
            }
        }
        (log, newest)
    }

    /// Writes a copy with another value, which counts from then on. A failure, or a power cut, leaves the one before.
    ///
    /// # Errors
    ///
    /// If no place takes it.
    pub(crate) fn append<F: NorFlash>(&mut self, flash: &mut F, value: &[u8; VALUE_LEN]) -> Result<(), FlashFailed> {
        let places = self.places::<F>();
        let (newest, sequence) = self.newest.unwrap_or((places - 1, 0));
        let sequence = sequence.wrapping_add(1);
        let mut page = [0xFF; MAX_PAGE];
        let page = page.get_mut(..self.stride as usize).ok_or(FlashFailed)?;
        page[..4].copy_from_slice(&sequence.to_le_bytes());
        page[4..4 + VALUE_LEN].copy_from_slice(value);
        let crc = CRC32.checksum(&page[..4 + VALUE_LEN]).to_le_bytes();
        page[4 + VALUE_LEN..COPY_LEN].copy_from_slice(&crc);
        // So few that the sector of the newest copy is never erased.
        for step in 1..=places - self.places_in_sector {
            let place = (newest + step) % places;
            let offset = self.offset::<F>(place);
            if place.is_multiple_of(self.places_in_sector) {
                flash.erase(offset, offset + F::ERASE_SIZE as u32).map_err(|_| FlashFailed)?;
            }
            // What a power cut has torn takes no copy, and the next place may.
            if flash.write(offset, page).is_ok() && self.read(flash, place) == Some((sequence, *value)) {
                self.newest = Some((place, sequence));
                return Ok(());
            }
        }
        Err(FlashFailed)
    }

    fn places<F: NorFlash>(&self) -> u32 {
        (self.region.end - self.region.start) / F::ERASE_SIZE as u32 * self.places_in_sector
    }

    fn offset<F: NorFlash>(&self, place: u32) -> u32 {
        let (sector, place) = (place / self.places_in_sector, place % self.places_in_sector);
        self.region.start + sector * F::ERASE_SIZE as u32 + place * self.stride
    }

    fn read<F: NorFlash>(&self, flash: &mut F, place: u32) -> Option<(u32, [u8; VALUE_LEN])> {
        let mut copy = [0; COPY_LEN];
        flash.read(self.offset::<F>(place), &mut copy).ok()?;
        let (content, crc) = copy.split_last_chunk()?;
        let (sequence, value) = content.split_first_chunk()?;
        // Erased pages are most of them.
        let is_copy = *sequence != [0xFF; 4] && CRC32.checksum(content) == u32::from_le_bytes(*crc);
        is_copy.then_some((u32::from_le_bytes(*sequence), value.try_into().ok()?))
    }
}
