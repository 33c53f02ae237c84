//! SASL SCRAM (RFC 5802): the client proves that it knows the password without telling it.
//!
//! ```text
//! client: n,,n=user,r=CLIENT
//! server: r=CLIENTSERVER,s=salt,i=iterations
//! client: c=biws,r=CLIENTSERVER,p=proof
//! server: v=signature
//! ```

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use ottla_broker_core::api::ScramMechanism;
use ottla_broker_core::metadata::ScramKeys;
use ottla_broker_core::planted::is_planted;

use super::Refused;
use super::credentials::{Credentials, of_nobody};
use super::hash::{hash, hmac, is_same};

/// A log-in whose first half is done.
pub(crate) struct Scram {
    mechanism: ScramMechanism,
    user: String,
    keys: ScramKeys,
    is_known: bool,
    /// What the client must repeat of its first message, in base64.
    channel_binding: String,
    nonce: String,
    /// The client's first message without what precedes it, and the server's.
    said: String,
}

impl Scram {
    /// Takes the client's first message, and answers it.
    ///
    /// # Errors
    /// [`Refused::Malformed`]. An unknown user is refused in the end, like a wrong password.
    pub(super) fn begin(
        mechanism: ScramMechanism,
        token: &[u8],
        server_nonce: &str,
        credentials: &dyn Credentials,
        secret: &[u8],
    ) -> Result<(Self, String), Refused> {
        let malformed = Refused::Malformed("a SCRAM client's first message is `n,,n=user,r=nonce`");
        let text = std::str::from_utf8(token).map_err(|_| malformed.clone())?;
        let mut parts = text.splitn(3, ',');
        let (Some(flag), Some(authorization), Some(bare)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(malformed);
        };
        // `p=`: the client wants the log-in to be bound to TLS, which is not offered.
        if !matches!(flag, "n" | "y") {
            return Err(malformed);
        }
        let mut fields = bare.split(',');
        let user = fields.next().and_then(|field| field.strip_prefix("n=")).and_then(unescape);
        let nonce = fields.next().and_then(|field| field.strip_prefix("r="));
        let (Some(user), Some(client_nonce)) = (user.filter(|user| !user.is_empty()), nonce) else {
            return Err(malformed);
        };
        if client_nonce.is_empty() {
            return Err(malformed);
        }
        let acts_for = authorization.strip_prefix("a=").and_then(unescape);
        if !authorization.is_empty() && acts_for.as_deref() != Some(user.as_str()) {
            return Err(Refused::Malformed("a client cannot act for another user"));
        }
        let found = credentials.keys(&user, mechanism);
        let is_known = found.is_some();
        let keys = found.unwrap_or_else(|| of_nobody(mechanism, secret, &user));
        let nonce = format!("{client_nonce}{server_nonce}");
        let answer = format!("r={nonce},s={},i={}", BASE64.encode(&keys.salt), keys.iterations);
        let channel_binding = BASE64.encode(format!("{flag},{authorization},"));
        let said = format!("{bare},{answer}");
        Ok((Self { mechanism, user, keys, is_known, channel_binding, nonce, said }, answer))
    }

    pub(super) const fn mechanism(&self) -> ScramMechanism {
        self.mechanism
    }

    /// Takes the client's second message: who it is, and the answer, which proves that the server knows it too.
    ///
    /// # Errors
    /// [`Refused`].
    pub(super) fn finish(self, token: &[u8]) -> Result<(String, String), Refused> {
        let malformed = || Refused::Malformed("a SCRAM client's last message is `c=binding,r=nonce,p=proof`");
        let text = std::str::from_utf8(token).map_err(|_| malformed())?;
        let (without_proof, proof) = text.rsplit_once(",p=").ok_or_else(malformed)?;
        let mut fields = without_proof.split(',');
        let binding = fields.next().and_then(|field| field.strip_prefix("c=")).ok_or_else(malformed)?;
        let nonce = fields.next().and_then(|field| field.strip_prefix("r=")).ok_or_else(malformed)?;
        let proof = BASE64.decode(proof).map_err(|_| malformed())?;
        if binding != self.channel_binding {
            return Err(malformed());
        }
        // What is signed has both nonces in it: this only tells a client sooner. librdkafka before 2.6.1, which Debian's
        // kcat has, puts its own before them once more; Kafka 3.9 takes that, and 4.0 does not any more.
        let is_exact = is_planted("scram-nonce-exact");
        if nonce != self.nonce && (is_exact || !nonce.ends_with(&self.nonce)) {
            return Err(Refused::Wrong);
        }
        let said = format!("{},{without_proof}", self.said);
        let signature = hmac(self.mechanism, &self.keys.stored_key, said.as_bytes());
        if proof.len() != signature.len() {
            return Err(Refused::Wrong);
        }
        let client_key: Vec<u8> = proof.iter().zip(&signature).map(|(one, other)| one ^ other).collect();
        let proven = is_same(&hash(self.mechanism, &client_key), &self.keys.stored_key);
        let let_in = proven && self.is_known || is_planted("scram-proof-unchecked");
        if !let_in {
            return Err(Refused::Wrong);
        }
        let verifier = hmac(self.mechanism, &self.keys.server_key, said.as_bytes());
        Ok((self.user, format!("v={}", BASE64.encode(verifier))))
    }
}

/// A name as it is meant: `=2C` is a comma and `=3D` an equals sign, and nothing else begins with one.
fn unescape(text: &str) -> Option<String> {
    let mut parts = text.split('=');
    let mut name = parts.next()?.to_owned();
    for part in parts {
        let (sign, rest) = (part.strip_prefix("2C").map(|rest| (',', rest)))
            .or_else(|| part.strip_prefix("3D").map(|rest| ('=', rest)))?;
        name.push(sign);
        name.push_str(rest);
    }
    Some(name)
}
