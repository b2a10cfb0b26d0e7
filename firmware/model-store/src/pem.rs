//! Keys as files: PEM as OpenSSL writes it for ed25519 (RFC 8410), one key a file.

use heapless::{String, Vec};

/// Bytes of the longer of the two files.
pub const PEM_LEN: usize = 120;
/// Of the key and what stands before it.
const DER_LEN: usize = 48;

/// Which key a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// With which models are signed, and which is to be kept secret.
    Secret,
    /// With which a board verifies.
    Public,
}

impl Key {
    const fn name(self) -> &'static str {
        match self {
            Self::Secret => "PRIVATE KEY",
            Self::Public => "PUBLIC KEY",
        }
    }

    /// What stands before the 32 bytes of a key in ASN.1: structure, version of a secret one, algorithm 1.3.101.112, length.
    const fn prefix(self) -> &'static [u8] {
        match self {
            Self::Secret => &[0x30, 0x2E, 2, 1, 0, 0x30, 5, 6, 3, 0x2B, 0x65, 0x70, 4, 0x22, 4, 0x20],
            Self::Public => &[0x30, 0x2A, 0x30, 5, 6, 3, 0x2B, 0x65, 0x70, 3, 0x21, 0],
        }
    }

    /// The text of a file with this key.
    pub fn to_pem(self, key: &[u8; 32]) -> String<PEM_LEN> {
        let name = self.name();
        let der: Vec<u8, DER_LEN> = self.prefix().iter().chain(key).copied().collect();
        let mut body = String::<64>::new();
        // Both have a multiple of three bytes, but for two of the public one.
        for bytes in der.chunks(3) {
            let word = bytes.iter().fold(0u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - bytes.len()));
            for place in 0..4 {
                let digit = if place > bytes.len() { b'=' } else { DIGITS[(word >> (18 - 6 * place)) as usize & 63] };
                // There is room for each.
                let _ = body.push(char::from(digit));
            }
        }
        protocol::cut_off(format_args!("-----BEGIN {name}-----\n{body}\n-----END {name}-----\n"))
    }

    /// The key in the text of a file; none if it is not one of this kind.
    pub fn from_pem(self, text: &str) -> Option<[u8; 32]> {
        let name = self.name();
        let begin: String<32> = protocol::cut_off(format_args!("-----BEGIN {name}-----"));
        let body = text.split_once(begin.as_str())?.1.split_once("-----END")?.0;
        let mut der = Vec::<u8, DER_LEN>::new();
        let (mut word, mut bits) = (0u32, 0);
        for letter in body.bytes().filter(|letter| !letter.is_ascii_whitespace() && *letter != b'=') {
            let digit = DIGITS.iter().position(|digit| *digit == letter)?;
            word = word << 6 | digit as u32;
            bits += 6;
            if bits >= 8 {
                bits -= 8;
                der.push((word >> bits) as u8).ok()?;
            }
        }
        der.strip_prefix(self.prefix())?.try_into().ok()
    }
}

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;

    /// Of RFC 8410, section 10.
    const SECRET: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC
-----END PRIVATE KEY-----
";
    const PUBLIC: &str = "-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=
-----END PUBLIC KEY-----
";

    #[test]
    fn keys_are_read_and_written_as_the_standard_has_them() {
        let secret = Key::Secret.from_pem(SECRET).expect("a key");
        let public = Key::Public.from_pem(PUBLIC).expect("a key");
        assert_eq!(crate::signature::public_key(&secret), public);
        assert_eq!(Key::Secret.to_pem(&secret), SECRET);
        assert_eq!(Key::Public.to_pem(&public), PUBLIC);
        for text in ["", PUBLIC, &SECRET[..60], &SECRET.replace("MC4", "MC5"), &SECRET.replace("VhC", "VhCAAAA")] {
            assert_eq!(Key::Secret.from_pem(text), None, "{text}");
        }
    }
}
