//! `tiphys docs`: the reference that is committed as `docs/cli.md`.

use clap::CommandFactory as _;

use crate::arguments::Arguments;
use crate::error::Error;
use crate::exit::Exit;
use crate::output::reference::markdown;
use crate::terminal;

/// Prints the reference.
pub fn run() -> Result<Exit, Error> {
    terminal::data(&markdown(&mut Arguments::command()))?;
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_reference_is_current() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/cli.md");
        let committed = std::fs::read_to_string(file).unwrap_or_default();
        let current = markdown(&mut Arguments::command());
        assert!(
            committed == current,
            "docs/cli.md is stale: run `cargo run -p tiphys-cli -- docs > docs/cli.md`"
        );
    }

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
