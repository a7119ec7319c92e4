//! Real servers on this machine's loopback: an S3-compatible one and a WebDAV one, each over a folder.

use dav_server::{DavHandler, fakels::FakeLs, localfs::LocalFs};
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use routefuse_runtime::{Key, RemoteCache, RemoteOptions};
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

/// What a server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    S3,
    WebDav,
}

pub const KINDS: [Kind; 2] = [Kind::S3, Kind::WebDav];

/// A server that stops when it is dropped. Its objects are files under `folder`.
pub struct Server {
    pub kind: Kind,
    pub at: SocketAddr,
    pub folder: PathBuf,
    _runtime: Runtime,
    _dir: tempfile::TempDir,
}

impl Server {
    pub fn start(kind: Kind) -> Server {
        let dir = tempfile::tempdir().unwrap();
        // The bucket, or the collection.
        let folder = dir.path().join("kernels");
        std::fs::create_dir(&folder).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let at = listener.local_addr().unwrap();
        let root = dir.path();
        match kind {
            Kind::S3 => {
                let mut builder = S3ServiceBuilder::new(s3s_fs::FileSystem::new(root).unwrap());
                builder.set_auth(SimpleAuth::from_single("reader", "secret"));
                let service = builder.build().into_shared();
                runtime.spawn(async move {
                    while let Ok((stream, _)) = listener.accept().await {
                        let served = http1::Builder::new().serve_connection(TokioIo::new(stream), service.clone());
                        tokio::spawn(served);
                    }
                });
            }
            Kind::WebDav => {
                let files = LocalFs::new(root, false, false, false);
                let service = DavHandler::builder().filesystem(files).locksystem(FakeLs::new()).build_handler();
                runtime.spawn(async move {
                    while let Ok((stream, _)) = listener.accept().await {
                        let service = service.clone();
                        let handle = hyper::service::service_fn(move |request| {
                            let service = service.clone();
                            async move { Ok::<_, Infallible>(service.handle(request).await) }
                        });
                        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), handle));
                    }
                });
            }
        }
        Server { kind, at, folder, _runtime: runtime, _dir: dir }
    }

    /// A remote cache in this server, by way of whoever listens at `at`.
    pub fn cache_at(&self, at: SocketAddr, options: RemoteOptions) -> RemoteCache {
        let settings = [
            ("aws_endpoint", format!("http://{at}")),
            ("aws_region", "us-east-1".to_owned()),
            ("aws_access_key_id", "reader".to_owned()),
            ("aws_secret_access_key", "secret".to_owned()),
            ("allow_http", "true".to_owned()),
        ];
        let settings = settings.map(|(name, value)| (name.to_owned(), value)).to_vec();
        match self.kind {
            Kind::S3 => RemoteCache::open("s3://kernels/team", options.with(|o| o.settings = settings)),
            Kind::WebDav => RemoteCache::open(&format!("http://{at}/kernels/team"), options),
        }
    }

    /// A remote cache in this server.
    pub fn cache(&self, options: RemoteOptions) -> RemoteCache {
        self.cache_at(self.at, options)
    }

    /// The file of an object.
    pub fn file(&self, key: Key) -> PathBuf {
        self.folder.join("team").join(RemoteCache::object(key))
    }

    /// The kernels' objects, each with its bytes.
    pub fn objects(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let (mut found, mut folders) = (Vec::new(), vec![self.folder.clone()]);
        while let Some(folder) = folders.pop() {
            for file in std::fs::read_dir(folder).unwrap() {
                let path = file.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|e| e == "rfk") {
                    let bytes = std::fs::read(&path).unwrap();
                    found.push((path, bytes));
                }
            }
        }
        found.sort();
        found
    }
}

/// Puts bytes where an object is.
pub fn put(file: &Path, bytes: &[u8]) {
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(file, bytes).unwrap();
}

pub fn reader() -> RemoteOptions {
    RemoteOptions::default().with(|o| {
        o.timeout = Duration::from_secs(20);
        o.allow_http = true;
    })
}

pub fn writer() -> RemoteOptions {
    reader().with(|o| o.write = true)
}
