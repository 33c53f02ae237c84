//! Bodies in `aws-chunked`: what the command-line tools send when they sign while they stream.
//!
//! ```text
//!   <length in hex>[;chunk-signature=…]\r\n <bytes> \r\n … 0[;…]\r\n [trailers \r\n]… \r\n
//! ```

use bytes::Bytes;

use super::answer::Refusal;

/// Bytes of the body without its frames.
pub(super) fn decode(body: &[u8]) -> Result<Bytes, Refusal> {
    let malformed = || Refusal::bad("IncompleteBody", "the aws-chunked body is malformed");
    let mut whole = Vec::with_capacity(body.len());
    let mut rest = body;
    loop {
        let end = rest.windows(2).position(|pair| pair == b"\r\n").ok_or_else(malformed)?;
        let (line, after) = rest.split_at_checked(end).ok_or_else(malformed)?;
        let after = after.get(2..).ok_or_else(malformed)?;
        let digits = line.split(|byte| *byte == b';').next().ok_or_else(malformed)?;
        let digits = std::str::from_utf8(digits).map_err(|_| malformed())?;
        let length = usize::from_str_radix(digits.trim(), 16).map_err(|_| malformed())?;
        if length == 0 {
            // Trailers hold checksums, which are not checked.
            return Ok(Bytes::from(whole));
        }
        let (chunk, after) = after.split_at_checked(length).ok_or_else(malformed)?;
        whole.extend_from_slice(chunk);
        rest = after.strip_prefix(b"\r\n").ok_or_else(malformed)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_joined_and_signatures_and_trailers_left_out() {
        let body = b"5;chunk-signature=abc\r\nhello\r\n6\r\n\r\n you\r\n0;chunk-signature=d\r\nx-amz-checksum-crc32:AAAA\r\n\r\n";
        assert_eq!(decode(body).unwrap(), b"hello\r\n you"[..]);
        assert_eq!(decode(b"0\r\n\r\n").unwrap(), b""[..]);
    }

    #[test]
    fn what_is_cut_or_lies_about_its_length_is_refused() {
        for body in
            [&b"5\r\nhell"[..], b"5\r\nhello", b"", b"g\r\n", b"ffffffffffffffff\r\nx\r\n", b"2\r\nhello\r\n0\r\n"]
        {
            assert_eq!(decode(body).unwrap_err().code, "IncompleteBody", "{body:?}");
        }
    }
}
