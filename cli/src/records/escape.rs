//! Separators as a shell can say them.

use std::str::FromStr;

/// Bytes that are written with escapes: `\n`, `\r`, `\t`, `\0`, `\\` and `\x1e`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Text(pub(crate) Vec<u8>);

impl FromStr for Text {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes = Vec::with_capacity(text.len());
        let mut rest = text.chars();
        while let Some(c) = rest.next() {
            if c == '\\' {
                bytes.push(escaped(&mut rest)?);
            } else {
                bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
        Ok(Self(bytes))
    }
}

/// The byte that is meant by what follows a backslash.
pub(crate) fn escaped(rest: &mut std::str::Chars<'_>) -> Result<u8, String> {
    match rest.next() {
        Some('n') => Ok(b'\n'),
        Some('r') => Ok(b'\r'),
        Some('t') => Ok(b'\t'),
        Some('0') => Ok(0),
        Some('\\') => Ok(b'\\'),
        Some('x') => {
            let digit = |c: Option<char>| c.and_then(|c| c.to_digit(16));
            let byte = digit(rest.next()).zip(digit(rest.next())).map(|(high, low)| high * 16 + low);
            let byte = byte.and_then(|byte| u8::try_from(byte).ok());
            byte.ok_or_else(|| "after `\\x` come two hexadecimal digits".to_owned())
        }
        Some(other) => Err(format!("`\\{other}` means nothing: there are \\n, \\r, \\t, \\0, \\\\ and \\x1e")),
        None => Err("it ends in a single `\\`: write `\\\\` for one that is meant".to_owned()),
    }
}

/// Bytes that delimit or part: at least one.
pub(crate) fn separator(text: &str) -> Result<Text, String> {
    match text.parse()? {
        Text(bytes) if bytes.is_empty() => Err("it is empty, and would be found everywhere".to_owned()),
        text => Ok(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_undone() {
        for (text, bytes) in [
            ("", &b""[..]),
            (":", b":"),
            ("\\t", b"\t"),
            ("a\\n\\r\\0\\\\b", b"a\n\r\0\\b"),
            ("\\x1e\\xFf", b"\x1e\xff"),
            ("é|", "é|".as_bytes()),
        ] {
            assert_eq!(text.parse(), Ok(Text(bytes.to_owned())), "{text}");
        }
        for (text, reason) in [("\\", "single"), ("\\q", "`\\q`"), ("\\x1", "two hexadecimal"), ("\\xzz", "two hexa")] {
            let error = text.parse::<Text>().unwrap_err();
            assert!(error.contains(reason), "{text}: {error}");
        }
        assert!(separator("").unwrap_err().contains("empty"));
        assert_eq!(separator("\\t"), Ok(Text(vec![b'\t'])));
    }
}
