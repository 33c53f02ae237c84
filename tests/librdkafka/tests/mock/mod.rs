//! Our SDK against a cluster that is not ours: librdkafka's mock of three brokers.

mod groups;
mod produce;
mod trouble;
mod versions;

use std::time::Duration;

use ottla::Client;
use ottla::consumer::Builder;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::RDKafkaApiKey as Api;

use ottla_librdkafka::ours;

type Mock = MockCluster<'static, DefaultProducerContext>;

/// Three brokers and a topic `t`.
fn mock(partitions: i32) -> Mock {
    let mock = MockCluster::new(3).unwrap();
    mock.create_topic("t", partitions, 3).unwrap();
    // It names newer versions of these, and reads them in the form of older ones.
    for (api, newest) in [(Api::JoinGroup, 5), (Api::SyncGroup, 3), (Api::LeaveGroup, 2)] {
        mock.apiversion(api, Some(0), Some(newest)).unwrap();
    }
    mock
}

/// A member whose group is soon divided anew: when one has left, the mock cluster waits for the others' session time-out.
fn member(client: &Client) -> Builder {
    ours::consumer(client, "g", "t").session_timeout(Duration::from_secs(3))
}

async fn client(mock: &Mock) -> Client {
    ours::client(&mock.bootstrap_servers()).await
}

/// Whatever is not done by then is not going to be.
async fn in_time<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), what).await.expect("it hangs")
}
