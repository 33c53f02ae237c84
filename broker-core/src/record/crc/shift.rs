//! What a sum becomes when zeros follow: multiplied by a power of x, modulo the polynomial.
//!
//! For runs `a` and `b`, crc(ab) is crc(a) moved on by the length of `b`, xor crc(b): what a CRC begins and ends with cancels
//! out. The libraries' way to move it on squares a matrix for each bit of the length, which takes some 20 µs, as much as a
//! batch's own sum. With the powers in a table it is one multiplication for each byte of the length that is not zero.

/// Castagnoli's polynomial, the least power in the highest bit, as the sums have it.
const POLYNOMIAL: u32 = 0x82F6_3B78;
/// x⁰.
const ONE: u32 = 1 << 31;
/// x⁸: one byte of zeros.
const BYTE: u32 = 1 << 23;

/// `POWERS[n][d]`: what d · 256ⁿ bytes of zeros multiply by.
static POWERS: [[u32; 256]; size_of::<u32>()] = powers();

/// The sum `crc`, moved on by `bytes` of zeros; more than 4 Gi is none of a batch's.
pub(super) fn shifted(crc: u32, bytes: usize) -> u32 {
    let digits = u32::try_from(bytes).unwrap_or(u32::MAX).to_le_bytes();
    let mut moved = crc;
    for (powers, digit) in POWERS.iter().zip(digits) {
        if let Some(power) = powers.get(usize::from(digit)).filter(|_| digit != 0) {
            moved = product(moved, *power);
        }
    }
    moved
}

/// Of two polynomials, modulo Castagnoli's.
const fn product(a: u32, mut b: u32) -> u32 {
    let mut sum = 0;
    let mut bit = ONE;
    while bit != 0 {
        if a & bit != 0 {
            sum ^= b;
        }
        bit >>= 1;
        b = (b >> 1) ^ if b & 1 == 0 { 0 } else { POLYNOMIAL };
    }
    sum
}

#[allow(clippy::indexing_slicing, reason = "while compiling: an index out of bounds does not compile")]
const fn powers() -> [[u32; 256]; size_of::<u32>()] {
    let mut table = [[ONE; 256]; size_of::<u32>()];
    let mut base = BYTE;
    let mut n = 0;
    while n < table.len() {
        let mut d = 1;
        while d < 256 {
            table[n][d] = product(table[n][d - 1], base);
            d += 1;
        }
        base = product(table[n][255], base);
        n += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_what_zeros_do() {
        for bytes in [0_usize, 1, 2, 255, 256, 257, 65_535, 65_536, 70_001, 1 << 24, (1 << 24) + 77] {
            let zeros = vec![0; bytes];
            // The sum of a run alone, and behind another: their difference is the other, moved on.
            let alone = crc32c::crc32c(&zeros);
            let behind = crc32c::crc32c_append(0x1234_5678, &zeros);
            assert_eq!(behind ^ alone, shifted(0x1234_5678, bytes), "{bytes}");
        }
    }
}
