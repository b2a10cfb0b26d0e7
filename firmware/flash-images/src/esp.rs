//! What the boot loader of an ESP32-C6 starts: a partition table, and the program as it takes it (ESP-IDF programming guide, "App image format" and
//! "Partition tables"; esptool's documentation, "Firmware image format"). The boot loader itself is ESP-IDF's, which every such board is sold with.

use std::ops::Range;

use md5::Md5;
use object::elf::FileHeader32;
use object::read::elf::FileHeader;
use object::{Endianness, File, Object, ObjectSection};
use sha2::{Digest, Sha256};

use crate::{ElfError, Segment, load_segments};

/// Behind the boot loader.
pub const TABLE_ADDRESS: u32 = 0x8000;
/// Where the chip sees flash, through pages.
const FLASH_ADDRESSES: Range<u32> = 0x4200_0000..0x4300_0000;
const PAGE_LEN: usize = 64 * 1024;

const HEADER_LEN: usize = 24;
const SEGMENT_HEADER_LEN: usize = 8;
const MAGIC: u8 = 0xE9;
/// Flash is read through two pins, which all chips of flash can.
const DIO: u8 = 2;
/// 4 MB in the upper half; its clock in the lower one as the boot loader itself has it.
const FLASH: u8 = 0x20;
const NO_WRITE_PROTECT_PIN: u8 = 0xEE;
const CHIP: u16 = 13;
const CHECKSUM_START: u8 = 0xEF;

/// Partition table, program, and the model that is built in, which lies at `model`. `partitions` is ESP-IDF's table as text.
///
/// # Errors
///
/// If these bytes are no program of such a board, or a line of the table cannot be read.
pub fn segments(elf: &[u8], partitions: &str, model: u32) -> Result<Vec<Segment>, ElfError> {
    let partitions = partitions
        .lines()
        .filter(|line| !line.starts_with('#') && !line.trim().is_empty())
        .map(|line| Partition::read(line).ok_or_else(|| ElfError::Partition(line.to_owned())))
        .collect::<Result<Vec<_>, _>>()?;
    let program = partitions.iter().find(|partition| partition.kind == APP).ok_or(ElfError::NoProgram)?;
    let image = image(elf)?;
    if image.len() > program.len as usize {
        return Err(ElfError::TooLarge { len: image.len(), room: program.len });
    }
    let file = File::parse(elf)?;
    let section = file.section_by_name(".model").ok_or(ElfError::Kind)?;
    Ok(vec![
        Segment { address: TABLE_ADDRESS, bytes: table(&partitions) },
        Segment { address: program.address, bytes: image },
        Segment { address: model, bytes: section.data()?.to_vec() },
    ])
}

const APP: u8 = 0;
const DATA: u8 = 1;
const FACTORY: u8 = 0;
const UNDEFINED: u8 = 6;

/// A line of a partition table.
struct Partition<'a> {
    name: &'a str,
    kind: u8,
    subkind: u8,
    address: u32,
    len: u32,
}

impl<'a> Partition<'a> {
    /// Of name, type, subtype, address and length, the last two in hexadecimal.
    fn read(line: &'a str) -> Option<Self> {
        let mut fields = line.split(',').map(str::trim);
        let name = fields.next().filter(|name| name.len() < NAME_LEN)?;
        let kind = match fields.next()? {
            "app" => APP,
            "data" => DATA,
            _ => return None,
        };
        let subkind = match fields.next()? {
            "factory" => FACTORY,
            "undefined" => UNDEFINED,
            _ => return None,
        };
        let mut number = || u32::from_str_radix(fields.next()?.strip_prefix("0x")?, 16).ok();
        Some(Self { name, kind, subkind, address: number()?, len: number()? })
    }
}

const NAME_LEN: usize = 16;
const ENTRY_LEN: usize = 32;
const ENTRY_MAGIC: [u8; 2] = [0xAA, 0x50];
const SUM_MAGIC: [u8; 2] = [0xEB, 0xEB];

/// Entries of 32 bytes, and a last one with their MD5.
fn table(partitions: &[Partition<'_>]) -> Vec<u8> {
    let mut table = Vec::new();
    for partition in partitions {
        let end = table.len() + ENTRY_LEN;
        table.extend(ENTRY_MAGIC);
        table.extend([partition.kind, partition.subkind]);
        table.extend([partition.address, partition.len].map(u32::to_le_bytes).as_flattened());
        table.extend(partition.name.as_bytes());
        table.resize(end, 0);
    }
    let sum = Md5::digest(&table);
    table.extend(SUM_MAGIC);
    table.extend([0xFF; ENTRY_LEN - SUM_MAGIC.len() - 16]);
    table.extend(sum);
    table
}

/// The program as the boot loader takes it. What stays in flash comes first, each byte at the place in its page at which the chip sees it; then
/// what the boot loader copies into RAM; a checksum and a hash end it.
fn image(elf: &[u8]) -> Result<Vec<u8>, ElfError> {
    let header = FileHeader32::<Endianness>::parse(elf)?;
    let entry = header.e_entry(header.endian()?);
    let (flash, ram): (Vec<_>, Vec<_>) =
        load_segments(elf)?.into_iter().partition(|segment| FLASH_ADDRESSES.contains(&segment.address));
    // The second byte is the number of segments.
    let mut image = vec![MAGIC, 0, DIO, FLASH];
    image.extend(entry.to_le_bytes());
    image.extend([NO_WRITE_PROTECT_PIN, 0, 0, 0]);
    image.extend(CHIP.to_le_bytes());
    // Any revision of the chip, and a hash at the end.
    image.extend([0, 0, 0, 0xFF, 0xFF, 0, 0, 0, 0, 1]);
    assert_eq!(image.len(), HEADER_LEN);
    let mut checksum = CHECKSUM_START;
    let mut push = |image: &mut Vec<u8>, address: u32, bytes: &[u8]| {
        let len = bytes.len().next_multiple_of(4);
        image.extend([address, len as u32].map(u32::to_le_bytes).as_flattened());
        let end = image.len() + len;
        image.extend(bytes);
        image.resize(end, 0);
        image[1] += 1;
        checksum = bytes.iter().fold(checksum, |sum, byte| sum ^ byte);
    };
    for segment in flash {
        // A segment for address 0 is skipped by the boot loader.
        let place = segment.address as usize % PAGE_LEN;
        let gap = (2 * PAGE_LEN + place - SEGMENT_HEADER_LEN - image.len() % PAGE_LEN) % PAGE_LEN;
        if gap > 0 {
            let gap = (gap + PAGE_LEN - SEGMENT_HEADER_LEN) % PAGE_LEN;
            push(&mut image, 0, &vec![0; gap]);
        }
        push(&mut image, segment.address, &segment.bytes);
    }
    for segment in ram {
        push(&mut image, segment.address, &segment.bytes);
    }
    image.resize(image.len() + 15 - image.len() % 16, 0);
    image.push(checksum);
    let hash = Sha256::digest(&image);
    image.extend(hash);
    Ok(image)
}
