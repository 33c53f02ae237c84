//! A check's report for programs.

use ottla::check::Report;
use serde_json::{Value, json};

/// How many things are wrong.
#[cfg_attr(
    not(any(feature = "disk", feature = "object-store")),
    allow(clippy::match_single_binding, reason = "there is nothing that could be checked then")
)]
pub(super) fn damage_count(report: &Report) -> usize {
    match report {
        #[cfg(feature = "disk")]
        Report::Disk(report) => report.damage.len(),
        #[cfg(feature = "object-store")]
        Report::Bucket(report) => report.damage.len(),
        _ => 0,
    }
}

/// All of it.
#[cfg_attr(
    not(any(feature = "disk", feature = "object-store")),
    allow(clippy::match_single_binding, reason = "there is nothing that could be checked then")
)]
pub(super) fn of(url: &str, report: &Report) -> Value {
    let mut document = match report {
        #[cfg(feature = "disk")]
        Report::Disk(report) => disk(report),
        #[cfg(feature = "object-store")]
        Report::Bucket(report) => bucket(report),
        _ => json!({}),
    };
    if let Some(fields) = document.as_object_mut() {
        fields.insert("url".to_owned(), url.into());
        fields.insert("sound".to_owned(), report.is_sound().into());
    }
    document
}

#[cfg(feature = "disk")]
fn disk(report: &ottla::connect::DiskReport) -> Value {
    json!({
        "storage": report.storage.to_string(),
        "closed": report.clean,
        "checkpoint": report.checkpoint,
        "replayed": report.replayed,
        "files": report.files.iter().map(|file| json!({
            "name": file.name,
            "kind": file.kind.to_string(),
            "bytes": file.bytes,
            "used": file.used,
            "live": file.live,
            "chunks": file.chunks,
            "batches": file.batches,
        })).collect::<Vec<_>>(),
        "logs": report.logs.iter().map(|log| json!({
            "name": log.name.to_string(),
            "epoch": log.epoch.0,
            "start": log.start.0,
            "end": log.end.0,
            "batches": log.batches,
            "bytes": log.bytes,
            "gaps": log.gaps,
        })).collect::<Vec<_>>(),
        "torn": report.torn.iter().map(|torn| json!({
            "file": torn.file,
            "position": torn.position,
            "chunk": torn.chunk,
        })).collect::<Vec<_>>(),
        "orphans": report.orphans,
        "foreign": report.foreign,
        "damage": report.damage.iter().map(|damage| json!({
            "file": damage.file,
            "position": damage.position,
            "log": damage.log.map(|log| log.to_string()),
            "offset": damage.offset.map(|offset| offset.0),
            "what": damage.what,
        })).collect::<Vec<_>>(),
    })
}

#[cfg(feature = "object-store")]
fn bucket(report: &ottla::connect::BucketReport) -> Value {
    json!({
        "owner": report.owner,
        "incarnation": report.incarnation,
        "released": report.released,
        "logs": report.logs.iter().map(|log| json!({
            "name": log.name,
            "start": log.start.0,
            "end": log.end.0,
            "batches": log.batches,
            "bytes": log.bytes,
        })).collect::<Vec<_>>(),
        "objects": report.objects,
        "bytes": report.bytes,
        "unreachable": report.unreachable,
        "foreign": report.foreign,
        "damage": report.damage.iter().map(|what| json!({ "what": what })).collect::<Vec<_>>(),
    })
}
