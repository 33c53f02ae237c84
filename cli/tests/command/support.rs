//! Calling the program, and a server of it.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// The program without anything from this process's environment that it would take.
pub(super) fn program(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ottla"));
    command.args(args).stdin(Stdio::null());
    for (name, _) in std::env::vars() {
        if (name.starts_with("OTTLA_") && name != "OTTLA_PLANTED_BUG") || name == "RUST_LOG" {
            command.env_remove(name);
        }
    }
    command
}

/// What came of a call.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) code: i32,
    pub(super) out: String,
    pub(super) err: String,
}

impl Outcome {
    /// Its one document.
    pub(super) fn json(&self) -> Value {
        assert_eq!(self.code, 0, "{self:?}");
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// It failed with this code, and said all of this.
    #[track_caller]
    pub(super) fn failed(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, code, "{self:?}");
        assert_eq!(self.out, "", "{self:?}");
        for word in words {
            assert!(self.err.contains(word), "`{word}`: {self:?}");
        }
    }
}

pub(super) fn run(mut command: Command) -> Outcome {
    let output = command.output().unwrap();
    Outcome {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Calls the program.
pub(super) fn ottla(args: &[&str]) -> Outcome {
    run(program(args))
}

/// A server that serves. It is killed at the latest when this is dropped.
#[derive(Debug)]
pub(super) struct Served {
    child: Child,
    // Kept: who writes to a pipe that nobody reads ends.
    _out: BufReader<ChildStdout>,
    /// What it said first.
    pub(super) ready: Value,
}

impl Served {
    /// On a free port, with more options.
    pub(super) fn start(place: &str, options: &[&str]) -> Self {
        let mut args = vec!["serve", place, "--listen", "127.0.0.1:0", "--json"];
        args.extend(options);
        Self::of(program(&args))
    }

    pub(super) fn of(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        if line.is_empty() {
            let mut said = String::new();
            child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
            panic!("it does not serve: {:?}: {said}", child.wait());
        }
        Self { child, _out: out, ready: serde_json::from_str(&line).unwrap() }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.ready["listening"].as_str().unwrap().parse().unwrap()
    }

    pub(super) fn url(&self) -> String {
        format!("kafka://{}", self.address())
    }

    pub(super) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Reads its log until a line has this in it.
    pub(super) fn await_log(&mut self, words: &str) {
        let err = self.child.stderr.as_mut().unwrap();
        let mut line = Vec::new();
        let mut byte = [0];
        loop {
            assert_ne!(err.read(&mut byte).unwrap(), 0, "the log ended before `{words}`");
            line.push(byte[0]);
            if byte[0] == b'\n' {
                if String::from_utf8_lossy(&line).contains(words) {
                    return;
                }
                line.clear();
            }
        }
    }

    /// Its end.
    pub(super) fn wait(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    /// Ends it in order.
    pub(super) fn end(mut self) {
        self.signal(Signal::TERM);
        assert_eq!(self.wait().code(), Some(0));
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
