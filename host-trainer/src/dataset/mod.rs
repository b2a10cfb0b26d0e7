//! CIFAR-10: fetched, verified, decoded, split.
pub struct LabelledImages {
    pub images: Vec<[u8; 3072]>,
    pub labels: Vec<u8>,
}
impl LabelledImages {
    pub fn len(&self) -> usize {
        self.labels.len()
    }
}
