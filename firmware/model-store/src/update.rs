//! From an announcement to a model that runs.

use crate::signature::{DIGEST_LEN, is_signed_by};
use crate::{FlashFailed, MAX_PAGE, Slot, Store};
use core::fmt::Display;
use embedded_storage::nor_flash::NorFlash;
use heapless::String;
use protocol::{Acknowledgement, Announcement, Chunk, ChunkKind, TransferState, cut_off};
use sha2::{Digest, Sha512};
use thiserror::Error;

/// The most bytes of the reason with which a model is refused; longer ones are cut off.
pub const REASON_LEN: usize = 384;

/// Why a model is refused, for people.
#[derive(Clone, Copy, Debug, Error)]
enum Refusal {
    #[error("the model has blob format version {announced}, but this firmware reads version {supported}: {}", if announced > supported {
        "update the firmware, or make the model again with the tools that belong to it"
    } else {
        "make the model again with `cargo run -p host-trainer -- quantize --run RUN`"
    })]
    FormatVersion { announced: u32, supported: u32 },
    #[error("the model has {len} bytes, but the board has a place of {room}: take a smaller model")]
    TooLarge { len: u32, room: u32 },
    #[error("the model needs {needed} bytes of working memory, but the board gives it {given}: take a smaller model")]
    Memory { needed: u32, given: u32 },
    #[error("the model is not signed, and this board takes signed models only")]
    Unsigned,
    #[error("the signature is not by this board's key: it is another key's, or the model or signature was changed")]
    Signature,
    #[error("the announcement is damaged")]
    Announcement,
    #[error(
        "the model that runs has not classified a frame yet: wait until it has, or go back to the one before first"
    )]
    OnTrial,
    #[error("this model was not announced since the board's last start: announce it again")]
    NotAnnounced,
    #[error("the chunk does not fit the model that was announced")]
    Bounds,
    #[error("what lies in flash is not what was announced: send it again")]
    Damaged,
    #[error(transparent)]
    Flash(#[from] FlashFailed),
}

/// An update of the model that does not run, fed with what a computer sends; see [`Announcement`] for the order.
///
/// Each call is short: an announcement costs a check of a signature and at most an erase and a write of the record; a chunk a few pages,
/// and before the first of them that lies there one erase as far as [`Layout::new`](crate::Layout::new) says. The last call, [`Self::install`], hashes the
/// blob and runs its known answer. Between the calls a board may classify with the model that runs.
///
/// What has come is forgotten at a reset, and the update begins anew, so that nothing depends on what a torn write has left.
#[derive(Clone, Debug)]
pub struct Updater {
    phase: Phase,
    /// The bytes of the page that is not whole yet.
    page: [u8; MAX_PAGE],
    reason: String<REASON_LEN>,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    Idle,
    Receiving(Transfer),
    Installed(Transfer),
    Refused { id: u32 },
}

#[derive(Clone, Copy, Debug)]
struct Transfer {
    id: u32,
    len: u32,
    digest: [u8; DIGEST_LEN],
    slot: Slot,
    /// Bytes of the blob that have come.
    received: u32,
    /// The address up to which the slot is erased.
    erased: u32,
}

impl Default for Updater {
    fn default() -> Self {
        Self::new()
    }
}

impl Updater {
    /// No update yet.
    pub const fn new() -> Self {
        Self { phase: Phase::Idle, page: [0xFF; MAX_PAGE], reason: String::new() }
    }

    /// Takes an announcement. The one of the update that goes on has it resumed. Another one ends that update. Nothing is written for a
    /// model that is refused.
    pub fn announce<F: NorFlash>(
        &mut self,
        store: &mut Store<F>,
        announcement: &Announcement<'_>,
    ) -> Acknowledgement<'_> {
        if let Phase::Receiving(transfer) | Phase::Installed(transfer) = &self.phase
            && (transfer.id, transfer.len) == (announcement.crc32, announcement.len)
            && transfer.digest == *announcement.digest
        {
            return self.answer(announcement.crc32);
        }
        match Transfer::begin(store, announcement) {
            Ok(transfer) => self.phase = Phase::Receiving(transfer),
            Err(refusal) => self.refuse(announcement.crc32, refusal),
        }
        self.answer(announcement.crc32)
    }

    /// Takes a chunk: writes what is new of it if nothing is missing before.
    pub fn take<F: NorFlash>(&mut self, store: &mut Store<F>, chunk: &Chunk<'_>) -> Acknowledgement<'_> {
        match &mut self.phase {
            Phase::Receiving(transfer) if transfer.id == chunk.id && chunk.kind == ChunkKind::Model => {
                if let Err(refusal) = transfer.take(store, &mut self.page, chunk) {
                    self.refuse(chunk.id, refusal);
                }
            }
            // What another transfer has left on the line does not end this one.
            Phase::Receiving(_) => {}
            Phase::Installed(transfer) if transfer.id == chunk.id => {}
            Phase::Refused { id } if *id == chunk.id => {}
            Phase::Idle | Phase::Installed(_) | Phase::Refused { .. } => self.refuse(chunk.id, Refusal::NotAnnounced),
        }
        self.answer(chunk.id)
    }

    /// Whether more of a model is to come.
    pub fn is_receiving(&self) -> bool {
        matches!(&self.phase, Phase::Receiving(transfer) if transfer.received < transfer.len)
    }

    /// Whether all of a model has come, so that [`Self::install`] is next.
    pub fn is_received(&self) -> bool {
        matches!(&self.phase, Phase::Receiving(transfer) if transfer.received == transfer.len)
    }

    /// Checks the model that has come and puts it on trial: compares the hash of what lies in flash with the signed one, has `check` load the
    /// model in the slot and run its known answer, and only then has the record name it. The board then boots.
    ///
    /// `check` takes the slot and the bytes of it that were sent: it must load them alone, since what lies behind is not signed. It gives the
    /// model's CRC-32, or a reason for people. None if nothing has come as a whole.
    pub fn install<F: NorFlash, E: Display>(
        &mut self,
        store: &mut Store<F>,
        check: impl FnOnce(Slot, u32) -> Result<u32, E>,
    ) -> Option<Acknowledgement<'_>> {
        let Phase::Receiving(transfer) = self.phase else { return None };
        if transfer.received < transfer.len {
            return None;
        }
        let digest = transfer.digest_in_flash(store, &mut self.page);
        if digest != Some(transfer.digest) {
            self.refuse(transfer.id, Refusal::Damaged);
            return Some(self.answer(transfer.id));
        }
        match check(transfer.slot, transfer.len) {
            Err(reason) => self.refuse(transfer.id, reason),
            Ok(crc32) if crc32 != transfer.id => self.refuse(transfer.id, Refusal::Damaged),
            Ok(_) => match store.switch(transfer.id, transfer.len) {
                Ok(()) => self.phase = Phase::Installed(transfer),
                Err(failed) => self.refuse(transfer.id, failed),
            },
        }
        Some(self.answer(transfer.id))
    }

    fn refuse(&mut self, id: u32, reason: impl Display) {
        self.reason = cut_off(reason);
        self.phase = Phase::Refused { id };
    }

    /// The answer to a message about the transfer `id`: how the current one stands, if there is one.
    fn answer(&self, id: u32) -> Acknowledgement<'_> {
        match &self.phase {
            Phase::Idle => Acknowledgement { id, received: 0, state: TransferState::Incomplete },
            Phase::Receiving(transfer) => {
                Acknowledgement { id: transfer.id, received: transfer.received, state: TransferState::Incomplete }
            }
            Phase::Installed(transfer) => {
                Acknowledgement { id: transfer.id, received: transfer.len, state: TransferState::Complete }
            }
            Phase::Refused { id } => {
                Acknowledgement { id: *id, received: 0, state: TransferState::Rejected { reason: &self.reason } }
            }
        }
    }
}

impl Transfer {
    /// Checks all that can be checked before a byte has come, and then that the slot may be erased.
    fn begin<F: NorFlash>(store: &mut Store<F>, announcement: &Announcement<'_>) -> Result<Self, Refusal> {
        let &Announcement { crc32: id, len, format_version, memory, digest, signature } = announcement;
        let program = store.program();
        let slot = store.active().other();
        let place = store.layout().slot(slot);
        let digest = digest.try_into().map_err(|_| Refusal::Announcement)?;
        if format_version != program.format_version {
            return Err(Refusal::FormatVersion { announced: format_version, supported: program.format_version });
        }
        if len > place.end - place.start {
            return Err(Refusal::TooLarge { len, room: place.end - place.start });
        }
        if memory > program.memory {
            return Err(Refusal::Memory { needed: memory, given: program.memory });
        }
        if let Some(key) = &program.key {
            if signature.is_empty() {
                return Err(Refusal::Unsigned);
            }
            let signature = signature.try_into().map_err(|_| Refusal::Signature)?;
            if !is_signed_by(key, &digest, signature) {
                return Err(Refusal::Signature);
            }
        }
        // Until the new model has shown that it works, the other one is what the board can go back to.
        if store.is_on_trial() {
            return Err(Refusal::OnTrial);
        }
        store.empty_other()?;
        Ok(Self { id, len, digest, slot, received: 0, erased: place.start })
    }

    fn take<F: NorFlash>(
        &mut self,
        store: &mut Store<F>,
        page: &mut [u8; MAX_PAGE],
        chunk: &Chunk<'_>,
    ) -> Result<(), Refusal> {
        let end = (chunk.offset as usize).checked_add(chunk.bytes.len());
        if chunk.total != self.len || end.is_none_or(|end| end > self.len as usize) {
            return Err(Refusal::Bounds);
        }
        // Behind a gap, or there already: the answer says from where on.
        let Some(known) = self.received.checked_sub(chunk.offset) else { return Ok(()) };
        let mut new = chunk.bytes.get(known as usize..).unwrap_or_default();
        let page = &mut page[..store.layout().page() as usize];
        while !new.is_empty() {
            let filled = self.received as usize % page.len();
            let (now, later) = new.split_at(new.len().min(page.len() - filled));
            page[filled..filled + now.len()].copy_from_slice(now);
            self.received += now.len() as u32;
            new = later;
            if filled + now.len() == page.len() || self.received == self.len {
                page[filled + now.len()..].fill(0xFF);
                let offset = (self.received - 1) / page.len() as u32 * page.len() as u32;
                self.write(store, offset, page)?;
            }
        }
        Ok(())
    }

    /// Writes a page of the slot, and erases what comes next if it is the first there.
    fn write<F: NorFlash>(&mut self, store: &mut Store<F>, offset: u32, page: &[u8]) -> Result<(), FlashFailed> {
        let place = store.layout().slot(self.slot);
        let address = place.start + offset;
        if address == self.erased {
            let needed = (place.start + self.len).next_multiple_of(F::ERASE_SIZE as u32);
            let next = (address + 1).next_multiple_of(store.layout().erase_step()).min(needed);
            store.flash().erase(address, next).map_err(|_| FlashFailed)?;
            self.erased = next;
        }
        store.flash().write(address, page).map_err(|_| FlashFailed)
    }

    /// SHA-512 of what lies in the slot; none if it cannot be read.
    fn digest_in_flash<F: NorFlash>(
        &self,
        store: &mut Store<F>,
        buffer: &mut [u8; MAX_PAGE],
    ) -> Option<[u8; DIGEST_LEN]> {
        let start = store.layout().slot(self.slot).start;
        let mut hash = Sha512::new();
        for offset in (0..self.len).step_by(MAX_PAGE) {
            store.flash().read(start + offset, buffer).ok()?;
            hash.update(buffer.get(..(self.len - offset) as usize).unwrap_or(buffer));
        }
        Some(hash.finalize().into())
    }
}
