//! `ottla user set`.

use std::io::BufRead;
use std::path::PathBuf;

use clap::ValueHint;

use super::{broker, refused};
use crate::connect::{Context, read};
use crate::error::Error;

const AFTER_HELP: &str = "\
Examples:
  ottla -u file:///var/lib/app/log user set billing < secret
  ottla -u file:///var/lib/app/log user set billing --password-file secret

A log that is being served is not to be had: stop the server first.";

/// Makes a user, or sets another password.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// Who.
    #[arg(value_name = "USER")]
    name: String,
    /// A file with the password; otherwise it is the first line of the standard input.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    password_file: Option<PathBuf>,
}

pub(super) async fn run(args: Args, context: &Context) -> Result<(), Error> {
    let password = match args.password_file {
        Some(file) => read(file)?,
        None => {
            let mut line = String::new();
            std::io::stdin().lock().read_line(&mut line).map_err(|source| Error::File { path: "-".into(), source })?;
            line
        }
    };
    let password = password.trim_end_matches(['\r', '\n']);
    if password.is_empty() {
        return Err(Error::Usage("a password is not empty: write it to the standard input, or name a file".to_owned()));
    }
    context
        .with_client(async |client| {
            ottla_server::set_password(&*broker(client)?, &args.name, password).await.map_err(refused)
        })
        .await?;
    let told = serde_json::json!({"user": args.name, "set": true});
    context.out.show(&told, |_| format!("user {} has a password", args.name))
}
