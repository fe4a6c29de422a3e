//! What each command does, one file per command.

mod access;
pub(crate) mod account;
mod bare;
mod diag;
mod edge;
mod forwarders;
mod ingress;
mod management;
mod manual;
mod ready;
mod removed;
mod run;
mod service;
mod tail;
mod r#try;
mod update;

use std::process::ExitCode;
use std::sync::Arc;

use adit_config::file::Reading;

use crate::cli::{self, Action, Options, Request, Source};
use crate::failure::Failure;
use crate::files::{self, Configuration};
use crate::logging::{self, Log};
use crate::program::{Program, print};
use crate::settings;

/// Everything that a command knows.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    /// How the process was started.
    pub(crate) program: &'a Program,
    /// What the user said.
    pub(crate) options: Options,
    /// What the configuration file says.
    pub(crate) configuration: Configuration,
    /// The log.
    pub(crate) log: Log,
}

/// Does what the command line asks for.
///
/// # Errors
///
/// Fails with what the user and the shell are told.
pub(crate) fn perform(program: &Program) -> Result<ExitCode, Failure> {
    let words = match cli::read(&program.words)? {
        Request::Version => {
            print(&program.version());
            return Ok(ExitCode::SUCCESS);
        }
        Request::Help(path) => {
            print(&cli::help(&program.name, &path));
            return Ok(ExitCode::SUCCESS);
        }
        Request::Command(words) => words,
    };
    let mut options = Options::new(words, program.environment.clone())?;
    let action = options.action();
    let configuration = if reads_file(action, &options) {
        files::load(&mut options)?
    } else {
        Configuration::default()
    };
    let call = Call {
        log: logging::start(&wishes(&options)),
        program,
        options,
        configuration,
    };
    if call.configuration.reading.is_some() && settings::said(&call.options, "loglevel") != Some(Source::File)
    {
        tracing::debug!("Loading configuration from {}", call.configuration.path);
    }
    if let Some(Reading::Empty) = call.configuration.reading {
        tracing::error!("Configuration file {} was empty", call.configuration.path);
    }
    let control = Arc::clone(&call.log.control);
    act(action, call).map_err(|failure| failure.cleaned(|text| control.redact(text)))
}

fn act(action: Action, call: Call<'_>) -> Result<ExitCode, Failure> {
    match action {
        Action::Version => version(&call),
        Action::Run => run::perform(&call),
        Action::Try => r#try::perform(&call),
        Action::Edge => edge::perform(&call),
        Action::Completions => manual::completions(&call),
        Action::Man => manual::page(&call),
        Action::Diag => diag::perform(&call),
        Action::Ready => ready::perform(&call),
        Action::ServiceInstall => service::install(&call),
        Action::ServiceUninstall => service::uninstall(),
        Action::Update => update::perform(&call),
        Action::AccessLogin => access::login(&call),
        Action::AccessCurl => access::curl(&call),
        Action::AccessToken => access::token(&call),
        Action::AccessTcp => access::tcp(&call),
        Action::AccessSshConfig => access::ssh_config(&call),
        Action::AccessSshGen => access::ssh_certificate(&call),
        Action::Validate => ingress::validate(&call),
        Action::Rule => ingress::rule(&call),
        Action::Bare | Action::Tunnel => bare::perform(call),
        Action::DnsProxy => removed::dns_proxy(),
        Action::DbConnect => removed::db_connect(),
        Action::Group => Err(Failure::new("this command groups others")),
        Action::Login => account::login::perform(&call).map(success),
        Action::Create => account::create::perform(&call).map(success),
        Action::List => account::list::perform(&call).map(success),
        Action::Info => account::info::perform(&call).map(success),
        Action::Delete => account::delete::perform(&call).map(success),
        Action::Cleanup => account::delete::clean_up(&call).map(success),
        Action::Token => account::token::perform(&call).map(success),
        Action::RouteDns => account::dns::perform(&call).map(success),
        Action::RouteLb => account::dns::balance(&call).map(success),
        Action::RouteIpAdd => account::ip::add(&call).map(success),
        Action::RouteIpShow => account::ip::show(&call).map(success),
        Action::RouteIpDelete => account::ip::delete(&call).map(success),
        Action::RouteIpGet => account::ip::get(&call).map(success),
        Action::VnetAdd => account::vnet::add(&call).map(success),
        Action::VnetList => account::vnet::list(&call).map(success),
        Action::VnetDelete => account::vnet::delete(&call).map(success),
        Action::VnetUpdate => account::vnet::update(&call).map(success),
        Action::Tail => tail::perform(&call),
        Action::TailToken => management::of_log(&call),
        Action::ManagementToken => management::perform(&call),
    }
}

const fn success((): ()) -> ExitCode {
    ExitCode::SUCCESS
}

fn version(call: &Call<'_>) -> Result<ExitCode, Failure> {
    if call.options.switch("short") {
        print(&format!("{}\n", call.program.short_version()));
    } else {
        print(&call.program.version());
    }
    Ok(ExitCode::SUCCESS)
}

/// Returns whether a command looks at the configuration file. A trial looks only where it is told.
fn reads_file(action: Action, options: &Options) -> bool {
    if action == Action::Try {
        return options.some_text("config").is_some();
    }
    !matches!(
        action,
        Action::Version
            | Action::Edge
            | Action::Completions
            | Action::Man
            | Action::DbConnect
            | Action::Tail
            | Action::TailToken
            | Action::ManagementToken
            | Action::AccessLogin
            | Action::AccessCurl
            | Action::AccessToken
            | Action::AccessTcp
            | Action::AccessSshConfig
            | Action::AccessSshGen
    )
}

/// Returns what the user wants of the log.
fn wishes(options: &Options) -> logging::Wishes {
    let shows = matches!(options.action(), Action::Try | Action::Edge) && !options.is_set("loglevel");
    logging::Wishes {
        // A trial is about what it shows; only trouble is worth more lines.
        level: if shows {
            "warn".into()
        } else if options.action() == Action::AccessTcp {
            options.text("log-level")
        } else {
            options.text("loglevel")
        },
        transport_level: options.text("transport-loglevel"),
        json: options.text("output") == "json",
        ordered: matches!(
            options.action(),
            Action::Tail | Action::TailToken | Action::ManagementToken
        ),
        // The terminal belongs to whoever speaks through standard input and output.
        silent: options.action() == Action::AccessTcp && !options.is_set("url"),
        plain: options.environment_text("NO_COLOR").is_some(),
        file: options.some_text("logfile").map(Into::into),
        directory: options.some_text("log-directory").map(Into::into),
    }
}
