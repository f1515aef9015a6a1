//! `tiphys completion`.

use clap::{Args, CommandFactory as _};
use clap_complete::{Shell, generate};

use crate::arguments::Arguments;
use crate::error::Error;
use crate::exit::Exit;
use crate::terminal;

/// For which shell.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  source <(tiphys completion bash)                              # in ~/.bashrc
  tiphys completion zsh > \"${fpath[1]}/_tiphys\"
  tiphys completion fish > ~/.config/fish/completions/tiphys.fish")]
pub struct CompletionArguments {
    /// The shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

/// Prints a completion script.
pub fn run(arguments: &CompletionArguments) -> Result<Exit, Error> {
    let mut script = Vec::new();
    generate(arguments.shell, &mut Arguments::command(), "tiphys", &mut script);
    terminal::data(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Done)
}
