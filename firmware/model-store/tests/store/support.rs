//! A board of flash and models, and what it is sent.

use embedded_storage::nor_flash::{NorFlash, ReadNorFlash};
use firmware::boot::boot;
use flash_models::NorFlashModel;
use model_store::{Layout, Program, Slot, Store, Updater, signature};
use protocol::{Acknowledgement, Announcement, ModelRequest, ModelSender, Request, SendProgress, TransferState};
use shared_model::encode::encode;
use shared_model::testing::{Plain, network};
use shared_model::{AlignedBytes, FORMAT_VERSION, Header, Model, Shape};
use std::ops::Range;

pub const SECRET: [u8; 32] = [7; 32];

/// Bytes of memory that the boards give a model.
const MEMORY: usize = 96 << 10;

/// A chip and what of it is for what.
#[derive(Clone)]
pub struct Board<const WORD: usize, const SECTOR: usize> {
    pub flash: NorFlashModel<Vec<u8>, WORD, SECTOR>,
    pub layout: Layout,
    pub record: Range<usize>,
    pub program: Program,
}

/// A Pico 2: pages of 256 bytes, sectors of 4 KB; no ECC.
pub type Pico2 = Board<256, 4096>;
/// An STM32H743: flash words of 32 bytes, sectors of 128 KB; ECC.
pub type H743 = Board<32, { 128 << 10 }>;
/// The same with small sectors, for what is done again and again.
pub type SmallH743 = Board<32, 1024>;

pub fn pico2(old: &[u8]) -> Pico2 {
    // As memory.x has it, from the end of the program on.
    let (a, b, record) = (0..0x17_C000, 0x17_C000..0x2F_8000, 0x2F_8000..0x30_0000);
    Board::new(false, [a, b], record, 4 << 10, old)
}

pub fn h743(old: &[u8]) -> H743 {
    let (other, model, record) = (0x0..0xA_0000, 0xA_0000..0x14_0000, 0x14_0000..0x18_0000);
    Board::new(true, [model, other], record, 128 << 10, old)
}

pub fn small_h743(old: &[u8]) -> SmallH743 {
    Board::new(true, [0..3072, 3072..6144], 6144..8192, 1024, old)
}

pub fn small_pico2(old: &[u8]) -> Pico2 {
    Board::new(false, [0..4096, 4096..8192], 8192..16384, 4096, old)
}

impl<const WORD: usize, const SECTOR: usize> Board<WORD, SECTOR> {
    /// With the model `old` in slot A, as a programmer leaves it, and an erased record.
    fn new(has_ecc: bool, slots: [Range<u32>; 2], record: Range<u32>, erase_step: u32, old: &[u8]) -> Self {
        type Chip<const WORD: usize, const SECTOR: usize> = NorFlashModel<Vec<u8>, WORD, SECTOR>;
        let capacity = slots.iter().chain([&record]).map(|range| range.end).max().expect("three of them") as usize;
        let memory = vec![0; Chip::<WORD, SECTOR>::memory_len(capacity)];
        let mut flash = Chip::<WORD, SECTOR>::new(memory, capacity, has_ecc);
        let mut content = old.to_vec();
        content.resize(old.len().next_multiple_of(WORD), 0xFF);
        flash.write(slots[0].start, &content).expect("it is erased");
        let layout = Layout::new::<Chip<WORD, SECTOR>>(slots, record.clone(), WORD as u32, erase_step);
        let program = Program { found: None, format_version: FORMAT_VERSION, memory: MEMORY as u32, key: None };
        Self { flash, layout, record: record.start as usize..record.end as usize, program }
    }

    pub fn with_key(mut self) -> Self {
        self.program.key = Some(signature::public_key(&SECRET));
        self
    }

    /// The store as a boot finds it.
    pub fn store(&mut self) -> Store<&mut NorFlashModel<Vec<u8>, WORD, SECTOR>> {
        let mut header = [0; Header::LEN];
        let is_read = self.flash.read(self.layout.slot(Slot::A).start, &mut header).is_ok();
        let header = Header::read(&header).ok().filter(|_| is_read);
        self.program.found = header.map(|header| (header.crc32, header.len));
        Store::open(&mut self.flash, self.layout.clone(), self.program)
    }

    pub fn place(&self, slot: Slot) -> Range<usize> {
        let place = self.layout.slot(slot);
        place.start as usize..place.end as usize
    }

    pub fn slot(&self, slot: Slot) -> &[u8] {
        &self.flash.bytes()[self.place(slot)]
    }

    pub fn holds(&self, slot: Slot, blob: &[u8]) -> bool {
        self.slot(slot).starts_with(blob)
    }

    /// All of the flash that an update must not touch if it is refused before a byte has come.
    pub fn memory(&self) -> Vec<u8> {
        self.flash.memory().to_vec()
    }

    /// What a board does when all of a model has come.
    pub fn install(&mut self, updater: &mut Updater) -> Option<Answer> {
        let slots = Slot::ALL.map(|slot| self.slot(slot).to_vec());
        let check = |slot: Slot, len| load(&slots[slot.index()][..len as usize]);
        updater.install(&mut self.store(), check).as_ref().map(Answer::from)
    }

    /// A request and the answer to it.
    pub fn answer(&mut self, updater: &mut Updater, request: &Request<'_>) -> Answer {
        let answer = match request {
            Request::Models(ModelRequest::Deploy(announcement)) => {
                Answer::from(&updater.announce(&mut self.store(), announcement))
            }
            Request::Chunk(chunk) => Answer::from(&updater.take(&mut self.store(), chunk)),
            other => panic!("{other:?}"),
        };
        if updater.is_received() {
            return self.install(updater).expect("all has come");
        }
        answer
    }

    /// Sends a model over a perfect line, until the board has installed it or says why not.
    pub fn deploy(&mut self, offer: &Offer) -> Result<(), String> {
        let mut updater = Updater::new();
        let mut sender = ModelSender::new(offer.announcement(), &offer.blob);
        loop {
            let answer = self.answer(&mut updater, &sender.next_request());
            match sender.take(&answer.acknowledgement()) {
                SendProgress::Received(_) => {}
                SendProgress::Installed => return Ok(()),
                SendProgress::Refused { reason } => return Err(reason.to_owned()),
                SendProgress::Unrelated => panic!("an answer to another transfer"),
            }
        }
    }

    /// A boot at which a frame is classified.
    pub fn run(&mut self) -> Slot {
        let mut store = self.store();
        let boot = store.boot();
        // If the power is cut, the next boot goes on.
        let _ = store.wait().and_then(|()| store.risk()).and_then(|()| store.confirm());
        boot.slot
    }
}

/// An acknowledgement that outlives what gave it.
pub struct Answer {
    pub id: u32,
    pub received: u32,
    pub state: Result<bool, String>,
}

impl From<&Acknowledgement<'_>> for Answer {
    fn from(answer: &Acknowledgement<'_>) -> Self {
        let state = match answer.state {
            TransferState::Incomplete => Ok(false),
            TransferState::Complete => Ok(true),
            TransferState::Rejected { reason } => Err(reason.to_owned()),
        };
        Self { id: answer.id, received: answer.received, state }
    }
}

impl Answer {
    pub fn acknowledgement(&self) -> Acknowledgement<'_> {
        let state = match &self.state {
            Ok(false) => TransferState::Incomplete,
            Ok(true) => TransferState::Complete,
            Err(reason) => TransferState::Rejected { reason },
        };
        Acknowledgement { id: self.id, received: self.received, state }
    }
}

/// Loads a model and runs its known answer, as a board does.
pub fn load(region: &[u8]) -> Result<u32, String> {
    let region = AlignedBytes::from(region);
    let (mut slot, mut memory) = (None, vec![0; MEMORY]);
    let booted = boot(&region, &mut slot, &mut memory).map_err(|error| error.to_string())?;
    Ok(booted.model.crc32())
}

/// A model that is sent, with what is said of it.
#[derive(Clone)]
pub struct Offer {
    pub blob: Vec<u8>,
    pub crc32: u32,
    pub len: u32,
    pub format_version: u32,
    pub memory: u32,
    pub digest: [u8; 64],
    pub signature: Vec<u8>,
}

impl Offer {
    /// Of a good blob, signed.
    pub fn new(blob: &[u8]) -> Self {
        let model = AlignedBytes::from(blob);
        let model = Model::load(&model).expect("a good blob");
        let memory = (model.input_shape().elements() + model.arena_len()) as u32;
        let digest = signature::digest(blob);
        Self {
            blob: blob.to_vec(),
            crc32: crc32(blob),
            len: blob.len() as u32,
            format_version: FORMAT_VERSION,
            memory,
            digest,
            signature: signature::sign(&SECRET, &digest).to_vec(),
        }
    }

    pub fn announcement(&self) -> Announcement<'_> {
        Announcement {
            crc32: self.crc32,
            len: self.len,
            format_version: self.format_version,
            memory: self.memory,
            digest: &self.digest,
            signature: &self.signature,
        }
    }
}

/// The CRC-32 in a blob's header.
pub fn crc32(blob: &[u8]) -> u32 {
    u32::from_le_bytes(blob[16..20].try_into().expect("four bytes"))
}

/// A blob of a kilobyte or so.
pub fn small_blob(seed: u64) -> Vec<u8> {
    let dense = Plain::Dense(2, false);
    encode(&network(seed, Shape::new(8, 8, 3), &[dense])).expect("the network is valid").to_vec()
}

/// The model that boards are flashed with.
pub fn committed_blob() -> Vec<u8> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/models/vgg3-full.blob");
    std::fs::read(path).expect("the committed model")
}

/// The committed model with another name, so that it is another model of the same size.
pub fn renamed_blob() -> Vec<u8> {
    let mut blob = committed_blob();
    // Magic, version, length, CRC and length of the graph, then the name behind its length.
    blob[25] ^= 0x20;
    shared_model::encode::repair_crc(&mut blob);
    blob
}
