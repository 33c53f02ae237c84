//! Objects: their bytes, ranges, attributes, multipart uploads, and who may ask.

use bytes::Bytes;
use futures::TryStreamExt;
use object_store::aws::{AmazonS3Builder, Checksum};
use object_store::path::Path;
use object_store::{
    Attribute, AttributeValue, Error, GetOptions, GetRange, ObjectStore, ObjectStoreExt, PutMultipartOptions,
    PutOptions, PutPayload,
};
use ottla_tests::s3::{Kind, Options, S3Server};

use super::client::{BUCKET, builder, client, options, server};

fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 31 % 251) as u8).collect()
}

#[tokio::test]
async fn bytes_and_ranges_come_back() {
    let server = server();
    let store = client(&server);
    let (key, body) = (Path::from("a/b c+ü&<x>"), bytes(100_000));
    let put = store.put(&key, PutPayload::from(body.clone())).await.unwrap();
    let got = store.get(&key).await.unwrap();
    assert_eq!(got.meta.e_tag, put.e_tag);
    assert_eq!(got.bytes().await.unwrap(), body);
    assert_eq!(store.get_range(&key, 10..20).await.unwrap(), body[10..20]);
    assert_eq!(store.get_range(&key, 99_999..200_000).await.unwrap(), body[99_999..]);
    let many = store.get_ranges(&key, &[0..1, 50_000..50_010, 70_000..70_001]).await.unwrap();
    assert_eq!(many, [body[..1].to_vec(), body[50_000..50_010].to_vec(), body[70_000..70_001].to_vec()]);
    for (range, wanted) in [(GetRange::Suffix(7), &body[99_993..]), (GetRange::Offset(99_990), &body[99_990..])] {
        let got = store.get_opts(&key, GetOptions::new().with_range(Some(range))).await.unwrap();
        assert_eq!(got.meta.size, 100_000);
        assert_eq!(got.bytes().await.unwrap(), *wanted);
    }
    let beyond = store.get_range(&key, 100_000..100_010).await.unwrap_err();
    assert!(beyond.to_string().contains("416"), "{beyond}");
    let head = store.head(&key).await.unwrap();
    assert_eq!((head.size, head.e_tag), (100_000, put.e_tag));
    assert!(matches!(store.get(&Path::from("absent")).await, Err(Error::NotFound { .. })));
    assert!(matches!(store.head(&Path::from("absent")).await, Err(Error::NotFound { .. })));
}

#[tokio::test]
async fn an_empty_object_is_an_object() {
    let server = server();
    let store = client(&server);
    let key = Path::from("empty");
    store.put(&key, PutPayload::new()).await.unwrap();
    assert_eq!(store.head(&key).await.unwrap().size, 0);
    assert_eq!(store.get(&key).await.unwrap().bytes().await.unwrap(), Bytes::new());
}

#[tokio::test]
async fn attributes_are_kept_and_a_copy_has_them() {
    let server = server();
    let store = client(&server);
    let mut options = PutOptions::default();
    options.attributes.insert(Attribute::ContentType, AttributeValue::from("text/x-log"));
    options.attributes.insert(Attribute::Metadata("writer".into()), AttributeValue::from("me-7"));
    let (from, to) = (Path::from("from"), Path::from("to"));
    store.put_opts(&from, PutPayload::from("x"), options.clone()).await.unwrap();
    store.copy(&from, &to).await.unwrap();
    for key in [from, to] {
        let got = store.get(&key).await.unwrap();
        assert_eq!(got.attributes, options.attributes, "{key}");
        assert_eq!(got.bytes().await.unwrap(), "x");
    }
}

#[tokio::test]
async fn conditions_on_a_get() {
    let server = server();
    let store = client(&server);
    let key = Path::from("k");
    let etag = store.put(&key, PutPayload::from("x")).await.unwrap().e_tag;
    let matches = |tag: &str| GetOptions::new().with_if_match(Some(tag));
    let differs = |tag: &str| GetOptions::new().with_if_none_match(Some(tag));
    let etag = etag.unwrap();
    assert!(store.get_opts(&key, matches(&etag)).await.is_ok());
    assert!(store.get_opts(&key, differs("\"other\"")).await.is_ok());
    assert!(matches!(store.get_opts(&key, matches("\"other\"")).await, Err(Error::Precondition { .. })));
    assert!(matches!(store.get_opts(&key, differs(&etag)).await, Err(Error::NotModified { .. })));
}

#[tokio::test]
async fn parts_become_an_object_at_once() {
    let server = server();
    let store = client(&server);
    let (key, part) = (Path::from("big"), bytes(5 << 20));
    let mut upload = store.put_multipart_opts(&key, PutMultipartOptions::default()).await.unwrap();
    upload.put_part(PutPayload::from(part.clone())).await.unwrap();
    upload.put_part(PutPayload::from("tail")).await.unwrap();
    assert_eq!(server.object(BUCKET, "big"), None, "before it is complete there is nothing");
    assert_eq!(server.uploads(BUCKET), ["big"]);
    let etag = upload.complete().await.unwrap().e_tag.unwrap();
    assert!(etag.ends_with("-2\""), "{etag}");
    let whole = server.object(BUCKET, "big").unwrap();
    assert_eq!((&whole[..5 << 20], &whole[5 << 20..]), (&part[..], &b"tail"[..]));
    assert!(server.uploads(BUCKET).is_empty());

    let mut upload = store.put_multipart(&key).await.unwrap();
    upload.put_part(PutPayload::from("never seen")).await.unwrap();
    upload.abort().await.unwrap();
    assert!(server.uploads(BUCKET).is_empty());
    assert_eq!(server.object(BUCKET, "big").unwrap(), whole);

    let mut upload = store.put_multipart(&key).await.unwrap();
    upload.put_part(PutPayload::from("too small to be")).await.unwrap();
    upload.put_part(PutPayload::from("one of several")).await.unwrap();
    assert!(upload.complete().await.unwrap_err().to_string().contains("EntityTooSmall"));

    let requests = server.requests();
    let count = |kind| requests.of(kind).requests;
    assert_eq!(count(Kind::CreateUpload), 3);
    assert_eq!(count(Kind::UploadPart), 5);
    assert_eq!((count(Kind::CompleteUpload), requests.of(Kind::CompleteUpload).ok), (2, 1));
    assert_eq!(count(Kind::AbortUpload), 1);
}

#[tokio::test]
async fn checksums_and_unsigned_bodies_are_taken() {
    let server = server();
    for checksum in [Checksum::SHA256, Checksum::CRC64NVME] {
        let store = builder(&server).with_checksum_algorithm(checksum).with_unsigned_payload(true).build().unwrap();
        let key = Path::from(checksum.to_string());
        store.put(&key, PutPayload::from("body")).await.unwrap();
        assert_eq!(store.get(&key).await.unwrap().bytes().await.unwrap(), "body");
        let mut upload = store.put_multipart(&key).await.unwrap();
        upload.put_part(PutPayload::from("part")).await.unwrap();
        upload.complete().await.unwrap();
        assert_eq!(server.object(BUCKET, key.as_ref()).unwrap(), "part");
    }
}

#[tokio::test]
async fn who_says_no_name_is_refused_and_so_is_an_unknown_bucket() {
    let server = server();
    let nameless = builder(&server).with_skip_signature(true).build().unwrap();
    let refused = nameless.put(&Path::from("k"), PutPayload::from("x")).await.unwrap_err();
    assert!(matches!(refused, Error::PermissionDenied { .. }), "{refused}");
    let elsewhere = builder(&server).with_bucket_name("other").build().unwrap();
    let refused = elsewhere.put(&Path::from("k"), PutPayload::from("x")).await.unwrap_err();
    assert!(refused.to_string().contains("NoSuchBucket"), "{refused}");
    assert!(server.objects("other").is_empty());

    let open = S3Server::start(Options::default()).unwrap();
    let anywhere = builder(&open).with_bucket_name("other").build().unwrap();
    anywhere.put(&Path::from("k"), PutPayload::from("x")).await.unwrap();
    assert_eq!(open.objects("other").len(), 1);
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused() {
    let options_of_server = Options { max_body_bytes: 1_000, ..Options::default() };
    let server = S3Server::start(options_of_server).unwrap();
    let store = client(&server);
    store.put(&Path::from("k"), PutPayload::from(bytes(1_000))).await.unwrap();
    let refused = store.put(&Path::from("l"), PutPayload::from(bytes(1_001))).await.unwrap_err();
    assert!(refused.to_string().contains("EntityTooLarge"), "{refused}");
    assert_eq!(server.objects(BUCKET).len(), 1);
}

#[tokio::test]
async fn a_server_that_is_dropped_is_gone() {
    let server = server();
    let url = server.url();
    client(&server).put(&Path::from("k"), PutPayload::from("x")).await.unwrap();
    drop(server);
    let store = AmazonS3Builder::new()
        .with_endpoint(url)
        .with_bucket_name(BUCKET)
        .with_access_key_id("me")
        .with_secret_access_key("secret")
        .with_client_options(options())
        .with_retry(super::client::retries(0));
    let store = store.build().unwrap();
    assert!(matches!(store.get(&Path::from("k")).await, Err(Error::Generic { .. })));
    assert!(store.list(None).try_collect::<Vec<_>>().await.is_err());
}
