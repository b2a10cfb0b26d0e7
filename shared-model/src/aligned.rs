//! Memory aligned as a blob must be.

/// Alignment in bytes that [`Model::load`](crate::Model::load) demands of a blob's address.
pub const BLOB_ALIGNMENT: usize = 16;

/// A value at an address that is a multiple of [`BLOB_ALIGNMENT`]: wrap `include_bytes!` in it.
///
/// ```
/// use shared_model::Aligned;
/// static BLOB: &Aligned<[u8]> = &Aligned(*b"the bytes of a blob");
/// assert_eq!(BLOB.0.as_ptr().addr() % 16, 0);
/// ```
#[derive(Clone, Copy, Debug)]
#[repr(C, align(16))]
pub struct Aligned<T: ?Sized>(pub T);

const _: () = assert!(align_of::<Aligned<u8>>() == BLOB_ALIGNMENT);

#[cfg(feature = "encode")]
mod owned {
    use super::BLOB_ALIGNMENT;
    use alloc::{vec, vec::Vec};
    use core::ops::{Deref, DerefMut};

    const _: () = assert!(align_of::<u128>() == BLOB_ALIGNMENT);

    /// Bytes on the heap, aligned as a blob must be: what to read a blob file into.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct AlignedBytes {
        blocks: Vec<u128>,
        len: usize,
    }

    impl From<&[u8]> for AlignedBytes {
        fn from(bytes: &[u8]) -> Self {
            let mut blocks = vec![0_u128; bytes.len().div_ceil(BLOB_ALIGNMENT)];
            bytemuck::cast_slice_mut(&mut blocks)[..bytes.len()].copy_from_slice(bytes);
            Self { blocks, len: bytes.len() }
        }
    }

    impl Deref for AlignedBytes {
        type Target = [u8];

        fn deref(&self) -> &[u8] {
            &bytemuck::cast_slice(&self.blocks)[..self.len]
        }
    }

    impl DerefMut for AlignedBytes {
        fn deref_mut(&mut self) -> &mut [u8] {
            &mut bytemuck::cast_slice_mut(&mut self.blocks)[..self.len]
        }
    }
}

#[cfg(feature = "encode")]
pub use owned::AlignedBytes;
