//! Whose certificate it is, in words.
//!
//! ```text
//! Certificate ─ tbsCertificate ─ [version] serial algorithm issuer validity SUBJECT …
//!                                                                          └ sets of (type, value)
//! ```
//!
//! Source: RFC 5280, 4.1; RFC 2253, as Java's `X500Principal.getName()` has it, which Kafka takes for the principal's
//! name: the last part first, known types by their keywords, other types and values in hexadecimal. Deviation: texts in
//! T.61, UCS-2 and the like are among the latter.

use std::fmt::Write;

const INTEGER: u8 = 0x02;
const OBJECT_IDENTIFIER: u8 = 0x06;
const UTF8_STRING: u8 = 0x0C;
const PRINTABLE_STRING: u8 = 0x13;
const IA5_STRING: u8 = 0x16;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const VERSION: u8 = 0xA0;

/// Signs that bear a meaning in a name.
const ESCAPED: &str = ",=+<>#;\"\\";

/// The types that have keywords.
const KEYWORDS: [(&[u8], &str); 9] = [
    (&[0x55, 4, 3], "CN"),
    (&[0x55, 4, 6], "C"),
    (&[0x55, 4, 7], "L"),
    (&[0x55, 4, 8], "ST"),
    (&[0x55, 4, 9], "STREET"),
    (&[0x55, 4, 10], "O"),
    (&[0x55, 4, 11], "OU"),
    (&[0x09, 0x92, 0x26, 0x89, 0x93, 0xF2, 0x2C, 0x64, 1, 1], "UID"),
    (&[0x09, 0x92, 0x26, 0x89, 0x93, 0xF2, 0x2C, 0x64, 1, 25], "DC"),
];

/// The subject's name of a certificate in DER; `None` for what is no certificate.
pub(super) fn subject(certificate: &[u8]) -> Option<String> {
    let mut certificate = Der(certificate).take(SEQUENCE)?;
    let mut signed = certificate.take(SEQUENCE)?;
    // Without a version it is the first one.
    let _ = signed.take(VERSION);
    signed.take(INTEGER)?;
    for _ in ["algorithm", "issuer", "validity"] {
        signed.take(SEQUENCE)?;
    }
    let mut subject = signed.take(SEQUENCE)?;
    let mut parts = Vec::new();
    while !subject.0.is_empty() {
        let mut set = subject.take(SET)?;
        let mut values = Vec::new();
        while !set.0.is_empty() {
            values.push(part(set.take(SEQUENCE)?)?);
        }
        parts.push(values.join("+"));
    }
    parts.reverse();
    Some(parts.join(","))
}

/// A type and its value.
fn part(mut part: Der<'_>) -> Option<String> {
    let kind = part.take(OBJECT_IDENTIFIER)?.0;
    let value = part.0;
    let (tag, content) = part.next()?;
    let keyword = KEYWORDS.iter().find(|(code, _)| *code == kind).map(|(_, keyword)| *keyword);
    let is_text = matches!(tag, UTF8_STRING | PRINTABLE_STRING | IA5_STRING);
    let mut said = match keyword {
        Some(keyword) => format!("{keyword}="),
        None => format!("{}=", dotted(kind)?),
    };
    if keyword.is_some() && is_text {
        escape(std::str::from_utf8(content).ok()?, &mut said);
    } else {
        said.push('#');
        value.iter().try_for_each(|byte| write!(said, "{byte:02x}")).ok()?;
    }
    Some(said)
}

fn escape(text: &str, to: &mut String) {
    let inner = text.trim_matches(' ');
    let (before, after) = if inner.is_empty() {
        (text.len(), 0)
    } else {
        let before = text.len() - text.trim_start_matches(' ').len();
        (before, text.len() - inner.len() - before)
    };
    to.push_str(&"\\ ".repeat(before));
    for sign in inner.chars() {
        match sign {
            '\0' => to.push_str("\\00"),
            sign if ESCAPED.contains(sign) => to.extend(['\\', sign]),
            sign => to.push(sign),
        }
    }
    to.push_str(&"\\ ".repeat(after));
}

/// A type in numbers: the first two are in the first one.
fn dotted(kind: &[u8]) -> Option<String> {
    let mut numbers = Vec::new();
    let mut number = 0_u64;
    for byte in kind {
        number = number.checked_mul(128)? + u64::from(byte & 0x7F);
        if byte & 0x80 == 0 {
            numbers.push(number);
            number = 0;
        }
    }
    let first = *numbers.first()?;
    let class = (first / 40).min(2);
    let mut said = format!("{class}.{}", first - class * 40);
    numbers.iter().skip(1).try_for_each(|number| write!(said, ".{number}")).ok()?;
    Some(said)
}

/// Elements one after another, each with a tag and a length before it.
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    /// The next one.
    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (tag, rest) = self.0.split_first()?;
        let (first, mut rest) = rest.split_first()?;
        let mut len = usize::from(*first);
        if len >= 0x80 {
            // The length of the length; four bytes are more than any certificate has.
            let (bytes, after) = rest.split_at_checked(len - 0x80).filter(|(bytes, _)| bytes.len() <= 4)?;
            len = bytes.iter().fold(0, |len, byte| len << 8 | usize::from(*byte));
            rest = after;
        }
        let (content, rest) = rest.split_at_checked(len)?;
        self.0 = rest;
        Some((*tag, content))
    }

    /// What is in the next one, if it is a `tag`; else it stays.
    fn take(&mut self, tag: u8) -> Option<Der<'a>> {
        let mut ahead = Der(self.0);
        let (_, content) = ahead.next().filter(|(found, _)| *found == tag)?;
        self.0 = ahead.0;
        Some(Der(content))
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use rcgen::{CertificateParams, DistinguishedName, DnType, DnValue, KeyPair};

    use super::*;

    fn of(parts: Vec<(DnType, DnValue)>) -> Vec<u8> {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.distinguished_name = DistinguishedName::new();
        for (kind, value) in parts {
            params.distinguished_name.push(kind, value);
        }
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    fn text(text: &str) -> DnValue {
        DnValue::Utf8String(text.to_owned())
    }

    #[test]
    fn a_name_is_said_as_java_says_it() {
        let said = |parts| subject(&of(parts)).unwrap();
        let printable = DnValue::PrintableString("AT".try_into().unwrap());
        let parts = vec![
            (DnType::CountryName, printable),
            (DnType::OrganizationName, text("Müller, Söhne + Co")),
            (DnType::OrganizationalUnitName, text(" a=\"b\" ")),
            (DnType::CommonName, text("service-1")),
        ];
        assert_eq!(said(parts), r#"CN=service-1,OU=\ a\=\"b\"\ ,O=Müller\, Söhne \+ Co,C=AT"#);
        assert_eq!(said(vec![]), "");
        assert_eq!(said(vec![(DnType::CommonName, text("  "))]), r"CN=\ \ ");
        // An address of e-mail has no keyword, and a BMPString is no text here.
        let mail = DnType::CustomDnType(vec![1, 2, 840, 113_549, 1, 9, 1]);
        assert_eq!(
            said(vec![(mail, DnValue::Ia5String("a@b".try_into().unwrap()))]),
            "1.2.840.113549.1.9.1=#1603614062"
        );
        let wide = DnValue::BmpString("é".try_into().unwrap());
        assert_eq!(said(vec![(DnType::CommonName, wide)]), "CN=#1e0200e9");
        let long = "x".repeat(3_000);
        assert_eq!(said(vec![(DnType::CommonName, text(&long))]), format!("CN={long}"));
    }

    /// Made by OpenSSL; the name is what Java's `X500Principal.getName()` says of it.
    const STRANGE: &str = "MIIB8TCCAZegAwIBAgIUdnYQkM03ttkh0l8Z2hYwoPvfvTYwCgYIKoZIzj0EAwIwTjELMAkGA1UEBhMCQVQxFjAIBgNVBAMMAWIw\
         CgYDVQQLDANhI3gxDDAKBgNVBAgMA1M7dDELMAkGA1UEDAwCRHIxDDAKBgNVBAkMA3MgIDAeFw0yNjExMjMxMDExNTBaFw0yNjEy\
         MDIxMDExNTBaME4xCzAJBgNVBAYTAkFUMRYwCAYDVQQDDAFiMAoGA1UECwwDYSN4MQwwCgYDVQQIDANTO3QxCzAJBgNVBAwMAkRy\
         MQwwCgYDVQQJDANzICAwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAQe7gzPMFpsjoRHwUfsJ2rlK0iNb+XTNaW9hWa6EG3+qOyP\
         X+Km4WzMU/+I9uEEcZKtua2n78alb4y5S3MhpR8Co1MwUTAdBgNVHQ4EFgQUAurgEdwx/9+t970mgzGSH7pnKiYwHwYDVR0jBBgw\
         FoAUAurgEdwx/9+t970mgzGSH7pnKiYwDwYDVR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNIADBFAiBfgFi/DusctSW8iTJ3ons2\
         KEvmGzlNCMKG0Jvu2xhUiQIhAOVI/AD7wpEBqJer5tzyW5xohTLj9n9szOrKxUeN00aw";

    #[test]
    fn several_values_of_one_part_stay_together() {
        let certificate = base64::engine::general_purpose::STANDARD.decode(STRANGE).unwrap();
        let said = r"STREET=s\ \ ,2.5.4.12=#0c024472,ST=S\;t,CN=b+OU=a\#x,C=AT";
        assert_eq!(subject(&certificate).unwrap(), said);
    }

    #[test]
    fn what_is_no_certificate_has_no_name() {
        let whole = of(vec![(DnType::CommonName, text("me"))]);
        for len in 0..whole.len() {
            assert_eq!(subject(&whole[..len]), None);
        }
        // Whatever is wrong with it, it is no panic.
        for at in 0..whole.len() {
            let mut broken = whole.clone();
            for byte in [0, 0x7F, 0x80, 0x84, 0xFF] {
                broken[at] = byte;
                drop(subject(&broken));
            }
        }
    }
}
