//! Tokens of log-ins.

use bytes::Bytes;
use ottla_server::Mechanism;
use ottla_server::testing::LogIn;
use ottla_wire::net::answers_scram;
use ottla_wire::testing::Sampler;

use super::Verdict;

/// Between a client's tokens: it is in no text.
const NEXT: u8 = 0xfe;
/// Stands for the nonce that the server has said.
const NONCE: u8 = 0xfd;

/// A byte that says of which kind they are, and the tokens.
pub(super) fn tokens(sampler: &mut Sampler) -> Vec<u8> {
    let kind = sampler.below(4) as u8;
    let mut bytes = vec![kind];
    match kind {
        0 => bytes.extend_from_slice(b"\0user\0password"),
        1 | 2 => {
            bytes.extend_from_slice(if sampler.once_in(2) { b"n,,n=user,r=abc" } else { b"y,a=user,n=user,r=abc" });
            bytes.push(NEXT);
            bytes.extend_from_slice(b"c=biws,r=");
            bytes.push(NONCE);
            bytes.extend_from_slice(b",p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
        }
        // What a server says to a client.
        _ => bytes.extend_from_slice(b"r=nonceandmore,s=QSXCR+Q6sek8bf92,i=4096"),
    }
    bytes
}

/// Accepted is what was answered: no proof is right by chance.
pub(super) fn read(input: &Bytes) -> Verdict {
    let Some((&kind, rest)) = input.split_first() else { return Verdict::Refused };
    let mechanism = match kind % 4 {
        0 => Mechanism::Plain,
        1 => Mechanism::ScramSha256,
        2 => Mechanism::ScramSha512,
        _ => return answers_scram(rest, "nonce").into(),
    };
    let mut log_in = LogIn::by(mechanism);
    let mut said = Bytes::new();
    let mut answered = false;
    for token in rest.split(|byte| *byte == NEXT) {
        let nonce = said.strip_prefix(b"r=").and_then(|said| said.split(|byte| *byte == b',').next());
        let nonce = nonce.unwrap_or_default();
        let token: Vec<u8> = token
            .iter()
            .flat_map(|byte| if *byte == NONCE { nonce } else { std::slice::from_ref(byte) })
            .copied()
            .collect();
        match log_in.token(&token) {
            Some(answer) => (said, answered) = (answer, true),
            None => break,
        }
    }
    answered.into()
}
