//! Storage with stable `u32` indices. It grows by chunks, so growing never copies and never needs twice the memory, as a
//! doubling vector would at its worst moment.

const CHUNK_BITS: u32 = 10;
const CHUNK: usize = 1 << CHUNK_BITS;

/// Values by index; freed indices are used again, latest first.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    chunks: Vec<Vec<T>>,
    free: Vec<u32>,
    len: u32,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self {
            chunks: Vec::new(),
            free: Vec::new(),
            len: 0,
        }
    }
}

impl<T> Slab<T> {
    /// Stores a value. The index is at most the number of values ever stored at once.
    pub(crate) fn insert(&mut self, value: T) -> u32 {
        if let Some(index) = self.reuse() {
            self[index] = value;
            return index;
        }
        let index = self.len;
        self.len += 1;
        if index as usize & (CHUNK - 1) == 0 {
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
        self.chunks[(index >> CHUNK_BITS) as usize].push(value);
        index
    }

    /// The index the next value will get.
    pub(crate) fn next_index(&self) -> u32 {
        self.free.last().copied().unwrap_or(self.len)
    }

    /// A freed index, in use again with the value it had.
    pub(crate) fn reuse(&mut self) -> Option<u32> {
        self.free.pop()
    }

    /// Frees an index; the value stays until it is used again, so let it own nothing that matters.
    pub(crate) fn remove(&mut self, index: u32) {
        self.free.push(index);
    }

    /// Values in use.
    pub(crate) fn len(&self) -> usize {
        self.len as usize - self.free.len()
    }

    /// One past the greatest index ever given.
    pub(crate) const fn bound(&self) -> u32 {
        self.len
    }

    pub(crate) fn get(&self, index: u32) -> Option<&T> {
        self.chunks
            .get((index >> CHUNK_BITS) as usize)?
            .get(index as usize & (CHUNK - 1))
    }
}

impl<T> std::ops::Index<u32> for Slab<T> {
    type Output = T;

    fn index(&self, index: u32) -> &T {
        &self.chunks[(index >> CHUNK_BITS) as usize][index as usize & (CHUNK - 1)]
    }
}

impl<T> std::ops::IndexMut<u32> for Slab<T> {
    fn index_mut(&mut self, index: u32) -> &mut T {
        &mut self.chunks[(index >> CHUNK_BITS) as usize][index as usize & (CHUNK - 1)]
    }
}
