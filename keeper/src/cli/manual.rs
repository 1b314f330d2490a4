//! `spillway openapi`, `completions` and `man`: what the program says of itself.

use super::{args::Cli, exit::Exit, output};
use crate::api::openapi;
use clap::CommandFactory;
use clap_complete::Shell;

pub(super) fn openapi() -> eyre::Result<Exit> {
    output::line(serde_json::to_string_pretty(&openapi::document())?);
    Ok(Exit::Done)
}

pub(super) fn completions(shell: Shell) -> eyre::Result<Exit> {
    output::line(script(shell)?.trim_end());
    Ok(Exit::Done)
}

fn script(shell: Shell) -> eyre::Result<String> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "spillway", &mut script);
    Ok(String::from_utf8(script)?)
}

/// One page: the program, then each command.
pub(super) fn man() -> eyre::Result<Exit> {
    let mut cli = Cli::command();
    cli.build();
    let mut page = Vec::new();
    clap_mangen::Man::new(cli.clone()).render(&mut page)?;
    sections(&cli, "spillway", &mut page)?;
    output::line(String::from_utf8(page)?.trim_end());
    Ok(Exit::Done)
}

fn sections(command: &clap::Command, path: &str, page: &mut Vec<u8>) -> eyre::Result<()> {
    for command in command.get_subcommands().filter(|c| c.get_name() != "help") {
        let path = format!("{path} {}", command.get_name());
        if command.has_subcommands() {
            sections(command, &path, page)?;
            continue;
        }
        let man = clap_mangen::Man::new(command.clone());
        page.extend(format!(".SH \"{}\"\n", path.to_uppercase()).into_bytes());
        let mut section = Vec::new();
        man.render_description_section(&mut section)?;
        man.render_options_section(&mut section)?;
        man.render_extra_section(&mut section)?;
        // The parts of a command come one level below it.
        page.extend(String::from_utf8(section)?.replace(".SH ", ".SS ").into_bytes());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shell_gets_its_completions_and_the_manual_has_every_command() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish, Shell::PowerShell, Shell::Elvish] {
            assert!(script(shell).unwrap().contains("reconcile"), "{shell}");
        }
        let mut page = Vec::new();
        let mut cli = Cli::command();
        cli.build();
        sections(&cli, "spillway", &mut page).unwrap();
        let page = String::from_utf8(page).unwrap();
        for section in ["SPILLWAY RUN", "SPILLWAY KEYS ROTATE", "SPILLWAY DB RESTORE"] {
            assert!(page.contains(&format!(".SH \"{section}\"")), "{section}");
        }
    }
}
