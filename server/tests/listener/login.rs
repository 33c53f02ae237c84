//! Who is let in.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use ottla_broker_core::error::ErrorCode;
use ottla_server::{Mechanism, set_password};
use ottla_wire::messages::{
    AlterUserScramCredentials, AlterUserScramCredentialsRequest, ApiVersions, ApiVersionsRequest,
    DescribeUserScramCredentials, DescribeUserScramCredentialsRequest, Metadata, MetadataRequest, SaslAuthenticate,
    SaslAuthenticateRequest, SaslAuthenticateResponse, SaslHandshake, SaslHandshakeRequest, ScramBytes, ScramDeletion,
    ScramUpsertion, Token,
};
use sha2::{Digest, Sha256};

use crate::support::{Client, World, limits, world_with_logins};

const ALL: [Mechanism; 3] = [Mechanism::Plain, Mechanism::ScramSha256, Mechanism::ScramSha512];

async fn world() -> World {
    let world = world_with_logins(limits(), &ALL).await;
    set_password(&world.broker, "alice", "wonder").await.unwrap();
    world
}

fn token(bytes: impl Into<Bytes>) -> SaslAuthenticateRequest {
    SaslAuthenticateRequest { token: Token(bytes.into()) }
}

async fn handshake(client: &mut Client, mechanism: &str, version: i16) -> (Option<ErrorCode>, usize) {
    let request = SaslHandshakeRequest { mechanism: mechanism.into() };
    let answer = client.ask::<SaslHandshake>(version, &request).await;
    (answer.error, answer.mechanisms.len())
}

async fn plain(client: &mut Client, token_bytes: &'static [u8]) -> SaslAuthenticateResponse {
    assert_eq!(handshake(client, "PLAIN", 1).await, (None, 3));
    client.ask::<SaslAuthenticate>(2, &token(token_bytes)).await
}

async fn is_served(client: &mut Client) -> bool {
    client.ask::<Metadata>(12, &MetadataRequest::default()).await.error.is_none()
}

#[tokio::test]
async fn a_password_lets_its_user_in() {
    let world = world().await;
    let mut client = world.client().await;
    client.ask::<ApiVersions>(3, &ApiVersionsRequest::default()).await;
    assert_eq!(plain(&mut client, b"\0alice\0wonder").await.error, None);
    assert!(is_served(&mut client).await);
    // Once is enough.
    let again = client.ask::<SaslHandshake>(1, &SaslHandshakeRequest { mechanism: "PLAIN".into() }).await;
    assert_eq!(again.error, Some(ErrorCode::IllegalSaslState));
    world.close().await;
}

#[tokio::test]
async fn a_wrong_password_is_told_and_ends_the_connection() {
    let world = world().await;
    let mut client = world.client().await;
    let answer = plain(&mut client, b"\0alice\0wander").await;
    assert_eq!(answer.error, Some(ErrorCode::SaslAuthenticationFailed));
    assert_eq!(client.frame().await, None);
    world.ended("refused_log_in").await;
    world.close().await;
}

#[tokio::test]
async fn nothing_is_served_before() {
    let world = world().await;
    let mut client = world.client().await;
    client.send::<Metadata>(12, &MetadataRequest::default()).await;
    assert_eq!(client.frame().await, None);
    world.ended("not_logged_in").await;
    world.close().await;
}

#[tokio::test]
async fn nor_is_a_large_request_taken_before() {
    let world = world().await;
    let mut client = world.client().await;
    client.write(&(100_i32 << 20).to_be_bytes()).await;
    assert_eq!(client.frame().await, None);
    world.ended("bad_frame").await;
    world.close().await;
}

#[tokio::test]
async fn a_mechanism_that_is_not_offered_is_told_with_those_that_are() {
    let world = world().await;
    let mut client = world.client().await;
    assert_eq!(handshake(&mut client, "GSSAPI", 1).await, (Some(ErrorCode::UnsupportedSaslMechanism), 3));
    assert_eq!(client.frame().await, None);
    world.ended("refused_log_in").await;
    world.close().await;
}

#[tokio::test]
async fn old_clients_send_bare_tokens() {
    let world = world().await;
    let mut client = world.client().await;
    assert_eq!(handshake(&mut client, "PLAIN", 0).await, (None, 3));
    client.write(&[0, 0, 0, 13]).await;
    client.write(b"\0alice\0wonder").await;
    assert_eq!(client.frame().await.unwrap(), Bytes::new());
    assert!(is_served(&mut client).await);
    world.close().await;
}

fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    Hmac::<Sha256>::new_from_slice(key).unwrap().chain_update(text).finalize().into_bytes().to_vec()
}

/// A client of SCRAM-SHA-256: whether the server let it in, and proved itself.
async fn scram(client: &mut Client, user: &str, password: &str) -> Result<(), ErrorCode> {
    assert_eq!(handshake(client, "SCRAM-SHA-256", 1).await, (None, 3));
    let bare = format!("n={user},r=clientnonce");
    let first = client.ask::<SaslAuthenticate>(2, &token(format!("n,,{bare}"))).await;
    assert_eq!(first.error, None);
    let first = String::from_utf8(first.token.0.to_vec()).unwrap();
    let field = |name: &str| first.split(',').find_map(|field| field.strip_prefix(name)).unwrap();
    let (nonce, salt) = (field("r="), BASE64.decode(field("s=")).unwrap());
    assert!(nonce.starts_with("clientnonce") && nonce.len() > 30);
    let mut salted = [0; 32];
    pbkdf2::pbkdf2_hmac::<Sha256>(password.as_bytes(), &salt, field("i=").parse().unwrap(), &mut salted);
    let without_proof = format!("c=biws,r={nonce}");
    let said = format!("{bare},{first},{without_proof}");
    let client_key = hmac(&salted, b"Client Key");
    let signature = hmac(&Sha256::digest(&client_key), said.as_bytes());
    let proof: Vec<u8> = client_key.iter().zip(&signature).map(|(one, other)| one ^ other).collect();
    let last = format!("{without_proof},p={}", BASE64.encode(proof));
    let last = client.ask::<SaslAuthenticate>(2, &token(last)).await;
    if let Some(code) = last.error {
        return Err(code);
    }
    let verifier = hmac(&hmac(&salted, b"Server Key"), said.as_bytes());
    assert_eq!(last.token.0, format!("v={}", BASE64.encode(verifier)));
    Ok(())
}

#[tokio::test]
async fn scram_lets_in_who_knows_the_password() {
    let world = world().await;
    let mut client = world.client().await;
    assert_eq!(scram(&mut client, "alice", "wonder").await, Ok(()));
    assert!(is_served(&mut client).await);
    for (user, password) in [("alice", "wander"), ("nobody", "wonder")] {
        let mut client = world.client().await;
        assert_eq!(scram(&mut client, user, password).await, Err(ErrorCode::SaslAuthenticationFailed));
        assert_eq!(client.frame().await, None);
    }
    world.close().await;
}

#[tokio::test]
async fn users_are_set_listed_and_deleted() {
    let world = world().await;
    let mut admin = world.client().await;
    plain(&mut admin, b"\0alice\0wonder").await;
    let mut salted = [0; 32];
    pbkdf2::pbkdf2_hmac::<Sha256>(b"pencil", b"salt", 5_000, &mut salted);
    let bob = |iterations| ScramUpsertion {
        user: "bob".into(),
        mechanism: 1,
        iterations,
        salt: ScramBytes(Bytes::from_static(b"salt")),
        salted_password: ScramBytes(Bytes::copy_from_slice(&salted)),
    };
    let set =
        |iterations| AlterUserScramCredentialsRequest { deletions: Vec::new(), upsertions: vec![bob(iterations)] };
    let weak = admin.ask::<AlterUserScramCredentials>(0, &set(100)).await;
    assert_eq!(weak.results[0].error, Some(ErrorCode::UnacceptableCredential));
    let done = admin.ask::<AlterUserScramCredentials>(0, &set(5_000)).await;
    assert_eq!(done.results[0].error, None);
    assert_eq!(scram(&mut world.client().await, "bob", "pencil").await, Ok(()));

    let users = admin.ask::<DescribeUserScramCredentials>(0, &DescribeUserScramCredentialsRequest::default()).await;
    let told: Vec<_> = users.users.iter().map(|user| (&*user.name, user.credentials.len())).collect();
    assert_eq!(told, [("alice", 2), ("bob", 1)]);

    let deletions = vec![ScramDeletion { user: "bob".into(), mechanism: 1 }];
    let gone = AlterUserScramCredentialsRequest { deletions, upsertions: Vec::new() };
    assert_eq!(admin.ask::<AlterUserScramCredentials>(0, &gone).await.results[0].error, None);
    let refused = scram(&mut world.client().await, "bob", "pencil").await;
    assert_eq!(refused, Err(ErrorCode::SaslAuthenticationFailed));
    let again = admin.ask::<AlterUserScramCredentials>(0, &gone).await;
    assert_eq!(again.results[0].error, Some(ErrorCode::ResourceNotFound));
    world.close().await;
}

/// What a user is told first: the salt and the iterations, which follow the nonce.
async fn told_first(world: &World, mechanism: &str, user: &str) -> String {
    let mut client = world.client().await;
    assert_eq!(handshake(&mut client, mechanism, 1).await, (None, 3));
    let first = client.ask::<SaslAuthenticate>(2, &token(format!("n,,n={user},r=nonce"))).await;
    let told = String::from_utf8(first.token.0.to_vec()).unwrap();
    told.split_once(",s=").unwrap().1.to_owned()
}

#[tokio::test]
async fn users_that_there_are_not_look_like_others() {
    let world = world().await;
    for mechanism in ["SCRAM-SHA-256", "SCRAM-SHA-512"] {
        let (alice, bob) = (told_first(&world, mechanism, "alice").await, told_first(&world, mechanism, "bob").await);
        assert_eq!(alice.len(), bob.len(), "{alice} and {bob}");
        assert!([&alice, &bob].iter().all(|told| told.ends_with(",i=4096")), "{alice} and {bob}");
        // Each time the same, and each one's own.
        assert_eq!(told_first(&world, mechanism, "bob").await, bob);
        assert_ne!(told_first(&world, mechanism, "eve").await, bob);
    }
    world.close().await;
}
