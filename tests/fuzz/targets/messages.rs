//! A serial port may bring anything. What a decoder takes for a message is written as one again, and every frame is counted.
#![no_main]

use libfuzzer_sys::fuzz_target;
use protocol::{Decoder, END, FRAME_LEN, Kinds, Message, Received, Request, Statistics, encode};
use serde::Serialize;

/// Decodes as a computer (`Message`) or as a board (`Request`).
macro_rules! decode {
    ($kind:ident, $bytes:expr) => {{
        let mut decoder = Decoder::new();
        let mut ends = 0;
        for &byte in $bytes {
            ends += u32::from(byte == END);
            if let Some(Received::Message(message)) = decoder.push::<$kind<'_>>(byte) {
                let mut buffer = [0; 2 * FRAME_LEN];
                let frame = encode(&message, &mut buffer).expect("it was shorter");
                // What was written in more bytes than it needs is the same message.
                let mut again = Decoder::new();
                let decoded = frame.iter().fold(0, |decoded, byte| match again.push::<$kind<'_>>(*byte) {
                    Some(Received::Message(second)) => {
                        assert_eq!(second, message);
                        decoded + 1
                    }
                    Some(Received::UnknownKind(_) | Received::OtherVersion(_)) | None => decoded,
                });
                assert_eq!(decoded, 1);
            }
        }
        let Statistics { received, corrupted, foreign } = decoder.statistics();
        assert!(received + corrupted + foreign <= ends);
    }};
}

/// The frame that holds `content` behind the version, whose checksum is right.
fn framed(content: &[u8]) -> Vec<u8> {
    let mut buffer = vec![0; 2 * content.len() + FRAME_LEN];
    encode(&Raw(content), &mut buffer).map_or_else(|_| Vec::new(), <[u8]>::to_vec)
}

/// Bytes in the place of a message.
struct Raw<'a>(&'a [u8]);

impl Serialize for Raw<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeTuple;
        let mut bytes = serializer.serialize_tuple(self.0.len())?;
        self.0.iter().try_for_each(|byte| bytes.serialize_element(byte))?;
        bytes.end()
    }
}

impl Kinds for Raw<'_> {
    const KINDS: u32 = 0;
}

fuzz_target!(|input: (bool, &[u8])| {
    let (is_raw, bytes) = input;
    // Random bytes have no right checksum: most of the time they are the content of frames that have.
    let stream = if is_raw { bytes.to_vec() } else { bytes.split(|byte| *byte == 0xFF).flat_map(framed).collect() };
    decode!(Message, &stream);
    decode!(Request, &stream);
});
