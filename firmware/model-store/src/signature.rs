//! Signatures of models: ed25519 over a context and the blob's SHA-512.
//!
//! The digest stands between so that a board can check the signature before it erases anything, and hashes the blob where it lies. The
//! context makes a signature of anything else no signature of a model.

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use sha2::{Digest, Sha512};

/// Bytes of a SHA-512.
pub const DIGEST_LEN: usize = 64;
/// Bytes of a signature.
pub const SIGNATURE_LEN: usize = 64;
/// What stands before the digest in the message that is signed.
pub const CONTEXT: [u8; 14] = *b"int8net model\0";

/// SHA-512 of a blob in memory.
pub fn digest(blob: &[u8]) -> [u8; DIGEST_LEN] {
    Sha512::digest(blob).into()
}

/// The public key of a secret one, which is 32 random bytes.
pub fn public_key(secret: &[u8; 32]) -> [u8; 32] {
    SigningKey::from_bytes(secret).verifying_key().to_bytes()
}

/// Signs the blob with this digest.
pub fn sign(secret: &[u8; 32], digest: &[u8; DIGEST_LEN]) -> [u8; SIGNATURE_LEN] {
    SigningKey::from_bytes(secret).sign(&message(digest)).to_bytes()
}

/// Whether a signature of the blob with this digest is by the owner of the key.
pub fn is_signed_by(key: &[u8; 32], digest: &[u8; DIGEST_LEN], signature: &[u8; SIGNATURE_LEN]) -> bool {
    let signature = Signature::from_bytes(signature);
    VerifyingKey::from_bytes(key).is_ok_and(|key| key.verify_strict(&message(digest), &signature).is_ok())
}

fn message(digest: &[u8; DIGEST_LEN]) -> [u8; CONTEXT.len() + DIGEST_LEN] {
    let mut message = [0; CONTEXT.len() + DIGEST_LEN];
    let (context, end) = message.split_at_mut(CONTEXT.len());
    context.copy_from_slice(&CONTEXT);
    end.copy_from_slice(digest);
    message
}
