//! What messages of administration mean, and the way to and from `broker_core::api`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ottla_broker_core::api::{
    self, ActiveProducer, AlterConfig, AlterScram, ConfigEntry, ConfigKind, ConfigOp, ConfigResource, ConfigSource,
    DeletedRecords, Election, LogDir, LogDirPartition, ProducerIdentity, ScramCredential, ScramMechanism, ScramSecret,
};
use ottla_broker_core::error::{Error, ErrorCode};
use ottla_broker_core::{BrokerId, Offset, ProducerEpoch, ProducerId, TopicId, TopicName, TopicPartition};
use uuid::Uuid;

use super::frame;
use crate::messages::{
    AlterConfigsRequest, AlterConfigsResponse, AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse,
    ConfigToSet, CreatableTopic, CreatableTopicConfig, CreatePartitionsRequest, CreatePartitionsResponse,
    CreateTopicsRequest, CreateTopicsResponse, DeletableTopic, DeleteRecordsPartition, DeleteRecordsRequest,
    DeleteRecordsResponse, DeleteTopics, DeleteTopicsRequest, DeleteTopicsResponse, DescribeConfigsRequest,
    DescribeConfigsResponse, DescribeLogDirsRequest, DescribeLogDirsResponse, DescribeProducersRequest,
    DescribeProducersResponse, DescribeUserScramCredentialsRequest, DescribeUserScramCredentialsResponse, ElectLeaders,
    ElectLeadersRequest, ElectLeadersResponse, IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
    NewPartitionAssignment, ReplicaAssignment, ScramDeletion,
};
use crate::{TopicRef, encode_request};

const ME: BrokerId = BrokerId(1);
const LIMIT: Duration = Duration::from_secs(5);

fn name(text: &str) -> TopicName {
    TopicName::new(text).unwrap()
}

fn at(topic: &str, partition: i32) -> TopicPartition {
    TopicPartition::new(name(topic), partition)
}

fn code<T: std::fmt::Debug>(result: &Result<T, Error>) -> ErrorCode {
    result.as_ref().unwrap_err().code
}

#[test]
fn topics_are_created_as_they_were_asked_for() {
    let topic = api::CreateTopic {
        name: name("t"),
        partitions: None,
        replication_factor: Some(1),
        configs: BTreeMap::from([("retention.ms".to_owned(), "5".to_owned())]),
    };
    let request = CreateTopicsRequest::from_api(std::slice::from_ref(&topic), LIMIT, true);
    assert_eq!((request.topics[0].partitions, request.topics[0].replication_factor), (-1, 1));
    assert_eq!(request.topics[0].to_api(ME).as_ref(), Ok(&topic));

    let asked = CreatableTopic { name: Arc::from("t"), ..CreatableTopic::default() };
    let replicas = |list: &[(i32, i32)]| CreatableTopic {
        assignments: list
            .iter()
            .map(|(partition, broker)| ReplicaAssignment { partition: *partition, brokers: vec![BrokerId(*broker)] })
            .collect(),
        ..asked.clone()
    };
    let assigned = replicas(&[(1, 1), (0, 1)]).to_api(ME).unwrap();
    assert_eq!((assigned.partitions, assigned.replication_factor), (Some(2), Some(1)));
    for wrong in [replicas(&[(0, 2)]), replicas(&[(1, 1)]), replicas(&[(0, 1), (0, 1)])] {
        assert_eq!(code(&wrong.to_api(ME)), ErrorCode::InvalidReplicaAssignment);
    }
    let both = CreatableTopic { partitions: 1, ..replicas(&[(0, 1)]) };
    assert_eq!(code(&both.to_api(ME)), ErrorCode::InvalidRequest);
    let null = CreatableTopicConfig { name: Arc::from("x"), value: None };
    let null = CreatableTopic { configs: vec![null], ..asked.clone() };
    assert_eq!(code(&null.to_api(ME)), ErrorCode::InvalidConfig);
    let unnamed = CreatableTopic { name: Arc::from("a/b"), ..asked };
    assert_eq!(code(&unnamed.to_api(ME)), ErrorCode::InvalidTopic);
}

#[test]
fn created_topics_come_back_in_order() {
    let topic = |text| api::CreateTopic {
        name: name(text),
        partitions: Some(3),
        replication_factor: Some(1),
        configs: BTreeMap::new(),
    };
    let request = CreateTopicsRequest::from_api(&[topic("a"), topic("b")], LIMIT, false);
    let created =
        api::CreatedTopic { name: name("b"), id: TopicId(Uuid::from_u128(4)), partitions: 3, replication_factor: 1 };
    let exists = Error::new(ErrorCode::TopicAlreadyExists, "a is there");
    let response =
        CreateTopicsResponse::from_api([("b".into(), Ok((created.clone(), Vec::new()))), ("a".into(), Err(exists))]);
    for version in 2..=7 {
        let sent = crate::encode_response::<crate::messages::CreateTopics>(1, version, &response).unwrap();
        let read = crate::decode_response::<crate::messages::CreateTopics>(version, &frame(&sent)).unwrap().1;
        let came = read.into_api(&request);
        assert!(came[0].as_ref().unwrap_err().message.contains("a is there"), "version {version}");
        let id = if version >= 7 { created.id } else { TopicId(Uuid::nil()) };
        assert_eq!(came[1], Ok(api::CreatedTopic { id, ..created.clone() }), "version {version}");
    }
}

#[test]
fn topics_are_deleted_by_name_or_id() {
    let by_id = TopicRef::Id(TopicId(Uuid::from_u128(4)));
    let by_name = TopicRef::Name("t".into());
    for version in 1..=6 {
        let named = DeleteTopicsRequest::from_api(version, std::slice::from_ref(&by_name), LIMIT);
        assert_eq!(named.wanted(version), Ok(vec![by_name.clone()]));
        assert!(encode_request::<DeleteTopics>(1, None, version, &named).is_ok());
        let identified = DeleteTopicsRequest::from_api(version, std::slice::from_ref(&by_id), LIMIT);
        assert_eq!(encode_request::<DeleteTopics>(1, None, version, &identified).is_ok(), version >= 6);
    }
    let wrong = |name: Option<&str>, id| {
        let topics = vec![DeletableTopic { name: name.map(Arc::from), id: Uuid::from_u128(id) }];
        DeleteTopicsRequest { topics, ..DeleteTopicsRequest::default() }.wanted(6)
    };
    assert_eq!(code(&wrong(Some("t"), 1)), ErrorCode::InvalidRequest);
    assert_eq!(code(&wrong(None, 0)), ErrorCode::InvalidRequest);
    assert_eq!(wrong(None, 4), Ok(vec![by_id.clone()]));
    let response = DeleteTopicsResponse::from_api([
        (by_id.clone(), Err(ErrorCode::UnknownTopicId.into())),
        (by_name.clone(), Ok(())),
    ]);
    let came = response.into_api(&[by_name, by_id, TopicRef::Name("u".into())]);
    assert_eq!(came[0], Ok(()));
    assert_eq!((code(&came[1]), code(&came[2])), (ErrorCode::UnknownTopicId, ErrorCode::UnknownServerError));
}

#[test]
fn topics_grow() {
    let mut request = CreatePartitionsRequest::from_api(&[(name("t"), 3)], LIMIT, false);
    assert_eq!(request.topics[0].to_api(ME, Some(1)), Ok((name("t"), 3)));
    let on = |brokers: &[i32]| {
        Some(brokers.iter().map(|broker| NewPartitionAssignment { brokers: vec![BrokerId(*broker)] }).collect())
    };
    request.topics[0].assignments = on(&[1, 1]);
    assert!(request.topics[0].to_api(ME, Some(1)).is_ok());
    assert_eq!(code(&request.topics[0].to_api(ME, Some(2))), ErrorCode::InvalidReplicaAssignment);
    request.topics[0].assignments = on(&[1, 2]);
    assert_eq!(code(&request.topics[0].to_api(ME, Some(1))), ErrorCode::InvalidReplicaAssignment);
    let refused = CreatePartitionsResponse::from_api(&request, [Err(ErrorCode::InvalidPartitions.into())]);
    assert_eq!(code(&refused.into_api(&request)[0]), ErrorCode::InvalidPartitions);
}

#[test]
fn minus_one_deletes_all_that_is_committed() {
    let request = DeleteRecordsRequest::from_api(&[(at("a", 0), Offset::MAX), (at("a", 1), Offset(7))], LIMIT);
    let before: Vec<_> = request.partitions().map(|(_, part)| (part.before, part.before().unwrap())).collect();
    assert_eq!(before, [(-1, Offset::MAX), (7, Offset(7))]);
    for never in [-2, i64::MIN, i64::MAX] {
        let part = DeleteRecordsPartition { partition: 0, before: never };
        assert_eq!(code(&part.before()), ErrorCode::OffsetOutOfRange);
    }
    let low = DeletedRecords { low_watermark: Offset(9) };
    let response = DeleteRecordsResponse::from_api(&request, [Ok(low), Err(ErrorCode::OffsetOutOfRange.into())]);
    let came = response.into_api(&request);
    assert_eq!((came[0].clone(), code(&came[1])), (Ok(low), ErrorCode::OffsetOutOfRange));
}

fn entry(name: &str, value: &str, source: ConfigSource) -> ConfigEntry {
    ConfigEntry {
        name: name.to_owned(),
        value: value.to_owned(),
        source,
        read_only: false,
        kind: ConfigKind::Int,
        synonyms: Vec::new(),
        documentation: "What it does.".into(),
    }
}

#[test]
fn configs_are_described_as_they_are() {
    let resources = [ConfigResource::Topic(name("t")), ConfigResource::Broker];
    let mut request = DescribeConfigsRequest::from_api(&resources, ME);
    let read: Vec<_> = request.resources.iter().map(|one| one.to_api(ME).unwrap()).collect();
    assert_eq!(read, resources);
    let entries = vec![entry("a", "1", ConfigSource::Topic), entry("b", "2", ConfigSource::Default)];
    let refused = || Err(ErrorCode::UnknownTopicOrPartition.into());
    let came = DescribeConfigsResponse::from_api(&request, [refused(), Ok(entries.clone())]).into_api(&request);
    assert_eq!((code(&came[0]), came[1].as_ref()), (ErrorCode::UnknownTopicOrPartition, Ok(&entries)));

    request.resources[1].keys = Some(vec![Arc::from("b")]);
    request.include_synonyms = true;
    request.include_documentation = false;
    let response = DescribeConfigsResponse::from_api(&request, [refused(), Ok(entries.clone())]);
    let told = &response.results[1].configs;
    assert_eq!((told.len(), &*told[0].name, told[0].source, told[0].documentation.as_deref()), (1, "b", 5, None));
    assert_eq!((told[0].config_type, told[0].synonyms.len()), (3, 0));
    request.resources[1].keys = Some(Vec::new());
    let response = DescribeConfigsResponse::from_api(&request, [refused(), Ok(entries)]);
    assert_eq!(response.results[1].configs.len(), 2);

    let asked = |kind, name: &str| {
        let mut one = request.resources[1].clone();
        (one.kind, one.name) = (kind, Arc::from(name));
        one.to_api(ME)
    };
    assert_eq!(asked(4, ""), Ok(ConfigResource::Broker));
    for (kind, name) in [(4, "2"), (4, "x"), (8, "1"), (0, "")] {
        assert_eq!(code(&asked(kind, name)), ErrorCode::InvalidRequest);
    }
    assert_eq!(code(&asked(2, "")), ErrorCode::InvalidTopic);
}

#[test]
fn what_alter_configs_does_not_name_is_deleted() {
    let topic = ConfigResource::Topic(name("t"));
    let all = [(topic.clone(), vec![("a".to_owned(), "9".to_owned())])];
    let mut request = AlterConfigsRequest::from_api(&all, ME, false);
    let in_force = [
        entry("a", "1", ConfigSource::Topic),
        entry("b", "2", ConfigSource::Topic),
        entry("c", "3", ConfigSource::Broker),
        entry("d", "4", ConfigSource::Default),
    ];
    let change = |name: &str, op| AlterConfig { name: name.to_owned(), op };
    let expected = vec![change("a", ConfigOp::Set("9".to_owned())), change("b", ConfigOp::Delete)];
    assert_eq!(request.resources[0].changes(&topic, &in_force), Ok(expected));
    request.resources[0].configs.push(ConfigToSet { name: Arc::from("e"), value: None });
    assert_eq!(code(&request.resources[0].changes(&topic, &in_force)), ErrorCode::InvalidRequest);
    let refused = AlterConfigsResponse::from_api(&request, [Err(ErrorCode::InvalidConfig.into())]);
    assert_eq!(code(&refused.into_api(&request)[0]), ErrorCode::InvalidConfig);
}

#[test]
fn configs_are_changed_one_by_one() {
    let changes = vec![
        AlterConfig { name: "a".to_owned(), op: ConfigOp::Set("1".to_owned()) },
        AlterConfig { name: "b".to_owned(), op: ConfigOp::Delete },
        AlterConfig { name: "c".to_owned(), op: ConfigOp::Append("x,y".to_owned()) },
        AlterConfig { name: "d".to_owned(), op: ConfigOp::Subtract("z".to_owned()) },
    ];
    let topic = ConfigResource::Topic(name("t"));
    let mut request = IncrementalAlterConfigsRequest::from_api(&[(topic.clone(), changes.clone())], ME, true);
    assert_eq!(request.resources[0].to_api(ME), Ok((topic, changes)));
    let came = IncrementalAlterConfigsResponse::from_api(&request, [Ok(())]).into_api(&request);
    assert_eq!(came, [Ok(())]);
    // An operation that there is not, and operations without a value: only a deletion needs none.
    for (operation, value) in [(4, Some("1")), (0, None), (2, None), (3, None)] {
        let config = &mut request.resources[0].configs[0];
        (config.operation, config.value) = (operation, value.map(Arc::from));
        assert_eq!(code(&request.resources[0].to_api(ME)), ErrorCode::InvalidRequest, "{operation}");
    }
}

#[test]
fn all_values_of_a_config_are_told_to_who_asks() {
    let synonym =
        |name: &str, value: &str, source| api::ConfigSynonym { name: name.to_owned(), value: value.to_owned(), source };
    let synonyms = vec![
        synonym("retention.ms", "1", ConfigSource::Topic),
        synonym("log.retention.ms", "2", ConfigSource::Broker),
        synonym("log.retention.ms", "3", ConfigSource::Default),
    ];
    let entry = ConfigEntry { synonyms, kind: ConfigKind::Long, ..entry("retention.ms", "1", ConfigSource::Topic) };
    let mut request = DescribeConfigsRequest::from_api(&[ConfigResource::Topic(name("t"))], ME);
    let told = DescribeConfigsResponse::from_api(&request, [Ok(vec![entry.clone()])]).into_api(&request).remove(0);
    assert_eq!(told.unwrap(), [ConfigEntry { synonyms: Vec::new(), ..entry.clone() }]);
    request.include_synonyms = true;
    let response = DescribeConfigsResponse::from_api(&request, [Ok(vec![entry.clone()])]);
    let sources: Vec<_> = response.results[0].configs[0].synonyms.iter().map(|one| one.source).collect();
    // Kafka's numbers of a topic's own, a broker's changed while it runs, and a default.
    assert_eq!(sources, [1, 2, 5]);
    assert_eq!(response.into_api(&request).remove(0).unwrap(), [entry]);
}

#[test]
fn producers_and_log_directories_are_told() {
    let request = DescribeProducersRequest::from_api(&[at("a", 0), at("a", 1)]);
    let producer = ActiveProducer {
        identity: ProducerIdentity { id: ProducerId(5), epoch: ProducerEpoch(6) },
        last_sequence: Some(7),
        last_timestamp_ms: None,
        coordinator_epoch: None,
        transaction_start: Some(Offset(8)),
    };
    let results = [Ok(vec![producer]), Err(ErrorCode::NotLeaderOrFollower.into())];
    let came = DescribeProducersResponse::from_api(&request, results).into_api(&request);
    assert_eq!((came[0].clone(), code(&came[1])), (Ok(vec![producer]), ErrorCode::NotLeaderOrFollower));

    let log = |partition| LogDirPartition { partition, size_bytes: 9, offset_lag: 0, future: false };
    let dir = LogDir {
        path: "/data".to_owned(),
        partitions: vec![log(at("a", 0)), log(at("a", 1)), log(at("b", 0))],
        total_bytes: Some(100),
        usable_bytes: None,
    };
    let all = DescribeLogDirsRequest::from_api(None);
    let came = DescribeLogDirsResponse::from_api(&all, Ok(vec![dir.clone()])).into_api().unwrap();
    assert_eq!(came, [Ok(dir.clone())]);
    let some = DescribeLogDirsRequest::from_api(Some(&[at("a", 1)]));
    let came = DescribeLogDirsResponse::from_api(&some, Ok(vec![dir])).into_api().unwrap();
    assert_eq!(came[0].as_ref().unwrap().partitions, [log(at("a", 1))]);
    let refused = DescribeLogDirsResponse::from_api(&all, Err(ErrorCode::ClusterAuthorizationFailed.into()));
    assert_eq!(code(&refused.into_api()), ErrorCode::ClusterAuthorizationFailed);
}

#[test]
fn leaders_are_elected() {
    let partitions = [at("a", 0), at("a", 1)];
    let request = ElectLeadersRequest::from_api(Election::Unclean, Some(&partitions), LIMIT);
    assert_eq!(request.election(), Ok(Election::Unclean));
    assert!(encode_request::<ElectLeaders>(1, None, 0, &request).is_err());
    assert!(encode_request::<ElectLeaders>(1, None, 1, &request).is_ok());
    let needless =
        |(name, partition): (&Arc<str>, i32)| (Arc::clone(name), partition, Err(ErrorCode::ElectionNotNeeded.into()));
    let answer = ElectLeadersResponse::from_api(request.partitions().unwrap().map(needless)).into_api().unwrap();
    assert!(
        answer
            .iter()
            .zip(&partitions)
            .all(|((told, result), asked)| { told == asked && code(result) == ErrorCode::ElectionNotNeeded })
    );
    let error = Error::from(ErrorCode::NotController);
    let refused = ElectLeadersResponse::refused(0, &request, &error);
    assert_eq!(refused.topics[0].partitions[1].error, Some(ErrorCode::NotController));
    assert_eq!(code(&ElectLeadersResponse::refused(1, &request, &error).into_api()), ErrorCode::NotController);
    assert!(ElectLeadersRequest::from_api(Election::Preferred, None, LIMIT).partitions().is_none());
    assert_eq!(code(&ElectLeadersRequest { election: 2, ..request }.election()), ErrorCode::InvalidRequest);
}

#[test]
fn scram_credentials_are_set_and_told_without_their_secrets() {
    let users: [Arc<str>; 2] = ["u".into(), "v".into()];
    assert_eq!(DescribeUserScramCredentialsRequest::from_api(None).users(), None);
    assert_eq!(DescribeUserScramCredentialsRequest::from_api(Some(&[])).users(), None);
    assert_eq!(DescribeUserScramCredentialsRequest::from_api(Some(&users)).users().as_deref(), Some(&users[..]));
    let credential = ScramCredential { mechanism: ScramMechanism::Sha512, iterations: 4096 };
    let results =
        vec![(users[0].clone(), Ok(vec![credential])), (users[1].clone(), Err(ErrorCode::ResourceNotFound.into()))];
    let came = DescribeUserScramCredentialsResponse::from_api(Ok(results)).into_api().unwrap();
    assert_eq!((came[0].1.clone(), code(&came[1].1)), (Ok(vec![credential]), ErrorCode::ResourceNotFound));

    let secret = ScramSecret { iterations: 8192, salt: Bytes::from("salty"), salted_password: Bytes::from("hush") };
    let change =
        |user: &Arc<str>, secret| AlterScram { user: Arc::clone(user), mechanism: ScramMechanism::Sha256, secret };
    let changes = [change(&users[0], None), change(&users[1], Some(secret))];
    let mut request = AlterUserScramCredentialsRequest::from_api(&changes);
    let read: Vec<_> = request.to_api().map(|(_, change)| change.unwrap()).collect();
    assert_eq!(read, changes);
    let shown = format!("{request:?} {read:?}");
    assert!(!shown.contains("hush") && !shown.contains("salty"), "{shown}");
    request.deletions.push(ScramDeletion { user: "w".into(), mechanism: 3 });
    let unknown = request.to_api().nth(1).unwrap();
    assert_eq!((&**unknown.0, code(&unknown.1)), ("w", ErrorCode::UnsupportedSaslMechanism));
    let results = [("v".into(), Ok(())), ("u".into(), Err(ErrorCode::ResourceNotFound.into()))];
    let came = AlterUserScramCredentialsResponse::from_api(results).into_api(&users);
    assert_eq!((code(&came[0]), came[1].clone()), (ErrorCode::ResourceNotFound, Ok(())));
}

/// Each of these would take minutes if each thing that is asked for were compared with each that there is.
#[test]
fn what_is_asked_for_is_looked_up_and_not_compared_with_everything() {
    let names: Vec<_> = (0..100_000).map(|n| at(&format!("a-topic-with-a-long-name-{n}"), 7)).collect();
    let log = |partition: &TopicPartition| LogDirPartition {
        partition: partition.clone(),
        size_bytes: 9,
        offset_lag: 0,
        future: false,
    };
    let dir = LogDir {
        path: "/data".to_owned(),
        partitions: names.iter().map(log).collect(),
        total_bytes: None,
        usable_bytes: None,
    };
    let request = DescribeLogDirsRequest::from_api(Some(&names));
    let came = DescribeLogDirsResponse::from_api(&request, Ok(vec![dir])).into_api().unwrap();
    assert_eq!(came[0].as_ref().unwrap().partitions.len(), names.len());

    let mut request = DescribeConfigsRequest::from_api(&[ConfigResource::Broker], ME);
    request.resources[0].keys = Some(names.iter().map(|one| Arc::from(one.topic.as_str())).collect());
    let entry = |one: &TopicPartition| entry(one.topic.as_str(), "1", ConfigSource::Default);
    let answer = DescribeConfigsResponse::from_api(&request, [Ok(names.iter().map(entry).collect())]);
    assert_eq!(answer.results[0].configs.len(), names.len());
}
