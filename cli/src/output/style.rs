//! Colours by meaning. Whether there are any is decided once, by [`crate::terminal`].

use std::borrow::Cow;

use anstyle::{AnsiColor, Style as Ansi};
use tiphys_api::{Health, Phase, SyncState};

/// Whether output is coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Text only.
    Plain,
    /// With ANSI colours.
    Colour,
}

/// What a piece of text means to the reader.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    /// Nothing special.
    #[default]
    Normal,
    /// As it should be.
    Good,
    /// On its way, or worth a look.
    Notice,
    /// Wrong.
    Bad,
    /// Beside the point.
    Faint,
    /// A heading.
    Strong,
}

impl Tone {
    const fn ansi(self) -> Option<Ansi> {
        Some(match self {
            Self::Normal => return None,
            Self::Good => AnsiColor::Green.on_default(),
            Self::Notice => AnsiColor::Yellow.on_default(),
            Self::Bad => AnsiColor::Red.on_default(),
            Self::Faint => Ansi::new().dimmed(),
            Self::Strong => Ansi::new().bold(),
        })
    }
}

impl Style {
    /// `text` in the colour of `tone`.
    pub fn paint(self, tone: Tone, text: &str) -> String {
        match (self, tone.ansi()) {
            (Self::Colour, Some(ansi)) if !text.is_empty() => format!("{ansi}{text}{ansi:#}"),
            _ => text.to_owned(),
        }
    }
}

/// The tone of a health.
pub const fn of_health(health: Health) -> Tone {
    match health {
        Health::Healthy => Tone::Good,
        Health::Suspended | Health::Progressing => Tone::Notice,
        Health::Unknown => Tone::Faint,
        Health::Missing | Health::Degraded => Tone::Bad,
    }
}

/// The tone of a sync state.
pub const fn of_sync(sync: SyncState) -> Tone {
    match sync {
        SyncState::Synced => Tone::Good,
        SyncState::OutOfSync => Tone::Notice,
        SyncState::Unknown => Tone::Faint,
    }
}

/// The tone of a phase.
pub const fn of_phase(phase: Phase) -> Tone {
    match phase {
        Phase::Succeeded => Tone::Good,
        Phase::Pending | Phase::Superseded => Tone::Faint,
        Phase::Running | Phase::Waiting => Tone::Notice,
        Phase::Failed => Tone::Bad,
    }
}

/// Text from the cluster without what a terminal would obey: control characters become visible, lines become one.
pub fn tame(text: &str) -> Cow<'_, str> {
    let text = text.trim();
    if !text.chars().any(char::is_control) {
        return Cow::Borrowed(text);
    }
    let tamed = text
        .chars()
        .map(|it| match it {
            '\n' | '\r' | '\t' => ' ',
            it if it.is_control() => '\u{fffd}',
            it => it,
        })
        .collect();
    Cow::Owned(tamed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_there_only_when_asked_for() {
        assert_eq!(Style::Plain.paint(Tone::Bad, "Degraded"), "Degraded");
        assert_eq!(Style::Colour.paint(Tone::Bad, "Degraded"), "\u{1b}[31mDegraded\u{1b}[0m");
        assert_eq!(Style::Colour.paint(Tone::Normal, "x"), "x");
    }

    #[test]
    fn text_of_others_cannot_command_the_terminal() {
        assert_eq!(tame("two\nlines"), "two lines");
        assert_eq!(tame("\u{1b}[2Jgone"), "\u{fffd}[2Jgone");
        assert_eq!(tame(" plain "), "plain");
    }
}
