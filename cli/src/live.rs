//! Shows a running Sync on stderr: a picture that is redrawn on a terminal, plain lines in a pipe.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use jiff::Timestamp;

use crate::follow::Viewer;
use crate::output::progress::{Narrator, Picture, Progress, Size};
use crate::output::style::Style;
use crate::terminal::{self, Terminal, Watched};

/// A viewer that fits what stderr is.
pub fn viewer(terminal: Terminal) -> Box<dyn Viewer> {
    match terminal.watched {
        Watched::Terminal => Box::new(Drawing::new(terminal.err)),
        Watched::Pipe => Box::new(Lines { narrator: Narrator::default() }),
    }
}

/// A viewer of what is only a question: one line on a terminal, nothing in a pipe.
pub fn quiet_viewer(terminal: Terminal) -> Box<dyn Viewer> {
    match terminal.watched {
        Watched::Terminal => Box::new(Spinner(bar())),
        Watched::Pipe => Box::new(Silent),
    }
}

struct Lines {
    narrator: Narrator,
}

impl Viewer for Lines {
    fn show(&mut self, progress: &Progress, now: Timestamp) {
        for line in self.narrator.lines(progress, now) {
            terminal::say(&line);
        }
    }

    fn note(&mut self, note: &str) {
        terminal::say(note);
    }
}

struct Drawing {
    bar: ProgressBar,
    style: Style,
    frame: usize,
}

impl Drawing {
    fn new(style: Style) -> Self {
        Self { bar: bar(), style, frame: 0 }
    }
}

impl Viewer for Drawing {
    fn show(&mut self, progress: &Progress, now: Timestamp) {
        self.frame += 1;
        let (height, width) = console::Term::stderr().size();
        let picture = Picture {
            size: Size { width: width.into(), height: height.into() },
            style: self.style,
            frame: self.frame,
        };
        self.bar.set_message(picture.text(progress, now));
        if progress.is_finished() {
            // The last picture stays.
            self.bar.abandon();
        } else {
            self.bar.tick();
        }
    }

    fn note(&mut self, note: &str) {
        self.bar.println(note);
    }
}

struct Spinner(ProgressBar);

impl Viewer for Spinner {
    fn show(&mut self, progress: &Progress, now: Timestamp) {
        if progress.is_finished() {
            self.0.finish_and_clear();
        } else {
            self.0.set_message(progress.one_line(now));
            self.0.tick();
        }
    }

    fn note(&mut self, note: &str) {
        self.0.println(note);
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

struct Silent;

impl Viewer for Silent {
    fn show(&mut self, _: &Progress, _: Timestamp) {}

    fn note(&mut self, note: &str) {
        terminal::say(note);
    }
}

fn bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    // The template is part of this program and right.
    if let Ok(style) = ProgressStyle::with_template("{msg}") {
        bar.set_style(style);
    }
    bar
}
