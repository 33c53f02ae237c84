//! CRC-32 (IEEE 802.3), a byte at a time: keys are short, and this spares a dependency.

const POLYNOMIAL: u32 = 0xEDB8_8320;

#[expect(clippy::indexing_slicing, reason = "a constant: an index out of range would not compile")]
const TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut i = 0;
    while i < 256 {
        let mut crc = i as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ POLYNOMIAL } else { crc >> 1 };
            bit += 1;
        }
        table[i] = crc;
        i += 1;
    }
    table
};

/// The checksum of `data`.
pub(super) fn checksum(data: &[u8]) -> u32 {
    !data.iter().fold(u32::MAX, |crc, &byte| {
        let entry = TABLE.get(usize::from(crc as u8 ^ byte)).copied().unwrap_or_default();
        (crc >> 8) ^ entry
    })
}
