//! The person at the other end: data goes to stdout, everything else to stderr, questions are asked on a terminal.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use anstream::{AutoStream, ColorChoice};

use crate::error::Error;
use crate::output::failure_text;
use crate::output::style::{Style, Tone};

/// The streams of this process and what they can show.
#[derive(Clone, Copy, Debug)]
pub struct Terminal {
    /// Whether stdout shows colours.
    pub out: Style,
    /// Whether stderr shows colours.
    pub err: Style,
    /// Whether somebody watches stderr, so that a picture may be drawn and redrawn there.
    pub watched: Watched,
}

/// Whether somebody watches stderr.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watched {
    /// It is a terminal.
    Terminal,
    /// It is a file or a pipe.
    Pipe,
}

/// When output is coloured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum ColourChoice {
    /// On a terminal, unless NO_COLOR is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Writes data to stdout.
pub fn data(text: &str) -> Result<(), Error> {
    bytes(text.as_bytes())
}

/// Writes data that need not be text to stdout.
pub fn bytes(data: &[u8]) -> Result<(), Error> {
    let mut out = io::stdout().lock();
    out.write_all(data).and_then(|()| out.flush()).map_err(Error::Write)
}

/// Writes a line to stderr: progress, or what to do next.
pub fn say(line: &str) {
    // Nobody can be told that stderr is gone.
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// Fails when a question could not be answered; for asking it before anything is done towards it.
pub fn ensure_somebody_to_ask(question: &str) -> Result<(), Error> {
    if io::stdin().is_terminal() {
        return Ok(());
    }
    Err(Error::NobodyToAsk { question: question.to_owned() })
}

impl Terminal {
    /// Looks at the streams of this process.
    pub fn new(choice: ColourChoice) -> Self {
        let style = |found: ColorChoice| match (choice, found) {
            (ColourChoice::Never, _) | (ColourChoice::Auto, ColorChoice::Never) => Style::Plain,
            _ => Style::Colour,
        };
        let terminal = io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|it| it != "dumb");
        Self {
            out: style(AutoStream::choice(&io::stdout())),
            err: style(AutoStream::choice(&io::stderr())),
            watched: if terminal { Watched::Terminal } else { Watched::Pipe },
        }
    }

    /// Writes what to do next to stderr.
    pub fn hint(self, hint: &str) {
        say(&format!("{} {hint}", self.err.paint(Tone::Strong, "hint:")));
    }

    /// Writes something that is not quite right to stderr.
    pub fn warn(self, warning: &str) {
        say(&format!("{} {warning}", self.err.paint(Tone::Notice, "warning:")));
    }

    /// Writes an error with its causes and what to do next to stderr.
    pub fn error(self, error: &Error) {
        say(failure_text(error, error.hint().as_deref(), self.err).trim_end());
    }

    /// Asks a yes-or-no question; anything but yes is no.
    pub async fn confirm(self, question: &str) -> Result<(), Error> {
        if !io::stdin().is_terminal() {
            return Err(Error::NobodyToAsk { question: question.to_owned() });
        }
        {
            let mut err = io::stderr().lock();
            let _ = write!(err, "{question} [y/N] ");
            let _ = err.flush();
        }
        // Reading blocks a thread of its own, so that Ctrl-C is heard meanwhile.
        let read = tokio::task::spawn_blocking(|| {
            let mut answer = String::new();
            io::stdin().lock().read_line(&mut answer).map(|_| answer)
        });
        let answer = tokio::select! {
            answer = read => answer.map_err(io::Error::other).and_then(|it| it).map_err(Error::Process)?,
            _ = tokio::signal::ctrl_c() => return Err(Error::Interrupted),
        };
        match answer.trim().to_ascii_lowercase().as_str() {
            "y" | "yes" => Ok(()),
            _ => Err(Error::NotConfirmed),
        }
    }
}
