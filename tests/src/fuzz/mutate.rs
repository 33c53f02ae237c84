//! Small changes, of the kinds that break decoders.

use ottla_wire::testing::Sampler;

/// Numbers at which decoders err.
const NUMBERS: [i64; 18] = [
    0,
    1,
    2,
    -1,
    -2,
    127,
    128,
    255,
    256,
    i16::MAX as i64,
    i16::MIN as i64,
    1 << 16,
    1 << 20,
    1 << 30,
    i32::MAX as i64,
    i32::MIN as i64,
    i64::MAX,
    i64::MIN,
];

/// No input grows beyond it.
const LONGEST: usize = 64 << 10;

/// Changes `bytes` in one place, behind the first `fixed`.
pub(super) fn mutate(bytes: &mut Vec<u8>, fixed: usize, sampler: &mut Sampler) {
    let fixed = fixed.min(bytes.len());
    let (len, at) = (bytes.len(), place(bytes, fixed, sampler));
    match sampler.below(10) {
        0 => overwrite(bytes, at, |byte| byte ^ (1 << sampler.below(8))),
        1 => overwrite(bytes, at, |_| byte(sampler.next())),
        2 => write(bytes, at, &number(len, sampler).to_be_bytes()[6..]),
        3 => write(bytes, at, &number(len, sampler).to_be_bytes()[4..]),
        4 => write(bytes, at, &number(len, sampler).to_be_bytes()),
        5 => {
            let varint = varint(number(len, sampler));
            write(bytes, at, &varint);
        }
        6 => {
            let more: Vec<u8> = (0..1 + sampler.below(8)).map(|_| byte(sampler.next())).collect();
            insert(bytes, at, &more);
        }
        7 => {
            let end = place(bytes, at, sampler);
            bytes.drain(at..end);
        }
        8 => bytes.truncate(at),
        _ => {
            let end = place(bytes, at, sampler).min(at + 256);
            let again = bytes.get(at..end).unwrap_or_default().to_vec();
            let to = place(bytes, fixed, sampler);
            insert(bytes, to, &again);
        }
    }
}

/// A place from `first` on, the end included.
fn place(bytes: &[u8], first: usize, sampler: &mut Sampler) -> usize {
    let places = bytes.len().saturating_sub(first) + 1;
    first + usize::try_from(sampler.below(places as u64)).unwrap_or(0)
}

fn byte(number: u64) -> u8 {
    number.to_le_bytes()[0]
}

/// A number that is one of the known ones or near the length.
fn number(len: usize, sampler: &mut Sampler) -> i64 {
    let len = i64::try_from(len).unwrap_or(0);
    match sampler.below(4) {
        0 => len + i64::from(byte(sampler.next())) - 128,
        1 => i64::from(byte(sampler.next())),
        _ => {
            let at = usize::try_from(sampler.below(NUMBERS.len() as u64)).unwrap_or(0);
            NUMBERS.get(at).copied().unwrap_or(0)
        }
    }
}

/// As the flexible form and records have them: seven bits a byte.
fn varint(number: i64) -> Vec<u8> {
    let mut rest = number.cast_unsigned();
    let mut bytes = Vec::new();
    while rest >= 0x80 {
        bytes.push(byte(rest) | 0x80);
        rest >>= 7;
    }
    bytes.push(byte(rest));
    bytes
}

fn overwrite(bytes: &mut [u8], at: usize, change: impl FnOnce(u8) -> u8) {
    if let Some(byte) = bytes.get_mut(at) {
        *byte = change(*byte);
    }
}

fn write(bytes: &mut [u8], at: usize, what: &[u8]) {
    for (byte, new) in bytes.iter_mut().skip(at).zip(what) {
        *byte = *new;
    }
}

fn insert(bytes: &mut Vec<u8>, at: usize, what: &[u8]) {
    if bytes.len() + what.len() <= LONGEST {
        bytes.splice(at..at, what.iter().copied());
    }
}
