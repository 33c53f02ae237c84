//! Who the client is: SASL PLAIN (RFC 4616) and SCRAM (RFC 5802, RFC 7677).
//!
//! ```text
//! client: n,,n=user,r=CLIENT
//! server: r=CLIENTSERVER,s=salt,i=iterations
//! client: c=biws,r=CLIENTSERVER,p=proof
//! server: v=signature
//! ```

use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use ottla_broker_core::api::ScramMechanism;
use ottla_broker_core::planted::is_planted;
use sha2::{Digest, Sha256, Sha512};

/// How often a password may be hashed: less than RFC 7677 wants would be a way to guess it, and more than
/// brokers take would only keep this client busy.
const ITERATIONS: std::ops::RangeInclusive<u32> = 4_096..=131_072;

/// How a client says who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// PLAIN: the password itself. Whoever listens has it, unless the connection is encrypted.
    Plain,
    /// SCRAM: a proof that the client knows the password, and one that the broker does.
    Scram(ScramMechanism),
}

impl Mechanism {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Plain, Self::Scram(ScramMechanism::Sha256), Self::Scram(ScramMechanism::Sha512)];

    /// Its name in SASL.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::Scram(mechanism) => mechanism.name(),
        }
    }
}

/// Who the client is. The password is shown nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// How to say it.
    pub mechanism: Mechanism,
    /// The user.
    pub user: Arc<str>,
    /// The password.
    pub password: Arc<str>,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Login");
        shown.field("mechanism", &self.mechanism).field("user", &self.user);
        shown.finish_non_exhaustive()
    }
}

impl Login {
    /// The whole of PLAIN.
    pub(super) fn plain(&self) -> Vec<u8> {
        format!("\0{}\0{}", self.user, self.password).into_bytes()
    }
}

/// A SCRAM log-in, from the client's side.
pub(super) struct Scram<'a> {
    login: &'a Login,
    mechanism: ScramMechanism,
    nonce: &'a str,
}

/// Answers a broker's first message of a SCRAM log-in, for fuzzing, and says whether it is one. `nonce` is what the
/// client has said.
#[cfg(feature = "testing")]
#[must_use]
pub fn answers_scram(said: &[u8], nonce: &str) -> bool {
    let (user, password) = (Arc::from("user"), Arc::from("password"));
    let mechanism = ScramMechanism::Sha256;
    let login = Login { mechanism: Mechanism::Scram(mechanism), user, password };
    Scram::new(&login, mechanism, nonce).second(said).is_ok()
}

/// What the broker must prove in the end.
pub(super) struct Expected(String);

impl<'a> Scram<'a> {
    pub(super) const fn new(login: &'a Login, mechanism: ScramMechanism, nonce: &'a str) -> Self {
        Self { login, mechanism, nonce }
    }

    fn bare(&self) -> String {
        format!("n={},r={}", self.login.user.replace('=', "=3D").replace(',', "=2C"), self.nonce)
    }

    pub(super) fn first(&self) -> String {
        format!("n,,{}", self.bare())
    }

    /// Answers the broker's first message.
    pub(super) fn second(&self, said: &[u8]) -> Result<(String, Expected), &'static str> {
        let text = std::str::from_utf8(said).map_err(|_| "its SCRAM message is no text")?;
        let field = |name| text.split(',').find_map(|field| field.strip_prefix(name));
        let (Some(nonce), Some(salt), Some(iterations)) = (field("r="), field("s="), field("i=")) else {
            return Err("its SCRAM message is not `r=nonce,s=salt,i=iterations`");
        };
        if nonce.len() <= self.nonce.len() || !nonce.starts_with(self.nonce) {
            return Err("its SCRAM nonce does not begin with this client's");
        }
        let salt = BASE64.decode(salt).map_err(|_| "its SCRAM salt is not base64")?;
        let iterations: u32 = iterations.parse().map_err(|_| "its SCRAM iterations are no number")?;
        if !ITERATIONS.contains(&iterations) {
            return Err("its SCRAM iterations are not from 4096 to 131072");
        }
        let without_proof = format!("c=biws,r={nonce}");
        let signed = format!("{},{text},{without_proof}", self.bare());
        let salted = self.salted(&salt, iterations);
        let client_key = self.hmac(&salted, b"Client Key");
        let signature = self.hmac(&self.hash(&client_key), signed.as_bytes());
        let proof: Vec<u8> = client_key.iter().zip(&signature).map(|(one, other)| one ^ other).collect();
        let verifier = self.hmac(&self.hmac(&salted, b"Server Key"), signed.as_bytes());
        Ok((format!("{without_proof},p={}", BASE64.encode(proof)), Expected(format!("v={}", BASE64.encode(verifier)))))
    }

    fn salted(&self, salt: &[u8], iterations: u32) -> Vec<u8> {
        let password = self.login.password.as_bytes();
        match self.mechanism {
            ScramMechanism::Sha256 => {
                let mut salted = vec![0; 32];
                pbkdf2::pbkdf2_hmac::<Sha256>(password, salt, iterations, &mut salted);
                salted
            }
            ScramMechanism::Sha512 => {
                let mut salted = vec![0; 64];
                pbkdf2::pbkdf2_hmac::<Sha512>(password, salt, iterations, &mut salted);
                salted
            }
        }
    }

    fn hash(&self, text: &[u8]) -> Vec<u8> {
        match self.mechanism {
            ScramMechanism::Sha256 => Sha256::digest(text).to_vec(),
            ScramMechanism::Sha512 => Sha512::digest(text).to_vec(),
        }
    }

    fn hmac(&self, key: &[u8], text: &[u8]) -> Vec<u8> {
        // A key of HMAC may have any length: there is no error to come.
        match self.mechanism {
            ScramMechanism::Sha256 => Hmac::<Sha256>::new_from_slice(key)
                .map(|mac| mac.chain_update(text).finalize().into_bytes().to_vec())
                .unwrap_or_default(),
            ScramMechanism::Sha512 => Hmac::<Sha512>::new_from_slice(key)
                .map(|mac| mac.chain_update(text).finalize().into_bytes().to_vec())
                .unwrap_or_default(),
        }
    }
}

impl Expected {
    /// Whether the broker has proven that it knows the password too.
    pub(super) fn is(&self, said: &[u8]) -> bool {
        said == self.0.as_bytes() || is_planted("scram-broker-unverified")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login() -> Login {
        Login {
            mechanism: Mechanism::Scram(ScramMechanism::Sha256),
            user: Arc::from("user"),
            password: Arc::from("pencil"),
        }
    }

    const SAID: &str = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";

    /// The example of RFC 7677, section 3.
    #[test]
    fn scram_is_as_in_its_rfc() {
        let login = login();
        let scram = Scram::new(&login, ScramMechanism::Sha256, "rOprNGfwEbeRWgbNEkqO");
        assert_eq!(scram.first(), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        let (second, expected) = scram.second(SAID.as_bytes()).unwrap();
        assert_eq!(
            second,
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
        );
        assert!(expected.is(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="));
        assert!(!expected.is(b"v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="));
    }

    #[test]
    fn a_broker_that_cheats_is_refused() {
        let login = login();
        let scram = Scram::new(&login, ScramMechanism::Sha256, "rOprNGfwEbeRWgbNEkqO");
        for (from, to) in
            [("r=rOp", "r=xOp"), ("i=4096", "i=1"), ("i=4096", "i=4000000000"), ("s=W", "s=%"), (",i=", ",j=")]
        {
            assert!(scram.second(SAID.replace(from, to).as_bytes()).is_err(), "{to}");
        }
        let shown = format!("{login:?}");
        assert!(shown.contains("user") && !shown.contains("pencil"), "{shown}");
    }

    #[test]
    fn names_with_signs_are_escaped() {
        let login = Login { user: Arc::from("a=b,c"), ..login() };
        assert_eq!(Scram::new(&login, ScramMechanism::Sha512, "x").first(), "n,,n=a=3Db=2Cc,r=x");
    }
}
