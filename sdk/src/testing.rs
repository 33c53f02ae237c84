//! For the tests of your service: a world that one seed decides, and a cluster that fails when told.
//!
//! Trouble is rare, and a test that waits for it is slow and flaky. Here it comes when the test says so, on
//! tokio's paused clock: a thirty-second time-out takes no time, and nothing depends on the machine.
//!
//! A service that must not write twice when an answer is lost, and a test that it does not:
//!
//! ```
//! use ottla::testing::{TestCluster, World};
//! use ottla::{At, NewTopic, Record};
//!
//! /// What is being tested: it counts an order as placed only when it was acknowledged.
//! async fn place_orders(producer: &ottla::Producer, orders: u32) -> Result<u32, ottla::producer::Error> {
//!     let mut placed = 0;
//!     for order in 0..orders {
//!         producer.send(Record::to("orders").value(order.to_string())).await?;
//!         placed += 1;
//!     }
//!     Ok(placed)
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! ottla::testing::run(7, async |world: World| {
//!     let cluster = TestCluster::start(&world).await?;
//!     let client = cluster.client().await?;
//!     client.admin().create_topic(NewTopic::new("orders")).await?;
//!     let producer = client.producer().build().await?;
//!
//!     cluster.lose_next_produce_answer(); // it is written, and nobody is told
//!     assert_eq!(place_orders(&producer, 3).await?, 3);
//!     assert_eq!(cluster.counts().lost_answers, 1);
//!
//!     let mut reader = client.reader().topic("orders").start(At::Earliest).to_end().build().await?;
//!     let mut read = Vec::new();
//!     while let Some(message) = reader.next().await? {
//!         read.push(message.value().cloned());
//!     }
//!     assert_eq!(read, [Some("0".into()), Some("1".into()), Some("2".into())]); // each once, in order
//!
//!     client.close(std::time::Duration::from_secs(5)).await?;
//!     drop((reader, producer, client));
//!     cluster.shutdown().await?;
//!     drop(cluster);
//!     world.assert_no_tasks().await; // nothing was left behind
//!     Ok::<_, Box<dyn std::error::Error>>(())
//! })
//! # }
//! ```
//!
//! | trouble | how |
//! |---|---|
//! | a request that never arrives | [`TestCluster::fail_next`], [`TestCluster::fail_next_produce`] |
//! | an answer that is lost after the effect | [`TestCluster::lose_next_answer`], [`TestCluster::lose_next_produce_answer`] |
//! | answers that take long, or never come | [`TestCluster::delay_answers`], [`Fault::Silence`] |
//! | the leader is elsewhere | [`TestCluster::move_leader`] |
//! | a broker that dies, with what was not durable | [`TestCluster::hold_commits`], [`TestCluster::crash`], [`TestCluster::restart`] |
//! | a broker that was replaced and does not know | [`TestCluster::supersede`] |
//! | storage that is full, fails or rots | [`TestCluster::next_storage_fault`], [`TestCluster::poison_storage`] |
//! | a disk that a crash leaves torn and half-written | [`Builder::on_disk`] (feature `disk`) |
//! | a disk to which a write fails | [`TestCluster::fail_next_disk_write`] (feature `disk`) |
//! | a bucket whose answers get lost, that is taken over, and in which the writes of the dead land | [`Builder::on_bucket`], [`TestCluster::requests_by_chance`] (feature `object-store`) |
//! | any of them by chance, from the seed | [`TestCluster::by_chance`], [`TestCluster::storage_by_chance`] |
//! | clocks that are wrong | [`World::clock`] |
//!
//! Records that were acknowledged outlive a crash, as they would on a disk; everything else may be lost.

#[cfg(feature = "object-store")]
mod bucket;
mod clock;
mod cluster;
mod counts;
mod faults;
mod running;
mod seam;
mod tasks;
mod trouble;
mod world;

#[cfg(feature = "object-store")]
pub use crate::connect::crashable::BucketTrouble;
pub use clock::TestClock;
pub use cluster::{Builder, TestCluster};
pub use counts::FaultCounts;
pub use faults::{Call, Fault, StorageFault, Survives};
pub use tasks::Tasks;
pub use world::{World, run};

#[cfg(test)]
mod tests;
