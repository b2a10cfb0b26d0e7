//! DfuSe: ST's format of firmware for the boot loader in the ROM of an STM32 (ST, UM0391, "DfuSe file format specification"),
//! with the suffix of all DFU files (USB DFU 1.1, appendix B).

use crc::{CRC_32_JAMCRC, Crc};

use crate::Segment;

/// Of ST's boot loader.
const VENDOR_ID: u16 = 0x0483;
const PRODUCT_ID: u16 = 0xdf11;
/// Whatever the firmware's version.
const ANY_DEVICE: u16 = 0xffff;
const DFUSE_VERSION: u16 = 0x011a;
const SUFFIX_LEN: u8 = 16;
/// The boot loader's "Internal Flash".
const ALTERNATE_SETTING: u8 = 0;
const TARGET_NAME: &[u8] = b"Internal Flash";
const TARGET_NAME_LEN: usize = 255;

/// A file with these segments as elements of one target.
pub fn image(segments: &[Segment]) -> Vec<u8> {
    let number = |length: usize| (length as u32).to_le_bytes();
    let elements: Vec<u8> = segments
        .iter()
        .flat_map(|segment| {
            [&segment.address.to_le_bytes(), &number(segment.bytes.len()), segment.bytes.as_slice()].concat()
        })
        .collect();
    let mut name = [0; TARGET_NAME_LEN];
    name[..TARGET_NAME.len()].copy_from_slice(TARGET_NAME);
    let target = [
        b"Target".as_slice(),
        &[ALTERNATE_SETTING],
        &1_u32.to_le_bytes(),
        &name,
        &number(elements.len()),
        &number(segments.len()),
        &elements,
    ]
    .concat();
    let header_len = b"DfuSe".len() + 1 + 4 + 1;
    let mut file = [b"DfuSe".as_slice(), &[1], &number(header_len + target.len()), &[1], &target].concat();
    for field in [ANY_DEVICE, PRODUCT_ID, VENDOR_ID, DFUSE_VERSION] {
        file.extend(field.to_le_bytes());
    }
    file.extend(b"UFD");
    file.push(SUFFIX_LEN);
    // The usual CRC-32 without the inversion at the end.
    let checksum = Crc::<u32>::new(&CRC_32_JAMCRC).checksum(&file);
    file.extend(checksum.to_le_bytes());
    file
}
