//! ApiVersions.

use ottla_broker_core::error::ErrorCode;
use ottla_wire::ApiKey;
use ottla_wire::messages::{ApiVersionsRequest, ApiVersionsResponse};

pub(super) fn answer(request: &ApiVersionsRequest) -> ApiVersionsResponse {
    // Empty before version 3, which has not the fields.
    let names = [&request.client_software_name, &request.client_software_version];
    if names.iter().any(|name| !is_software_name(name)) {
        return ApiVersionsResponse { error: Some(ErrorCode::InvalidRequest), ..ApiVersionsResponse::default() };
    }
    ApiVersionsResponse::serving(ApiKey::ALL.iter().copied())
}

/// Source: KIP-511's `[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?`, and empty for clients that do not say it.
fn is_software_name(name: &str) -> bool {
    let is_edge = |byte: Option<&u8>| byte.is_none_or(u8::is_ascii_alphanumeric);
    let bytes = name.as_bytes();
    is_edge(bytes.first())
        && is_edge(bytes.last())
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'))
}
