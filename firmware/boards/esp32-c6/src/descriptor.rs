//! What the boot loader and flashing programs look for at the beginning of a program (ESP-IDF programming guide, "App image format", application
//! description).
#![expect(unsafe_code, reason = "a place and a name that others look for")]

/// Mark, version and names, hash, revisions and page size, and room for later.
const LEN: usize = 256;
const MARK: u32 = 0xABCD_5432;
const VERSION_AT: usize = 16;
const NAME_AT: usize = 48;
/// Any revision of the chip's fuses is right: from 0 to this.
const LAST_REVISION_AT: usize = 178;
const PAGE_AT: usize = 180;
/// Pages of 64 KB, as a power of two.
const PAGE: u8 = 16;

#[repr(C, align(4))]
struct Descriptor([u8; LEN]);

// SAFETY: esp-hal's linker script keeps this section for that, and nothing else has this name.
#[used]
#[unsafe(export_name = "esp_app_desc")]
#[unsafe(link_section = ".flash.appdesc")]
static DESCRIPTOR: Descriptor = {
    let mut bytes = [0; LEN];
    put(&mut bytes, 0, &MARK.to_le_bytes());
    put(&mut bytes, VERSION_AT, env!("CARGO_PKG_VERSION").as_bytes());
    put(&mut bytes, NAME_AT, env!("CARGO_PKG_NAME").as_bytes());
    put(&mut bytes, LAST_REVISION_AT, &u16::MAX.to_le_bytes());
    bytes[PAGE_AT] = PAGE;
    Descriptor(bytes)
};

const fn put(bytes: &mut [u8; LEN], place: usize, field: &[u8]) {
    let (_, rest) = bytes.split_at_mut(place);
    rest.split_at_mut(field.len()).0.copy_from_slice(field);
}
