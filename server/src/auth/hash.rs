//! The two hash functions of SCRAM (RFC 5802, RFC 7677).

use hmac::{Hmac, KeyInit, Mac};
use ottla_broker_core::api::ScramMechanism;
use ottla_broker_core::metadata::ScramKeys;
use ottla_broker_core::planted::is_planted;
use sha2::{Digest, Sha256, Sha512};
use subtle::ConstantTimeEq;

/// Iterations of a password's hash after which others have their turn: about a tenth of a millisecond.
const PART: u32 = 128;

/// `HMAC(key, text)`.
pub(super) fn hmac(mechanism: ScramMechanism, key: &[u8], text: &[u8]) -> Vec<u8> {
    // A key of HMAC may have any length: there is no error to come.
    match mechanism {
        ScramMechanism::Sha256 => Hmac::<Sha256>::new_from_slice(key)
            .map(|mac| mac.chain_update(text).finalize().into_bytes().to_vec())
            .unwrap_or_default(),
        ScramMechanism::Sha512 => Hmac::<Sha512>::new_from_slice(key)
            .map(|mac| mac.chain_update(text).finalize().into_bytes().to_vec())
            .unwrap_or_default(),
    }
}

/// `H(text)`.
pub(super) fn hash(mechanism: ScramMechanism, text: &[u8]) -> Vec<u8> {
    match mechanism {
        ScramMechanism::Sha256 => Sha256::digest(text).to_vec(),
        ScramMechanism::Sha512 => Sha512::digest(text).to_vec(),
    }
}

/// Bytes of a hash.
pub(super) const fn hash_len(mechanism: ScramMechanism) -> usize {
    match mechanism {
        ScramMechanism::Sha256 => 32,
        ScramMechanism::Sha512 => 64,
    }
}

/// `SaltedPassword`.
pub(super) fn salted(mechanism: ScramMechanism, password: &[u8], salt: &[u8], iterations: u32) -> Vec<u8> {
    let mut salted = vec![0; hash_len(mechanism)];
    match mechanism {
        ScramMechanism::Sha256 => pbkdf2::pbkdf2_hmac::<Sha256>(password, salt, iterations, &mut salted),
        ScramMechanism::Sha512 => pbkdf2::pbkdf2_hmac::<Sha512>(password, salt, iterations, &mut salted),
    }
    salted
}

/// [`salted`], for passwords that anybody may send: it takes milliseconds, and others have their turn in between. Not
/// on a thread of its own: nothing is to be done faster, only nothing to be held up.
///
/// It is one block of PBKDF2 (RFC 8018, 5.2), since what is wanted is as long as the hash.
pub(super) async fn salted_in_parts<M: Mac + KeyInit + Clone>(
    password: &[u8],
    salt: &[u8],
    iterations: u32,
) -> Vec<u8> {
    // A key of HMAC may have any length: there is no error to come.
    let Ok(keyed) = <M as KeyInit>::new_from_slice(password) else { return Vec::new() };
    let mut last = keyed.clone().chain_update(salt).chain_update(1_u32.to_be_bytes()).finalize().into_bytes();
    let mut salted = last.to_vec();
    for iteration in 1..iterations {
        if iteration % PART == 0 && !is_planted("password-hashed-in-one") {
            tokio::task::yield_now().await;
        }
        last = keyed.clone().chain_update(&last).finalize().into_bytes();
        salted.iter_mut().zip(&last).for_each(|(byte, other)| *byte ^= other);
    }
    salted
}

/// What the metadata keep of a salted password.
pub(crate) fn keys(mechanism: ScramMechanism, salted_password: &[u8], salt: &[u8], iterations: i32) -> ScramKeys {
    let client_key = hmac(mechanism, salted_password, b"Client Key");
    ScramKeys {
        iterations,
        salt: salt.to_vec(),
        stored_key: hash(mechanism, &client_key),
        server_key: hmac(mechanism, salted_password, b"Server Key"),
    }
}

/// Whether a password is the one of `keys`. Takes as long whatever is wrong with it.
pub(super) async fn knows(mechanism: ScramMechanism, keys: &ScramKeys, password: &[u8]) -> bool {
    let iterations = u32::try_from(keys.iterations).unwrap_or(1).max(1);
    let salted_password = match mechanism {
        ScramMechanism::Sha256 => salted_in_parts::<Hmac<Sha256>>(password, &keys.salt, iterations).await,
        ScramMechanism::Sha512 => salted_in_parts::<Hmac<Sha512>>(password, &keys.salt, iterations).await,
    };
    let client_key = hmac(mechanism, &salted_password, b"Client Key");
    is_same(&hash(mechanism, &client_key), &keys.stored_key)
}

/// Whether two secrets are the same, without telling by the time it takes where they differ.
pub(super) fn is_same(one: &[u8], other: &[u8]) -> bool {
    one.ct_eq(other).into()
}
