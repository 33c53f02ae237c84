//! The client of a store: from the environment, and what the options say instead.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey, AwsCredential, S3ConditionalPut};
use object_store::azure::{AzureAccessKey, AzureConfigKey, AzureCredential, MicrosoftAzureBuilder};
use object_store::client::SpawnedReqwestConnector;
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::{ClientConfigKey, ObjectStore, RetryConfig, StaticCredentialProvider};
use ottla_broker_core::planted::is_planted;
use tokio::runtime::Handle;

use super::options::{Addressing, ObjectStoreOptions};
use super::place::Place;
use crate::connect::error::Error;
use crate::connect::url::{Scheme, Url};

/// How long a connection may take to be made.
const CONNECTS_WITHIN: Duration = Duration::from_secs(5);

/// A store that is not built yet.
pub(super) enum Builder {
    S3(Box<AmazonS3Builder>),
    Gs(Box<GoogleCloudStorageBuilder>),
    Az(Box<MicrosoftAzureBuilder>),
}

/// It holds secrets.
impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("endpoint", &self.endpoint()).finish_non_exhaustive()
    }
}

/// The backend makes requests again itself, and knows which of them may have had an effect.
fn no_retries() -> RetryConfig {
    let max_retries = if is_planted("store-repeats-by-itself") { 3 } else { 0 };
    RetryConfig { max_retries, ..RetryConfig::default() }
}

/// Settings of the HTTP client. Those of the environment that are not among them stay, such as a proxy.
fn http(endpoint: Option<&str>, options: &ObjectStoreOptions) -> Vec<(ClientConfigKey, String)> {
    let millis = |duration: Duration| format!("{}ms", duration.as_millis());
    let request = options.log.request_timeout;
    let mut settings = vec![
        (ClientConfigKey::Timeout, millis(request)),
        (ClientConfigKey::ConnectTimeout, millis(request.min(CONNECTS_WITHIN))),
    ];
    if endpoint.is_some_and(is_plain) {
        settings.push((ClientConfigKey::AllowHttp, "true".to_owned()));
    }
    settings
}

fn is_plain(endpoint: &str) -> bool {
    endpoint.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case("http://"))
}

/// `https://host` as `https://bucket.host`, unless it is so already.
fn with_bucket(endpoint: &str, bucket: &str) -> String {
    match endpoint.split_once("://") {
        Some((scheme, host)) if !host.starts_with(&format!("{bucket}.")) => format!("{scheme}://{bucket}.{host}"),
        _ => endpoint.to_owned(),
    }
}

impl Builder {
    /// # Errors
    /// An option that this store does not have.
    pub(super) fn new(url: &Url, place: &Place, options: &ObjectStoreOptions) -> Result<Self, Error> {
        let refuse = |name: &str, instead: &str| Error::Settings {
            url: url.shown.clone(),
            reason: format!("`object-store.{name}` has no meaning for `{}://`: {instead}", url.scheme.name()),
        };
        match url.scheme {
            Scheme::Gs | Scheme::Az if options.region.is_some() => {
                Err(refuse("region", "the bucket alone says where it is"))
            }
            Scheme::Gs | Scheme::Az if options.addressing.is_some() => {
                Err(refuse("addressing", "there is only one way to address it"))
            }
            Scheme::Gs if options.access_key_id.is_some() => Err(refuse(
                "access_key_id",
                "set `GOOGLE_APPLICATION_CREDENTIALS` or `GOOGLE_SERVICE_ACCOUNT` in the environment",
            )),
            Scheme::Gs => Ok(Self::Gs(Box::new(gs(place, options)))),
            Scheme::Az => az(place, options).map(|builder| Self::Az(Box::new(builder))).map_err(|error| {
                // The error of the key's decoding may show a part of it.
                drop(error);
                Error::Settings {
                    url: url.shown.clone(),
                    reason: "`object-store.secret_access_key` is no account key: it is Base64".to_owned(),
                }
            }),
            _ => Ok(Self::S3(Box::new(s3(place, options)))),
        }
    }

    /// Where its requests go, as far as that is not the store's own business. Part of what names a place.
    pub(super) fn endpoint(&self) -> String {
        let endpoint = match self {
            Self::S3(builder) => builder
                .get_config_value(&AmazonS3ConfigKey::S3Endpoint)
                .or_else(|| builder.get_config_value(&AmazonS3ConfigKey::Endpoint)),
            Self::Gs(builder) => builder.get_config_value(&GoogleConfigKey::BaseUrl),
            // An account is a namespace of its own.
            Self::Az(builder) => builder
                .get_config_value(&AzureConfigKey::Endpoint)
                .or_else(|| builder.get_config_value(&AzureConfigKey::AccountName)),
        };
        endpoint.unwrap_or_default().trim_end_matches('/').to_owned()
    }

    /// The store, which makes its requests on the runtime of `handle`.
    ///
    /// # Errors
    /// What is missing, or cannot be.
    pub(super) fn build(self, url: &Url, handle: Handle) -> Result<Arc<dyn ObjectStore>, Error> {
        let connector = SpawnedReqwestConnector::new(handle);
        let built = match self {
            Self::S3(builder) => builder.with_http_connector(connector).build().map(|store| Arc::new(store) as _),
            Self::Gs(builder) => builder.with_http_connector(connector).build().map(|store| Arc::new(store) as _),
            Self::Az(builder) => builder.with_http_connector(connector).build().map(|store| Arc::new(store) as _),
        };
        built.map_err(|error| Error::Settings { url: url.shown.clone(), reason: error.to_string() })
    }
}

fn s3(place: &Place, options: &ObjectStoreOptions) -> AmazonS3Builder {
    let mut builder = AmazonS3Builder::from_env()
        .with_bucket_name(&place.bucket)
        .with_conditional_put(S3ConditionalPut::ETagMatch)
        .with_retry(no_retries());
    if let Some(region) = &options.region {
        builder = builder.with_region(region);
    }
    if let Some(addressing) = options.addressing {
        builder = builder.with_virtual_hosted_style_request(addressing == Addressing::VirtualHosted);
    }
    if let Some(endpoint) = &options.endpoint {
        let endpoint = match options.addressing {
            Some(Addressing::VirtualHosted) => with_bucket(endpoint, &place.bucket),
            _ => endpoint.clone(),
        };
        // The more special one, which would win if it were in the environment.
        builder = builder.with_config(AmazonS3ConfigKey::S3Endpoint, endpoint);
    }
    if let (Some(id), Some(secret)) = (&options.access_key_id, &options.secret_access_key) {
        // Whole: a session's token of the environment belongs to another key.
        let credential = AwsCredential { key_id: id.clone(), secret_key: secret.reveal().to_owned(), token: None };
        builder = builder.with_credentials(Arc::new(StaticCredentialProvider::new(credential)));
    }
    let endpoint = builder
        .get_config_value(&AmazonS3ConfigKey::S3Endpoint)
        .or_else(|| builder.get_config_value(&AmazonS3ConfigKey::Endpoint));
    for (key, value) in http(endpoint.as_deref(), options) {
        builder = builder.with_config(AmazonS3ConfigKey::Client(key), value);
    }
    builder
}

fn gs(place: &Place, options: &ObjectStoreOptions) -> GoogleCloudStorageBuilder {
    let mut builder = GoogleCloudStorageBuilder::from_env().with_bucket_name(&place.bucket).with_retry(no_retries());
    if let Some(endpoint) = &options.endpoint {
        builder = builder.with_config(GoogleConfigKey::BaseUrl, endpoint);
    }
    let endpoint = builder.get_config_value(&GoogleConfigKey::BaseUrl);
    for (key, value) in http(endpoint.as_deref(), options) {
        builder = builder.with_config(GoogleConfigKey::Client(key), value);
    }
    builder
}

fn az(place: &Place, options: &ObjectStoreOptions) -> object_store::Result<MicrosoftAzureBuilder> {
    let mut builder = MicrosoftAzureBuilder::from_env().with_container_name(&place.bucket).with_retry(no_retries());
    if let Some(endpoint) = &options.endpoint {
        builder = builder.with_endpoint(endpoint.clone());
    }
    if let Some(account) = &options.access_key_id {
        builder = builder.with_account(account);
    }
    if let Some(secret) = &options.secret_access_key {
        let credential = AzureCredential::AccessKey(AzureAccessKey::try_new(secret.reveal())?);
        builder = builder.with_credentials(Arc::new(StaticCredentialProvider::new(credential)));
    }
    let endpoint = builder.get_config_value(&AzureConfigKey::Endpoint);
    for (key, value) in http(endpoint.as_deref(), options) {
        builder = builder.with_config(AzureConfigKey::Client(key), value);
    }
    Ok(builder)
}

#[cfg(test)]
mod tests {
    use super::super::options::Secret;
    use super::*;

    fn builder(url: &str, options: &ObjectStoreOptions) -> Result<Builder, String> {
        let url = Url::parse(url).unwrap();
        Builder::new(&url, &Place::of(&url).unwrap(), options).map_err(|error| error.to_string())
    }

    fn keys(id: &str, secret: &str) -> ObjectStoreOptions {
        ObjectStoreOptions {
            access_key_id: Some(id.to_owned()),
            secret_access_key: Some(Secret::new(secret)),
            ..ObjectStoreOptions::default()
        }
    }

    #[tokio::test]
    async fn options_win_over_the_environment_and_are_built() {
        let options = ObjectStoreOptions {
            endpoint: Some("http://127.0.0.1:9/".to_owned()),
            region: Some("eu-north-1".to_owned()),
            ..keys("me", "hush")
        };
        let builder = builder("s3://logs/x", &options).unwrap();
        assert_eq!(builder.endpoint(), "http://127.0.0.1:9");
        let Builder::S3(s3) = &builder else { panic!("{builder:?}") };
        let value = |key| s3.get_config_value(&key).unwrap();
        assert_eq!(value(AmazonS3ConfigKey::Region), "eu-north-1");
        assert_eq!(value(AmazonS3ConfigKey::Client(ClientConfigKey::AllowHttp)), "true");
        assert_eq!(value(AmazonS3ConfigKey::Client(ClientConfigKey::Timeout)), "10000ms");
        assert!(!format!("{builder:?}").contains("hush"));
        let store = builder.build(&Url::parse("s3://logs/x").unwrap(), Handle::current()).unwrap();
        assert!(!format!("{store:?}").contains("hush"), "{store:?}");
    }

    #[tokio::test]
    async fn the_other_stores_are_built_too() {
        let endpoint = || Some("http://127.0.0.1:9".to_owned());
        let gs = ObjectStoreOptions { endpoint: endpoint(), ..ObjectStoreOptions::default() };
        let az = ObjectStoreOptions { endpoint: endpoint(), ..keys("me", "aHVzaA==") };
        for (url, options) in [("gs://logs/x", &gs), ("az://box/x", &az)] {
            let builder = builder(url, options).unwrap();
            assert_eq!(builder.endpoint(), "http://127.0.0.1:9");
            let store = builder.build(&Url::parse(url).unwrap(), Handle::current()).unwrap();
            assert!(!format!("{store:?}").contains("aHVzaA"), "{store:?}");
        }
    }

    #[test]
    fn the_bucket_is_put_before_the_host() {
        for (endpoint, expected) in [
            ("https://s3.example.org", "https://logs.s3.example.org"),
            ("https://logs.s3.example.org", "https://logs.s3.example.org"),
        ] {
            let options = ObjectStoreOptions {
                endpoint: Some(endpoint.to_owned()),
                addressing: Some(Addressing::VirtualHosted),
                ..ObjectStoreOptions::default()
            };
            assert_eq!(builder("s3://logs", &options).unwrap().endpoint(), expected);
        }
    }

    #[test]
    fn what_a_store_does_not_have_is_refused() {
        let region = ObjectStoreOptions { region: Some("eu".to_owned()), ..ObjectStoreOptions::default() };
        assert!(builder("gs://b", &region).unwrap_err().contains("`object-store.region` has no meaning for `gs://`"));
        assert!(builder("gs://b", &keys("me", "hush")).unwrap_err().contains("GOOGLE_APPLICATION_CREDENTIALS"));
        let error = builder("az://c", &keys("me", "hush!")).unwrap_err();
        assert!(error.contains("Base64") && !error.contains("hush"), "{error}");
        assert_eq!(builder("az://c", &keys("me", "aHVzaA==")).unwrap().endpoint(), "me");
    }
}
