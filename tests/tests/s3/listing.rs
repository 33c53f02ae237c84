//! Lists in pages, and deletes in bulk.

use std::collections::BTreeSet;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::list::{PaginatedListOptions, PaginatedListStore};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use ottla_tests::s3::{Kind, S3Server};

use super::client::{BUCKET, client, server};

fn fill(server: &S3Server, keys: impl IntoIterator<Item = String>) {
    for key in keys {
        server.plant(BUCKET, &key, Bytes::from_static(b"xyz"));
    }
}

async fn keys(store: &impl ObjectStore, prefix: Option<&str>) -> Vec<String> {
    let prefix = prefix.map(Path::from);
    store.list(prefix.as_ref()).map_ok(|meta| meta.location.to_string()).try_collect().await.unwrap()
}

#[tokio::test]
async fn a_list_comes_in_pages_of_a_thousand_in_order() {
    let server = server();
    fill(&server, (0..2_500).map(|n| format!("journal/{n:05}")));
    fill(&server, ["journal".to_owned(), "journal0".to_owned(), "k".to_owned()]);
    let store = client(&server);
    let listed = keys(&store, Some("journal")).await;
    assert_eq!(listed, (0..2_500).map(|n| format!("journal/{n:05}")).collect::<Vec<_>>());
    assert_eq!(server.requests().of(Kind::List).requests, 3);
    assert_eq!(keys(&store, None).await.len(), 2_503);
    assert!(keys(&store, Some("absent")).await.is_empty());

    let after = Path::from("journal/02490");
    let prefix = Path::from("journal");
    let rest: Vec<_> = store.list_with_offset(Some(&prefix), &after).try_collect().await.unwrap();
    let rest: Vec<_> = rest.iter().map(|meta| meta.location.to_string()).collect();
    assert_eq!(rest, (2_491..2_500).map(|n| format!("journal/{n:05}")).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_listed_object_is_told_as_it_is() {
    let server = server();
    let store = client(&server);
    let put = store.put(&Path::from("a/k"), "abc".into()).await.unwrap();
    let head = store.head(&Path::from("a/k")).await.unwrap();
    let listed: Vec<_> = store.list(None).try_collect().await.unwrap();
    assert_eq!((listed[0].size, &listed[0].e_tag), (3, &put.e_tag));
    // Headers have whole seconds.
    assert_eq!(listed[0].last_modified.timestamp(), head.last_modified.timestamp());
    assert_eq!(server.objects(BUCKET)[0].etag, put.e_tag.unwrap());
}

#[tokio::test]
async fn what_lies_below_a_delimiter_is_told_once() {
    let server = server();
    let of = |topic: u32| (0..3).map(move |n| format!("topics/{topic:04}/{n}"));
    fill(&server, (0..1_500).flat_map(of));
    fill(&server, ["topics/index".to_owned(), "topics/0003".to_owned()]);
    let store = client(&server);
    let listed = store.list_with_delimiter(Some(&Path::from("topics"))).await.unwrap();
    let prefixes: Vec<_> = listed.common_prefixes.iter().map(ToString::to_string).collect();
    assert_eq!(prefixes, (0..1_500).map(|topic| format!("topics/{topic:04}")).collect::<Vec<_>>());
    let objects: Vec<_> = listed.objects.iter().map(|meta| meta.location.to_string()).collect();
    assert_eq!(objects, ["topics/0003", "topics/index"]);
    assert_eq!(server.requests().of(Kind::List).requests, 2);
}

#[tokio::test]
async fn pages_of_any_size_tell_everything_once() {
    let server = server();
    let all = ["a", "b/1", "b/2", "b/3", "b-", "b0", "c/1/x", "c/1/y", "c/2", "d"].map(str::to_owned);
    fill(&server, all.clone());
    let store = client(&server);
    for delimiter in [None, Some("/".into())] {
        let (mut wanted, mut folded) = (BTreeSet::new(), BTreeSet::new());
        for key in &all {
            match key.split_once('/') {
                Some((first, _)) if delimiter.is_some() => folded.insert(first.to_owned()),
                _ => wanted.insert(key.clone()),
            };
        }
        for max_keys in 1..12 {
            let (mut objects, mut prefixes, mut page_token) = (Vec::new(), Vec::new(), None);
            loop {
                let options = PaginatedListOptions {
                    max_keys: Some(max_keys),
                    delimiter: delimiter.clone(),
                    page_token: page_token.take(),
                    ..Default::default()
                };
                let page = store.list_paginated(None, options).await.unwrap();
                let told = page.result.objects.len() + page.result.common_prefixes.len();
                assert!((1..=max_keys).contains(&told), "{told} of at most {max_keys}");
                objects.extend(page.result.objects.iter().map(|meta| meta.location.to_string()));
                prefixes.extend(page.result.common_prefixes.iter().map(ToString::to_string));
                page_token = page.page_token;
                if page_token.is_none() {
                    break;
                }
            }
            assert_eq!(objects, wanted.iter().cloned().collect::<Vec<_>>(), "{max_keys}");
            assert_eq!(prefixes, folded.iter().cloned().collect::<Vec<_>>(), "{max_keys}");
        }
    }
}

#[tokio::test]
async fn odd_names_survive_the_list_and_the_bulk_delete() {
    let server = server();
    let odd = ["a&b", "a<b>\"'", "ü 🦀", "per%20cent", "plus+plus", "semi;colon=&#x41;", "~(tilde)"];
    fill(&server, odd.map(|name| format!("odd/{name}")));
    let store = client(&server);
    let listed: Vec<_> = store.list(None).map_ok(|meta| meta.location).try_collect().await.unwrap();
    let names: BTreeSet<_> = listed.iter().map(ToString::to_string).collect();
    assert_eq!(names, odd.iter().map(|name| format!("odd/{name}")).collect());
    let gone = store.delete_stream(stream::iter(listed.into_iter().map(Ok)).boxed());
    assert_eq!(gone.try_collect::<Vec<_>>().await.unwrap().len(), odd.len());
    assert!(server.objects(BUCKET).is_empty());
}

#[tokio::test]
async fn many_are_deleted_with_few_requests() {
    let server = server();
    fill(&server, (0..2_100).map(|n| format!("{n:05}")));
    let store = client(&server);
    // What is not there was deleted before.
    let names = (0..2_050).map(|n| Ok(Path::from(format!("{n:05}")))).chain([Ok(Path::from("absent"))]);
    let gone: Vec<_> = store.delete_stream(stream::iter(names).boxed()).try_collect().await.unwrap();
    assert_eq!(gone.len(), 2_051);
    assert_eq!(server.objects(BUCKET).len(), 50);
    assert_eq!(server.requests().of(Kind::DeleteMany).requests, 3);
    assert_eq!(server.requests().of(Kind::Delete).requests, 0);
}
