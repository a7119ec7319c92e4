//! Where a remote cache is: an address becomes an object store.

use super::RemoteOptions;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::http::HttpBuilder;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{BackoffConfig, ClientConfigKey, ClientOptions, ObjectStore, ObjectStoreScheme, RetryConfig};
use percent_encoding::percent_decode_str;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use url::{Position, Url};

/// How addresses are written.
const KNOWN: &str = "s3://BUCKET, gs://BUCKET, az://CONTAINER, https://HOST (WebDAV) or file:///DIRECTORY";

/// Why an address is not used that needs no more than a host on the way to have code run.
const PLAIN: &str = "an address with http:// is neither encrypted nor authenticated, so that whoever is on the way can have code \
     run here; write https://, or allow it by --allow-http, ROUTEFUSE_ALLOW_HTTP=1 or `RemoteOptions::allow_http`";

/// A store, and where in it.
pub(super) struct Location {
    url: Url,
    scheme: ObjectStoreScheme,
    /// What every object's name begins with.
    pub prefix: Path,
    /// The address without a password, for messages.
    pub shown: String,
    /// What must not be said: the address's user and password.
    secret: Option<String>,
    /// Made when it is first wanted: reading the system's certificates takes longer than a start from a warm disk.
    store: OnceLock<Result<Arc<dyn ObjectStore>, String>>,
}

impl Location {
    /// Nothing is asked of the network.
    pub(super) fn of(address: &str, options: &RemoteOptions) -> Result<Location, String> {
        let url = Url::parse(address).map_err(|e| format!("it is no address ({e}); write one as {KNOWN}"))?;
        let unknown = || format!("no store has addresses of this kind; write one as {KNOWN}");
        let (scheme, prefix) = match ObjectStoreScheme::parse(&url) {
            Ok((ObjectStoreScheme::Memory, _)) | Err(_) => return Err(unknown()),
            Ok(parsed) => parsed,
        };
        if url.scheme() == "http" && !options.allow_http {
            return Err(PLAIN.to_owned());
        }
        let user = &url[Position::BeforeUsername..Position::BeforeHost];
        let secret = (!user.is_empty()).then(|| user.to_owned());
        let mut location = Location { scheme, prefix, shown: String::new(), secret, store: OnceLock::new(), url };
        location.shown = location.say(address.trim_end_matches('/'));
        Ok(location)
    }

    /// The store.
    pub(super) fn store(&self, options: &RemoteOptions) -> Result<&Arc<dyn ObjectStore>, String> {
        self.store.get_or_init(|| self.open(options)).as_ref().map_err(Clone::clone)
    }

    fn open(&self, options: &RemoteOptions) -> Result<Arc<dyn ObjectStore>, String> {
        let (url, address) = (&self.url, self.url.as_str());
        let bounds = bounds(options);
        let retry = RetryConfig {
            backoff: BackoffConfig {
                init_backoff: Duration::from_millis(100),
                max_backoff: Duration::from_secs(1),
                base: 2.0,
            },
            max_retries: options.retries,
            retry_timeout: options.timeout,
        };
        // Each kind of store has a builder of its own type.
        macro_rules! build {
            ($builder:expr, $key:ty, $client:expr) => {{
                let mut builder = $builder.with_retry(retry);
                for (key, value) in bounds {
                    builder = builder.with_config($client(key), value);
                }
                for (name, value) in &options.settings {
                    let key: $key = name.parse().map_err(|_| format!("it has no setting `{name}`"))?;
                    builder = builder.with_config(key, value);
                }
                Arc::new(builder.build().map_err(|e| e.to_string())?)
            }};
        }
        Ok(match &self.scheme {
            ObjectStoreScheme::Local => Arc::new(LocalFileSystem::new()),
            ObjectStoreScheme::AmazonS3 => {
                build!(AmazonS3Builder::from_env().with_url(address), AmazonS3ConfigKey, AmazonS3ConfigKey::Client)
            }
            ObjectStoreScheme::GoogleCloudStorage => {
                let builder = GoogleCloudStorageBuilder::from_env().with_url(address);
                build!(builder, GoogleConfigKey, GoogleConfigKey::Client)
            }
            ObjectStoreScheme::MicrosoftAzure => {
                build!(MicrosoftAzureBuilder::from_env().with_url(address), AzureConfigKey, AzureConfigKey::Client)
            }
            ObjectStoreScheme::Http => {
                let mut host = url.clone();
                host.set_path("");
                // Whoever writes http:// has allowed it.
                let mut client = ClientOptions::new().with_allow_http(url.scheme() == "http");
                if let Some(login) = login(&mut host) {
                    client = client.with_default_headers(HeaderMap::from_iter([(AUTHORIZATION, login)]));
                }
                let builder = HttpBuilder::new().with_url(host).with_client_options(client);
                build!(builder, ClientConfigKey, std::convert::identity)
            }
            other => return Err(format!("{other:?} is no store; write its address as {KNOWN}")),
        })
    }

    /// Whether what objects lie in has to be made before them.
    pub(super) fn makes_folders(&self) -> bool {
        self.scheme == ObjectStoreScheme::Http
    }

    /// A text without the address's password.
    pub(super) fn say(&self, text: &str) -> String {
        match &self.secret {
            Some(secret) => text.replace(secret.as_str(), ""),
            None => text.to_owned(),
        }
    }
}

/// Takes the user and password out of an address, and gives them as the header `Authorization` has them.
fn login(url: &mut Url) -> Option<HeaderValue> {
    let decoded = |text: &str| percent_decode_str(text).collect::<Vec<u8>>();
    let user = decoded(url.username());
    let password = decoded(url.password().unwrap_or_default());
    if user.is_empty() && password.is_empty() {
        return None;
    }
    // It has a host, so that these do not fail.
    let _ = (url.set_username(""), url.set_password(None));
    let mut value =
        HeaderValue::from_str(&format!("Basic {}", BASE64_STANDARD.encode([&user[..], b":", &password].concat())))
            .ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// As settings by name, so that the environment's others stay. The whole is bounded where it is waited for.
fn bounds(options: &RemoteOptions) -> [(ClientConfigKey, String); 2] {
    let millis = |d: Duration| format!("{}ms", d.as_millis());
    [
        (ClientConfigKey::ConnectTimeout, millis(options.connect)),
        (ClientConfigKey::Timeout, millis(options.timeout * 2)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(address: &str) -> Result<Location, String> {
        let options = RemoteOptions::default().with(|o| o.allow_http = true);
        let location = Location::of(address, &options)?;
        location.store(&options)?;
        Ok(location)
    }

    #[test]
    fn logins() {
        for (address, expected) in [
            ("https://host/dav", None),
            ("https://me:s%40t@host/dav", Some("Basic bWU6c0B0")),
            ("https://me@host", Some("Basic bWU6")),
        ] {
            let mut url = Url::parse(address).unwrap();
            let login = login(&mut url);
            assert_eq!(login.map(|l| l.to_str().unwrap().to_owned()).as_deref(), expected);
            assert_eq!(&url[Position::BeforeUsername..Position::BeforeHost], "");
        }
    }

    #[test]
    fn addresses() {
        for (address, prefix, shown) in [
            ("file:///srv/kernels/", "srv/kernels", "file:///srv/kernels"),
            ("gs://bucket", "", "gs://bucket"),
            ("http://host:8080/dav/a b", "dav/a b", "http://host:8080/dav/a b"),
            ("https://me:secret@host/dav", "dav", "https://host/dav"),
            ("s3://bucket/team/kernels", "team/kernels", "s3://bucket/team/kernels"),
        ] {
            let location = open(address).unwrap();
            assert_eq!((location.prefix.as_ref(), location.shown.as_str()), (prefix, shown));
        }
        let location = open("https://me:secret@host/dav").unwrap();
        assert_eq!(location.say("GET https://me:secret@host/dav: 500"), "GET https://host/dav: 500");
        let refused = Location::of("http://me:secret@host/dav", &RemoteOptions::default()).err().unwrap();
        assert!(refused.contains("--allow-http") && !refused.contains("secret"), "{refused}");
        for address in ["", "/srv/kernels", "ftp://host/x", "memory:///"] {
            let problem = open(address).map(|_| ()).unwrap_err();
            assert!(problem.contains("s3://BUCKET"), "{problem}");
        }
    }
}
