//! A member of a group that says how many partitions it has, line by line, until it is killed.
//!
//! ```text
//! member BOOTSTRAP GROUP TOPIC
//! ```

use std::io::Write;
use std::time::Duration;

use ottla_librdkafka::theirs;
use rdkafka::consumer::{BaseConsumer, Consumer};

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [bootstrap, group, topic] = &arguments[..] else { panic!("member BOOTSTRAP GROUP TOPIC") };
    let settings = theirs::consumer_settings(group).into_iter().chain([("session.timeout.ms", "1000")]);
    let consumer: BaseConsumer = theirs::config(bootstrap, settings).create().unwrap();
    consumer.subscribe(&[topic]).unwrap();
    let mut told = 0;
    loop {
        let _ = consumer.poll(Duration::from_millis(10));
        let has = theirs::assignment(&consumer).len();
        if has != told {
            println!("{has} partitions");
            std::io::stdout().flush().unwrap();
            told = has;
        }
    }
}
