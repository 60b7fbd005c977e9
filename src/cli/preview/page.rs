//! E-mails in a browser of this machine. The rules are read anew for every page, so that a
//! saved edit shows when the page is loaded again.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::versions::{self, Fields, Version};
use super::{PreviewArgs, emails, find, shown};
use crate::base::Clock as _;
use crate::base::report::{self, Style};
use crate::cli::environment::Environment;
use crate::cli::outcome::{Exit, Failure, Outcome};
use crate::cli::rules::{self, Loaded};
use crate::cli::{Global, out};
use crate::engine::Pick;
use crate::model::RuleSet;
use crate::model::rules::{Said, SequenceAction, SequenceStep};
use crate::serve::clock::SystemClock;
use crate::serve::curl;

/// Longest request head, in bytes.
const HEAD: usize = 8 * 1024;
/// How long a browser may take to ask, in milliseconds.
const PATIENCE: i64 = 5_000;
/// How long it may take to read.
const READ_IN: Duration = Duration::from_secs(5);
/// How long to wait when a connection cannot be taken.
const REST: Duration = Duration::from_millis(100);
/// Requests at once.
const MOST: usize = 16;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:52em;margin:2em auto;\
    padding:0 1em;color:#222}iframe{width:100%;height:38em;border:1px solid #ccc}\
    td{padding:.1em 1.5em .1em 0;vertical-align:top}pre{white-space:pre-wrap;background:#f6f6f6;\
    padding:1em}.dim{color:#666}";

/// What is shown.
struct Show {
    global: Global,
    /// The e-mail that was asked for; none shows them all.
    email: Option<String>,
    /// The variant and the language that were asked for; without both, all of them are shown.
    variant: Option<String>,
    locale: Option<String>,
    fields: Fields,
    port: u16,
}

/// Shows e-mails until Ctrl-C.
///
/// # Errors
/// The port is taken; an e-mail that does not exist.
pub(super) fn serve(global: &Global, args: &PreviewArgs, fields: &Fields, port: u16) -> Outcome {
    let email = args.email.as_deref();
    // What is wrong at the beginning is told here, not in the browser.
    let rules = rules::sound(global)?;
    let asked = email.map(|name| find(&rules, name)).transpose()?;
    asked.map(|(_, step)| args.pick(step)).transpose()?;
    drop(rules);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .map_err(|why| Failure::new(format!("cannot listen on 127.0.0.1:{port}: {why}")))?;
    let address = listener
        .local_addr()
        .map_err(|why| Failure::new(format!("cannot listen on 127.0.0.1:{port}: {why}")))?;
    let show = Arc::new(Show {
        global: global.clone(),
        email: email.map(str::to_owned),
        variant: args.variant.clone(),
        locale: args.locale.clone(),
        fields: fields.clone(),
        port: address.port(),
    });
    out::note(&format!("http://{address} shows the e-mails, as they are saved. Ctrl-C stops."));
    let busy = Arc::new(AtomicUsize::new(0));
    for stream in listener.incoming() {
        let Ok(stream) = stream else {
            // Whoever asked has gone, or this machine is short of something for a moment.
            std::thread::park_timeout(REST);
            continue;
        };
        if busy.fetch_add(1, Ordering::Relaxed) >= MOST {
            busy.fetch_sub(1, Ordering::Relaxed);
            continue;
        }
        let (show, busy) = (Arc::clone(&show), Arc::clone(&busy));
        std::thread::spawn(move || {
            // Whoever has closed the page is not waiting for it.
            let _ = show.answer(stream);
            busy.fetch_sub(1, Ordering::Relaxed);
        });
    }
    Ok(Exit::Fine)
}

impl Show {
    fn answer(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let until = SystemClock.passing() + PATIENCE;
        stream.set_write_timeout(Some(READ_IN))?;
        let mut head = Vec::new();
        let mut part = [0; 1024];
        while !head.windows(4).any(|end| end == b"\r\n\r\n") {
            // All of it must come in time: a letter now and then would keep a place for hours.
            let Ok(left @ 1..) = u64::try_from(until - SystemClock.passing()) else {
                return Ok(());
            };
            stream.set_read_timeout(Some(Duration::from_millis(left)))?;
            match stream.read(&mut part)? {
                0 => return Ok(()),
                read if head.len() + read <= HEAD => head.extend_from_slice(&part[..read]),
                _ => return reply(&mut stream, "431 Request Header Fields Too Large", "too long"),
            }
        }
        let head = String::from_utf8_lossy(&head);
        let mut words = head.split_whitespace();
        let (method, target) = (words.next().unwrap_or(""), words.next().unwrap_or("/"));
        // A page elsewhere may point a name of its own at this machine.
        if !self.is_ours(&head) {
            return reply(&mut stream, "403 Forbidden", "this page is for this machine alone");
        }
        if method != "GET" {
            return reply(&mut stream, "405 Method Not Allowed", "only GET is answered");
        }
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        match self.page(path, query == "missing") {
            Ok(Some(page)) => reply(&mut stream, "200 OK", &page),
            Ok(None) => reply(&mut stream, "404 Not Found", "there is no such e-mail"),
            Err(why) => reply(&mut stream, "200 OK", &format!("<pre>{}</pre>", escape(&why))),
        }
    }

    fn is_ours(&self, head: &str) -> bool {
        let host = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("host").then(|| value.trim())
        });
        ["127.0.0.1", "localhost"]
            .iter()
            .any(|name| host == Some(format!("{name}:{}", self.port).as_str()))
    }

    /// A page; none when there is no such e-mail.
    fn page(&self, path: &str, missing: bool) -> Result<Option<String>, String> {
        let (rules, url) = self.rules()?;
        if path == "/" && self.email.is_none() {
            return Ok(Some(index(&rules)));
        }
        let found = if path == "/" {
            let name = self.email.as_deref().unwrap_or_default();
            Some(find(&rules, name).map_err(words)?)
        } else {
            emails(&rules).find(|(sequence, step)| address(&sequence.name, &step.name) == path)
        };
        let Some((sequence, step)) = found else { return Ok(None) };
        let fields = match &self.fields {
            Fields::All if missing => &Fields::Required,
            fields => fields,
        };
        let mut made = Vec::new();
        for pick in self.picks(step) {
            let found = versions::of(&rules, sequence, step, fields, &url, &pick, None);
            made.extend(found.map_err(words)?);
        }
        let mut page = format!("<h1>{}</h1>\n", escape(&step.name));
        if self.email.is_none() {
            page.push_str("<p><a href=\"/\">every e-mail</a></p>\n");
        }
        if matches!(self.fields, Fields::All) {
            page.push_str("<p><a href=\"?\">with every field</a> or ");
            page.push_str("<a href=\"?missing\">without those that may be missing</a></p>\n");
        }
        page.extend(made.iter().map(one));
        Ok(Some(page))
    }

    /// The wordings of an e-mail that are shown.
    fn picks(&self, step: &SequenceStep) -> Vec<Pick> {
        if self.variant.is_some() || self.locale.is_some() {
            return vec![Pick { variant: self.variant.clone(), locale: self.locale.clone() }];
        }
        let pick = |said: Said<'_>| Pick {
            variant: said.variant.map(str::to_owned),
            locale: Some(said.locale.unwrap_or_default().to_owned()),
        };
        step.action.wordings().map(pick).collect()
    }

    fn rules(&self) -> Result<(RuleSet, String), String> {
        let loaded = Loaded::read(&self.global.rules).map_err(words)?;
        let style = Style { colour: false, width: 100 };
        let environment = Environment::load().map_err(words)?;
        let rules =
            loaded.rules.ok_or_else(|| report::human(&loaded.sources, &loaded.found, style))?;
        let url = rules::public_url(&rules, &environment).map_err(words)?;
        Ok((rules, url))
    }
}

/// The path of an e-mail's page.
fn address(sequence: &str, name: &str) -> String {
    format!("/{}/{}", curl::escape(sequence), curl::escape(name))
}

fn index(rules: &RuleSet) -> String {
    let mut page = String::from("<h1>E-mails</h1>\n<table>\n");
    for (sequence, step) in emails(rules) {
        let SequenceAction::Email { subject, .. } = &step.action else { continue };
        let _ = writeln!(
            page,
            "<tr><td><a href=\"{}\">{}</a><td class=dim>{}<td class=dim>{}<td>{}</tr>",
            address(&sequence.name, &step.name),
            escape(&step.name),
            escape(&sequence.name),
            escape(&step.after.to_string()),
            escape(subject.source())
        );
    }
    page + "</table>\n"
}

/// One version: headers, the HTML in a frame that may do nothing, the text.
fn one(version: &Version) -> String {
    let mut part = format!("<p class=dim>{}</p>\n", escape(&shown::about(version)));
    if let Some(why) = &version.withheld {
        let why = format!("with these values it would not be sent: {why}");
        let _ = writeln!(part, "<p>{}</p>", escape(&why));
    }
    part.push_str("<table>\n");
    for (name, value) in shown::head(version) {
        let (name, value) = (escape(name), escape(&value));
        let _ = writeln!(part, "<tr><td class=dim>{name}<td>{value}</tr>");
    }
    let _ = writeln!(
        part,
        "</table>\n<iframe sandbox title=\"HTML\" srcdoc=\"{}\"></iframe>\n<pre>{}</pre>",
        escape(&version.letter.html),
        escape(&version.letter.email.text)
    );
    part
}

/// A failure as words.
fn words(failure: Failure) -> String {
    match failure {
        Failure::Trouble { message, help: Some(help) } => format!("{message}\n{help}"),
        Failure::Trouble { message, help: None } => message,
        Failure::Rules => String::from("the rules have mistakes; `rulerun validate` shows them"),
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn reply(stream: &mut TcpStream, status: &str, body: &str) -> std::io::Result<()> {
    let page = format!(
        "<!DOCTYPE html>\n<meta charset=\"utf-8\">\n<title>rulerun preview</title>\n\
         <style>{STYLE}</style>\n{body}"
    );
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\n\
         Content-Security-Policy: default-src 'none'; img-src http: https:; style-src \
         'unsafe-inline'\r\nX-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\n\
         Connection: close\r\n\r\n",
        page.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(page.as_bytes())
}
