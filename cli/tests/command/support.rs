//! Calling the program, and a server of it.

use std::io::{BufRead, BufReader, Read, Write};
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

/// Calls the program with this on its standard input; says what it printed, whatever bytes these are.
pub(super) fn fed(args: &[&str], input: &[u8]) -> (Outcome, Vec<u8>) {
    let mut command = program(args);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    // Beside it: it may print before it has read all. It need not read all of it, either.
    let feeding = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    feeding.join().unwrap();
    let outcome = Outcome {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8(output.stderr).unwrap(),
    };
    (outcome, output.stdout)
}

/// Writes lines into a topic, and sees it succeed.
#[track_caller]
pub(super) fn produce(url: &str, topic: &str, options: &[&str], input: impl AsRef<[u8]>) -> Outcome {
    let (done, _) = fed(&[&["-u", url, "produce", topic][..], options].concat(), input.as_ref());
    assert_eq!(done.code, 0, "{done:?}");
    done
}

/// What is printed of a topic.
#[track_caller]
pub(super) fn consume(url: &str, topic: &str, options: &[&str]) -> String {
    let done = ottla(&[&["-u", url, "consume", topic][..], options].concat());
    assert_eq!(done.code, 0, "{done:?}");
    done.out
}

/// Makes a topic.
#[track_caller]
pub(super) fn create(url: &str, topic: &str, options: &[&str]) {
    let done = ottla(&[&["-u", url, "topic", "create", topic][..], options].concat());
    assert_eq!(done.code, 0, "{done:?}");
}

/// A program in the midst of its work. It is killed at the latest when this is dropped.
#[derive(Debug)]
pub(super) struct Running {
    child: Child,
    pub(super) out: Option<BufReader<ChildStdout>>,
    pub(super) stdin: Option<std::process::ChildStdin>,
}

impl Running {
    pub(super) fn start(args: &[&str]) -> Self {
        let mut command = program(args);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (out, stdin) = (child.stdout.take().map(BufReader::new), child.stdin.take());
        Self { child, out, stdin }
    }

    /// The next line that it prints.
    pub(super) fn line(&mut self) -> String {
        let mut line = String::new();
        self.out.as_mut().unwrap().read_line(&mut line).unwrap();
        assert!(line.ends_with('\n'), "it ended after `{line}`: {:?}", self.end());
        line.trim_end().to_owned()
    }

    pub(super) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    pub(super) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Its exit code, and what it said on stderr.
    pub(super) fn end(&mut self) -> (i32, String) {
        let mut err = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        (self.child.wait().unwrap().code().unwrap_or(-1), err)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
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
