//! SCRAM against the examples of the RFCs, and what is refused.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use futures::FutureExt;
use hmac::Hmac;
use ottla_broker_core::api::ScramMechanism;
use ottla_broker_core::metadata::ScramKeys;
use sha2::{Sha256, Sha512};
use tokio::sync::Semaphore;

use super::Refused;
use super::credentials::Credentials;
use super::hash::{hash, hmac, keys, salted, salted_in_parts};
use super::plain;
use super::scram::Scram;

const SECRET: &[u8] = b"secret";
const SHA256: ScramMechanism = ScramMechanism::Sha256;

#[derive(Debug)]
struct Known(BTreeMap<(String, ScramMechanism), ScramKeys>);

impl Credentials for Known {
    fn keys(&self, user: &str, mechanism: ScramMechanism) -> Option<ScramKeys> {
        self.0.get(&(user.to_owned(), mechanism)).cloned()
    }
}

fn known(user: &str, password: &str, mechanism: ScramMechanism, salt: &[u8]) -> Known {
    let salted_password = salted(mechanism, password.as_bytes(), salt, 4_096);
    let keys = keys(mechanism, &salted_password, salt, 4_096);
    Known(BTreeMap::from([((user.to_owned(), mechanism), keys)]))
}

/// RFC 7677's user.
fn rfc() -> Known {
    known("user", "pencil", SHA256, &BASE64.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap())
}

const FIRST: &[u8] = b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
const SERVER_NONCE: &str = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
const LAST: &str = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                    p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";

#[test]
fn the_exchange_of_rfc_7677() {
    let (scram, answer) = Scram::begin(SHA256, FIRST, SERVER_NONCE, &rfc(), SECRET).unwrap();
    assert_eq!(answer, "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");
    let (user, verifier) = scram.finish(LAST.as_bytes()).unwrap();
    assert_eq!((user.as_str(), verifier.as_str()), ("user", "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="));
}

#[test]
fn a_wrong_proof_another_nonce_and_another_binding_are_refused() {
    let finish = |last: &str| {
        let (scram, _) = Scram::begin(SHA256, FIRST, SERVER_NONCE, &rfc(), SECRET).unwrap();
        scram.finish(last.as_bytes()).unwrap_err()
    };
    assert_eq!(finish(&LAST.replace("p=dHzb", "p=dHzc")), Refused::Wrong);
    assert_eq!(finish(&LAST.replace("k0,", "k1,")), Refused::Wrong);
    assert!(matches!(finish(&LAST.replace("biws", "eSws")), Refused::Malformed(_)));
    assert!(matches!(finish("c=biws"), Refused::Malformed(_)));
    // A proof for the exchange with another nonce is no proof for this one, even by whoever heard it.
    let (replayed, _) = Scram::begin(SHA256, FIRST, "other", &rfc(), SECRET).unwrap();
    assert_eq!(replayed.finish(LAST.as_bytes()).unwrap_err(), Refused::Wrong);
}

/// As a client of before librdkafka 2.6.1 says it, and proves it.
#[test]
fn a_nonce_with_the_clients_own_before_it_is_taken() {
    let salt = BASE64.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
    let client_key = hmac(SHA256, &salted(SHA256, b"pencil", &salt, 4_096), b"Client Key");
    let answered = |nonce: &str, signed: &str| {
        let (scram, answer) = Scram::begin(SHA256, FIRST, SERVER_NONCE, &rfc(), SECRET).unwrap();
        let said = format!("n=user,r=rOprNGfwEbeRWgbNEkqO,{answer},c=biws,r={signed}");
        let signature = hmac(SHA256, &hash(SHA256, &client_key), said.as_bytes());
        let proof: Vec<u8> = client_key.iter().zip(&signature).map(|(one, other)| one ^ other).collect();
        scram.finish(format!("c=biws,r={nonce},p={}", BASE64.encode(proof)).as_bytes())
    };
    let doubled = format!("rOprNGfwEbeRWgbNEkqOrOprNGfwEbeRWgbNEkqO{SERVER_NONCE}");
    assert_eq!(answered(&doubled, &doubled).unwrap().0, "user");
    // What was said is what was signed, and the server's part is in it.
    let alone = format!("rOprNGfwEbeRWgbNEkqO{SERVER_NONCE}");
    assert_eq!(answered(&doubled, &alone).unwrap_err(), Refused::Wrong);
    assert_eq!(answered("rOprNGfwEbeRWgbNEkqO", "rOprNGfwEbeRWgbNEkqO").unwrap_err(), Refused::Wrong);
}

#[test]
fn an_unknown_user_is_told_no_more_than_one_with_a_wrong_password() {
    let first = b"n,,n=nobody,r=abc";
    let (scram, answer) = Scram::begin(SHA256, first, "x", &rfc(), SECRET).unwrap();
    let (_, again) = Scram::begin(SHA256, first, "x", &rfc(), SECRET).unwrap();
    assert_eq!(answer, again, "its salt is always the same, as a real one");
    let last = "c=biws,r=abcx,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
    assert_eq!(scram.finish(last.as_bytes()).unwrap_err(), Refused::Wrong);
}

#[test]
fn first_messages_that_are_none_are_refused() {
    for first in [
        "",
        "n",
        "n,,",
        "n,,n=user",
        "p=tls-unique,,n=user,r=a",
        "n,,n=us=er,r=a",
        "n,a=other,n=user,r=a",
        "n,,n=user,r=",
    ] {
        let refused = Scram::begin(SHA256, first.as_bytes(), "x", &rfc(), SECRET).err().unwrap();
        assert!(matches!(refused, Refused::Malformed(_)), "{first}");
    }
    assert!(Scram::begin(SHA256, &[0xFF, 0xFE], "x", &rfc(), SECRET).is_err());
    let escaped = known("a,b=c", "pencil", SHA256, b"salt");
    let (_, answer) = Scram::begin(SHA256, b"n,,n=a=2Cb=3Dc,r=abc", "x", &escaped, SECRET).unwrap();
    assert!(answer.contains(&BASE64.encode("salt")), "the name is read as it is meant");
}

#[tokio::test]
async fn a_plain_password_is_compared_with_whatever_credential_there_is() {
    let hashing = Semaphore::new(1);
    for mechanism in ScramMechanism::ALL {
        let known = known("user", "pencil", *mechanism, b"salt");
        let check = |token: &'static [u8]| plain::check(token, &known, SECRET, &hashing);
        assert_eq!(check(b"\0user\0pencil").await.unwrap(), "user");
        assert_eq!(check(b"user\0user\0pencil").await.unwrap(), "user");
        assert_eq!(check(b"\0user\0pencils").await.unwrap_err(), Refused::Wrong);
        assert_eq!(check(b"\0nobody\0pencil").await.unwrap_err(), Refused::Wrong);
        for token in [&b""[..], b"\0user", b"\0user\0", b"\0\0pencil", b"other\0user\0pencil", b"\0user\0pencil\0"] {
            assert!(matches!(check(token).await, Err(Refused::Malformed(_))));
        }
    }
}

#[tokio::test]
async fn what_is_hashed_in_parts_is_hashed_as_at_once() {
    for iterations in [1, 2, 127, 128, 129, 4_096] {
        for password in [&b"p"[..], &[b'q'; 200]] {
            let parts = salted_in_parts::<Hmac<Sha256>>(password, b"salt", iterations).await;
            assert_eq!(parts, salted(SHA256, password, b"salt", iterations));
            let parts = salted_in_parts::<Hmac<Sha512>>(password, b"salt", iterations).await;
            assert_eq!(parts, salted(ScramMechanism::Sha512, password, b"salt", iterations));
        }
    }
}

#[tokio::test]
async fn others_have_their_turn_while_a_password_is_hashed() {
    let known = known("user", "pencil", SHA256, b"salt");
    let (hashing, turns) = (Semaphore::new(1), std::cell::Cell::new(0));
    let others = async {
        loop {
            turns.set(turns.get() + 1);
            tokio::task::yield_now().await;
        }
    };
    let check = Box::pin(plain::check(b"\0user\0pencil", &known, SECRET, &hashing));
    let checked = futures::future::select(check, Box::pin(others)).await;
    assert!(matches!(checked, futures::future::Either::Left((Ok(_), _))));
    assert!(turns.get() > 10, "{} turns", turns.get());
}

#[tokio::test]
async fn few_passwords_are_hashed_at_once() {
    let known = known("user", "pencil", SHA256, b"salt");
    let hashing = Semaphore::new(1);
    let other = hashing.acquire().await.unwrap();
    let mut check = Box::pin(plain::check(b"\0user\0pencil", &known, SECRET, &hashing));
    assert!((&mut check).now_or_never().is_none());
    // What needs no hash waits for nobody.
    assert!(plain::check(b"user", &known, SECRET, &hashing).await.is_err());
    drop(other);
    assert_eq!(check.await.unwrap(), "user");
}
