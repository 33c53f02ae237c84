//! Connecting: URLs, TOML, and what is wrong with them.

use ottla::{Client, Error, connect};

async fn refusal(url: &str) -> String {
    Client::connect(url).await.unwrap_err().to_string()
}

#[tokio::test]
async fn a_wrong_url_names_the_remedy() {
    assert!(refusal("").await.contains("set `url`"));
    assert!(refusal("memory:/x").await.contains("has no `://`"));
    assert!(refusal("memori://x").await.contains("did you mean `memory://`?"));
    assert!(refusal("memory://a b").await.contains("the name `a b` cannot be: only ASCII letters"));
    assert!(refusal("memory://x?y=1").await.contains("it has `y`"));
    assert!(refusal("file:///x?durability=os").await.contains("table `[disk]`"));
    assert!(refusal("file://x/y").await.contains("begins with a third `/`"));
    assert!(refusal("s3:///orders").await.contains("names no bucket"));
    assert!(refusal("gs://me:secret@bucket/log").await.contains("credentials have no place in it"));
    assert!(refusal("az://box/log?region=x").await.contains("table `[object-store]`"));
    // Port 1 is nobody's.
    let error = Client::connect("kafka://127.0.0.1:1,[::1]:1").await.unwrap_err();
    assert!(matches!(error, Error::Connect(connect::Error::Unreachable { .. })) && error.is_retriable(), "{error}");
    let error = error.to_string();
    assert!(error.starts_with("cannot connect to `kafka://127.0.0.1:1,[::1]:1`: no broker answers: "), "{error}");
    assert!(error.contains("cannot reach the broker at 127.0.0.1:1: ") && error.contains("[::1]:1: "), "{error}");
    let error = refusal("kafka://me:secret@host?x=1").await;
    assert!(error.contains("`kafka://host?x=1`") && !error.contains("secret"), "{error}");
    assert!(Client::builder().connect().await.unwrap_err().to_string().contains("set `url`"));
}

#[tokio::test]
async fn toml_says_what_the_builder_does() {
    let client = Client::from_config(
        r#"
        url = "memory://"
        client_id = "billing"
        [broker]
        "num.partitions" = 3
        [producer]
        linger_ms = 1
        acks = "all"
        [reader]
        max_buffered_bytes = 100000
        if_out_of_range = "earliest"
        "#,
    );
    let client = client.await.unwrap();
    assert_eq!(client.client_id(), "billing");
    client.admin().create_topic(ottla::NewTopic::new("t")).await.unwrap();
    assert_eq!(client.admin().describe_topic("t").await.unwrap().partitions.len(), 3);
    client.producer().build().await.unwrap().send(ottla::Record::to("t").value("v")).await.unwrap();
}

#[tokio::test]
async fn a_wrong_setting_names_the_remedy() {
    for (toml, expected) in [
        ("urll = 'memory://'", "unknown setting `urll`: did you mean `url`?"),
        ("url = 'memory://'\n[producer]\nlingr_ms = 3", "did you mean `producer.linger_ms`?"),
        ("url = 'memory://'\n[producer]\nacks = 'some'", "`some` is unknown"),
        ("url = 'memory://'\n[producer]\nacks = 'leader'", "idempotent(false)"),
        ("url = 'memory://'\n[reader]\nmax_wait_ms = 'long'", "`reader.max_wait_ms`"),
        ("url = 'memory://'\n[reader]\nisolation = 'none'", "\"read_committed\""),
        ("url = 'memory://'\n[broker]\n'num.partition' = 3", "did you mean `num.partitions`?"),
        ("url = 'memory://'\n[broker]\nnum.partitions = 3", "\"num.partitions\" = 3"),
        ("url = 'memory://'\n[broker]\n'num.partitions' = 0", "`num.partitions`"),
        ("url = 'memory://'\n[disk]\ndurabilty = 'os'", "did you mean `disk.durability`?"),
        ("url = 'memory://'\n[disk]\ndurability = 'none'", "\"fsync\", \"os\""),
        ("url = 'memory://'\n[object-store]\nregon = 'eu'", "did you mean `object-store.region`?"),
        ("url = 'memory://'\n[object_store]\nregion = 'eu'", "did you mean `object-store`?"),
        ("url = 'memory://'\n[object-store]\nstale_after_ms = 1", "at least twice `renew_every_ms`"),
        ("url = memory", "is not TOML"),
    ] {
        let error = Client::from_config(toml).await.unwrap_err().to_string();
        assert!(error.contains(expected), "{toml}: {error}");
    }
}
