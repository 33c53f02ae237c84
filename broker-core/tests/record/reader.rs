//! The checked reader.

use bytes::Bytes;
use ottla_broker_core::record::{Malformed, Reader, Truncated, share, take_front};
use proptest::prelude::*;

/// Seven bits a byte, lowest first: written out here on its own, to hold the reader against.
fn uvarint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let (low, rest) = ((value & 0x7f) as u8, value >> 7);
        bytes.push(if rest == 0 { low } else { low | 0x80 });
        if rest == 0 {
            return bytes;
        }
        value = rest;
    }
}

fn zigzag(value: i64) -> u64 {
    let doubled = value.unsigned_abs().wrapping_mul(2);
    if value < 0 { doubled.wrapping_sub(1) } else { doubled }
}

proptest! {
    #[test]
    fn varints_are_read(value: i32, unsigned: u32, at_most in 0..63_u32, behind in 0..4_usize) {
        let wide = i64::from(value) << (at_most / 2);
        let encoded = [uvarint(zigzag(value.into())), uvarint(zigzag(wide)), uvarint(unsigned.into())].concat();
        let bytes = [&encoded[..], &vec![0xff; behind]].concat();
        let mut reader = Reader::new(&bytes);
        prop_assert_eq!(reader.try_varint(), Ok(value));
        prop_assert_eq!(reader.try_varlong(), Ok(wide));
        prop_assert_eq!(reader.try_uvarint(), Ok(unsigned));
        prop_assert_eq!((reader.position(), reader.remaining()), (encoded.len(), behind));
    }

    #[test]
    fn a_varint_that_is_cut_off_is_seen(value: i64) {
        let bytes = uvarint(zigzag(value));
        let mut reader = Reader::new(&bytes[..bytes.len() - 1]);
        prop_assert!(matches!(reader.try_varlong(), Err(Malformed::Truncated(_))));
        prop_assert_eq!(reader.position(), 0);
    }
}

#[test]
fn varints_end_at_their_types() {
    let long = |value| Reader::new(&uvarint(zigzag(value))).try_varlong();
    assert_eq!((long(i64::MIN), long(i64::MAX)), (Ok(i64::MIN), Ok(i64::MAX)));
    let int = |value| Reader::new(&uvarint(zigzag(value))).try_varint();
    assert_eq!((int(i32::MIN.into()), int(i32::MAX.into())), (Ok(i32::MIN), Ok(i32::MAX)));
    assert_eq!(int(i64::from(i32::MAX) + 1), Err(Malformed::VarintRange));
    assert_eq!(Reader::new(&[0x80; 5]).try_varint(), Err(Malformed::VarintRange));
    assert_eq!(Reader::new(&[0xff; 10]).try_varlong(), Err(Malformed::VarintRange));
    let over = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02];
    assert_eq!(Reader::new(&over).try_varlong(), Err(Malformed::VarintRange), "a bit beyond the 64th");
}

#[test]
fn nothing_is_taken_beyond_the_end() {
    let bytes = Bytes::from_static(b"\x01\x02\x03");
    let mut reader = Reader::shared(&bytes);
    assert_eq!(reader.try_i32(), Err(Truncated { needed: 4, remaining: 3 }));
    assert_eq!(reader.try_take(usize::MAX), Err(Truncated { needed: usize::MAX, remaining: 3 }));
    assert_eq!(reader.try_u16(), Ok(0x0102));
    let shared = reader.try_take_bytes(1).unwrap();
    assert_eq!(shared.as_ptr(), bytes[2..].as_ptr(), "shared, not copied");
    assert!(reader.is_empty());
    assert!(reader.try_take_bytes(1).is_err());
    assert_eq!(reader.try_take(0), Ok(&[][..]));
}

#[test]
fn ranges_are_checked() {
    let mut bytes = Bytes::from_static(b"abc");
    assert_eq!(share(&bytes, 1..3), Ok(Bytes::from_static(b"bc")));
    assert_eq!(share(&bytes, 3..3), Ok(Bytes::new()));
    assert!(share(&bytes, 2..4).is_err());
    assert!(share(&bytes, 4..4).is_err());
    assert!(take_front(&mut bytes, 4).is_err());
    assert_eq!(take_front(&mut bytes, 2), Ok(Bytes::from_static(b"ab")));
    assert_eq!(bytes, "c");
}
