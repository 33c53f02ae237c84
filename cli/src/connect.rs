//! From the command line, the environment and a file to a client.

use std::path::PathBuf;
use std::time::Duration;

use ottla::{Client, ClientBuilder, Env};
use ottla_broker_core::planted::is_planted;
use toml::Table;

use crate::args::Common;
use crate::error::Error;
use crate::output::Output;
use crate::setting::Setting;

/// How long the end of a client may take: a command has nothing that it has not waited for.
pub(crate) const CLOSING: Duration = Duration::from_secs(10);

/// What every command is given. Without `Debug`: the settings' passwords are in no log.
pub(crate) struct Context {
    pub(crate) out: Output,
    pub(crate) env: Env,
    settings: Table,
    url: Option<String>,
    file: Option<PathBuf>,
}

impl Context {
    /// Reads the file, and what the command line says in its place. In a tokio runtime.
    ///
    /// # Errors
    /// [`Error::File`], and [`Error::Setting`] for a file that is no TOML.
    pub(crate) fn new(common: &Common) -> Result<Self, Error> {
        let mut settings = Table::new();
        if let Some(path) = &common.config {
            let text = read(path.clone())?;
            // The library says what is wrong, and shows nothing of a line in which a password may be.
            let refused = |_| match ClientBuilder::from_config(&text) {
                Err(ottla::Error::Config(source)) => Error::Setting { file: Some(path.clone()), source },
                _ => Error::Usage(format!("{} is not TOML", path.display())),
            };
            settings = text.parse().map_err(refused)?;
        }
        let url = match settings.remove("url") {
            None => None,
            Some(toml::Value::String(url)) => Some(url),
            Some(_) => return Err(Error::Usage("the setting `url` is a text in quotes".to_owned())),
        };
        let url =
            if is_planted("cli-file-before-flags") { url.or(common.url.clone()) } else { common.url.clone().or(url) };
        // A file that serves `ottla serve` too; brokers elsewhere have their own.
        if url.as_deref().is_some_and(names_brokers) {
            settings.remove("broker");
        }
        let env = Env::system();
        let mut context = Self { out: Output::new(common.json), env, settings, url, file: common.config.clone() };
        for setting in &common.set {
            context.set(setting.clone())?;
        }
        Ok(context)
    }

    /// Sets one as if it came from the file.
    ///
    /// # Errors
    /// [`Error::Usage`] where there can be none of that name.
    pub(crate) fn set(&mut self, setting: Setting) -> Result<(), Error> {
        setting.apply(&mut self.settings).map_err(|reason| Error::Usage(format!("a setting cannot be: {reason}")))
    }

    /// The URL that was named in whatever way.
    ///
    /// # Errors
    /// [`Error::Usage`] if none was.
    pub(crate) fn url(&self) -> Result<&str, Error> {
        self.url.as_deref().ok_or_else(|| {
            Error::Usage(
                "there is no URL: name one with `-u kafka://localhost:9092` (or another), with OTTLA_URL, or as `url` in the \
                 file of `--config`"
                    .to_owned(),
            )
        })
    }

    /// The table `[server]`, if there is one.
    pub(crate) fn server(&self) -> Option<&toml::Value> {
        self.settings.get("server")
    }

    /// A number that was set in a table, if there is one: what is wrong with another is said by the library.
    pub(crate) fn number(&self, table: &str, name: &str) -> Option<usize> {
        let number = self.settings.get(table)?.get(name)?.as_integer()?;
        usize::try_from(number).ok()
    }

    /// What was set, as a client's document: all but the URL, and what is the server's.
    ///
    /// # Errors
    /// [`Error::Failed`].
    pub(crate) fn document(&self) -> Result<String, Error> {
        let mut settings = self.settings.clone();
        settings.remove("server");
        settings.entry("client_id").or_insert_with(|| "ottla-cli".into());
        toml::to_string(&settings).map_err(|error| Error::Failed(error.to_string()))
    }

    /// What was set, for `url`.
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub(crate) fn builder(&self, url: &str) -> Result<ClientBuilder, Error> {
        match ClientBuilder::from_config(&self.document()?) {
            Ok(builder) => Ok(builder.url(url).env(self.env.clone())),
            Err(error) => Err(self.refused(error)),
        }
    }

    /// An error of the library, with the file if it is about settings.
    pub(crate) fn refused(&self, error: ottla::Error) -> Error {
        match error {
            ottla::Error::Config(source) => Error::Setting { file: self.file.clone(), source },
            error => error.into(),
        }
    }

    /// Connects to `url`.
    ///
    /// # Errors
    /// [`Error::Setting`], [`Error::Ottla`].
    pub(crate) async fn connect(&self, url: &str) -> Result<Client, Error> {
        self.builder(url)?.connect().await.map_err(|error| self.refused(error))
    }

    /// Connects to the URL that was named, does `work`, and ends the client whatever came of it.
    ///
    /// # Errors
    /// [`Error::Usage`]; as [`connect`](Self::connect); what `work` said, or else the end of the client.
    pub(crate) async fn with_client<T>(&self, work: impl AsyncFnOnce(&Client) -> Result<T, Error>) -> Result<T, Error> {
        let client = self.connect(self.url()?).await?;
        let done = work(&client).await;
        let closed = client.close(CLOSING).await;
        match done {
            Ok(done) => closed.map(|()| done).map_err(Error::from),
            Err(error) => Err(error),
        }
    }
}

/// Whether brokers answer there, and no log of this process.
pub(crate) fn names_brokers(url: &str) -> bool {
    url.trim().split_once("://").is_some_and(|(scheme, _)| scheme.eq_ignore_ascii_case("kafka"))
}

/// A file that somebody named.
///
/// # Errors
/// [`Error::File`].
pub(crate) fn read(path: PathBuf) -> Result<String, Error> {
    std::fs::read_to_string(&path).map_err(|source| Error::File { path, source })
}
