//! `memory://name`: one instance for the process, as long as somebody has it.

use ottla::{At, Client, NewTopic, Record};

use super::{PATIENCE, produce, values};

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

#[tokio::test]
async fn a_name_is_shared_and_no_name_is_not() {
    let (one, two) = tokio::join!(Client::connect("memory://shared-1"), Client::connect("memory://shared-1"));
    let (one, two) = (one.unwrap(), two.unwrap());
    one.admin().create_topic(NewTopic::new("t")).await.unwrap();
    produce(&one.producer().build().await.unwrap(), "t", 0, 0..3).await;
    // The first to close leaves the other its broker.
    one.close(PATIENCE).await.unwrap();
    assert_eq!(values(&two, "t", 0, At::Earliest).await, [0, 1, 2]);
    for other in ["memory://", "memory://shared-2"] {
        assert!(Client::connect(other).await.unwrap().admin().list_topics().await.unwrap().is_empty());
    }
    let error =
        Client::builder().url("memory://shared-1").broker_config("num.partitions", 4).connect().await.unwrap_err();
    assert!(error.to_string().contains("`num.partitions` is not set there and `4` here"), "{error}");
    // With the last client it is gone.
    two.close(PATIENCE).await.unwrap();
    assert!(Client::connect("memory://shared-1").await.unwrap().admin().list_topics().await.unwrap().is_empty());
}

#[test]
fn a_shared_broker_outlives_the_runtime_that_started_it() {
    let first = runtime();
    let one = first.block_on(async {
        let client = Client::connect("memory://shared-runtimes").await.unwrap();
        client.admin().create_topic(NewTopic::new("t")).await.unwrap();
        produce(&client.producer().build().await.unwrap(), "t", 0, 0..3).await;
        client
    });
    let second = runtime();
    let two = second.block_on(Client::connect("memory://shared-runtimes")).unwrap();
    drop(first);
    second.block_on(async {
        produce(&two.producer().build().await.unwrap(), "t", 0, 3..6).await;
        assert_eq!(values(&two, "t", 0, At::Earliest).await, [0, 1, 2, 3, 4, 5]);
        drop(one);
        two.producer().build().await.unwrap().send(Record::to("t").value("6")).await.unwrap();
        two.close(PATIENCE).await.unwrap();
    });
}

/// A listener serves the broker that clients share; it is the clients' to keep.
#[tokio::test]
async fn the_broker_behind_a_client_is_there_to_be_served() {
    let (one, two) = tokio::join!(Client::connect("memory://shared-served"), Client::connect("memory://shared-served"));
    let (one, two) = (one.unwrap(), two.unwrap());
    let broker = one.broker().unwrap();
    assert!(std::sync::Arc::ptr_eq(&broker, &two.broker().unwrap()));
    let server = ottla_server::Server::builder(broker).bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let remote = Client::connect(format!("kafka://{}", server.advertised())).await.unwrap();
    assert!(remote.broker().is_none());
    remote.admin().create_topic(NewTopic::new("t")).await.unwrap();
    assert_eq!(two.admin().list_topics().await.unwrap().len(), 1);
    remote.close(PATIENCE).await.unwrap();
    server.shutdown(PATIENCE).await.unwrap();
    one.close(PATIENCE).await.unwrap();
    two.close(PATIENCE).await.unwrap();
}
