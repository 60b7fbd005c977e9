//! The `rulerun` command. Everything it does is in the library's `cli`.

fn main() -> std::process::ExitCode {
    rulerun::cli::main()
}
