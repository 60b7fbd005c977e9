//! Which links a value would lead elsewhere, and which texts only look like that.

use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use crate::base::Zone;
use crate::model::Context;
use crate::template::{Format, Template, host_from_a_value};

const FORMATS: [Format; 2] = [Format::Markdown, Format::Html];
const EVIL: &str = "@evil.example/x";

/// The text of a template with these values; what is wrong with it, before or then.
fn filled(source: &str, format: Format, values: &Value) -> Result<String, String> {
    let template = Template::compile(source, format).map_err(|faults| {
        assert!(faults.iter().all(|fault| source.get(fault.range.clone()).is_some()));
        faults[0].message.clone()
    })?;
    let payload: Map<String, Value> = values.as_object().cloned().unwrap_or_default();
    template.text(&Context::new(&payload, Zone::UTC))
}

fn refused(sources: &[&str], values: &Value, wanted: &str) {
    for source in sources {
        for format in FORMATS {
            let told = filled(source, format, values).expect_err(source);
            assert!(told.contains(wanted), "{source}: {told}");
        }
    }
}

fn fine(sources: &[&str], values: &Value) {
    for source in sources {
        for format in FORMATS {
            let text =
                filled(source, format, values).unwrap_or_else(|why| panic!("{source}: {why}"));
            assert!(!text.contains(char::is_control) || source.contains(['\t', '\n']), "{text:?}");
        }
        assert_eq!(host_from_a_value(source), None, "{source}");
    }
}

#[test]
fn an_address_inside_a_tag_ends_where_its_author_ends_it() {
    let values = json!({ "path": EVIL, "yes": true, "list": [EVIL] });
    for source in [
        "{% set site = \"https://example.com\" %}[shop]({{site}}{{path | default(\"\")}})",
        "[shop]({{ \"https://example.com\" ~ (path | default(\"\")) }})",
        "[shop]({{ \"https://example.com\" + path }})",
        "{{ \"https://example.com\" }}{{path}}",
        "<a href=\"{{ 'https://example.com' }}{{path}}\">a</a>",
        "<mj-button href=\"{{ 'https://example.com' }}{{path}}\">a</mj-button>",
        "{% with s = 'https://example.com' %}<img src='{{s}}{{path}}'>{% endwith %}",
        "[shop]({{ ('https://example.com' if yes else 'https://example.org/') ~ path }})",
        "[shop]({{ (site | default('https://example.com')) ~ path }})",
        "{% set host = 'example' %}[shop]({{ 'https://' ~ host ~ '.com' ~ path }})",
        "{% set url = 'https://example.com' ~ path %}[shop]({{url}})",
        "[shop]({{ ['https://example.com', path] | join }})",
        "[shop]({{ 'https://example.com!' | replace('!', path) }})",
        "{% for s in ['https://example.com', 'https://example.org'] %}[s]({{s}}{{path}}){% endfor %}",
        "{% set sites = {'de': 'https://example.com'} %}[s]({{ sites['de'] ~ path }})",
        "{% if yes %}{% set site = 'https://example.com' %}{% endif %}[shop]({{site}}{{path}})",
        "[write]({{ 'mailto:hello@acme.example' ~ path }})",
        "<a href=\"http{{path}}://example.com/\">a</a>",
        "[a]({{path}}://example.com) [b](http{{path}})",
    ] {
        let fault = host_from_a_value(source).expect(source);
        let help = fault.help.unwrap_or_default();
        assert!(help.contains("where a tag says it") || help.contains("write the"), "{help}");
        let wanted = if source.contains("mailto") { "written to" } else { "choose the website" };
        refused(&[source], &values, wanted);
    }
    fine(
        &[
            "{% set site = \"https://example.com/\" %}[shop]({{site}}{{path}})",
            "{% set site = 'https://example.com' %}[shop]({{site}}/{{path}}) [all]({{site}})",
            "[shop]({{ 'https://example.com' ~ '/' ~ path }}) {{ 'https://example.com' }} {{path}}",
            "[shop]({{ site | default('https://example.com') }})",
            "{% if path == 'https://example.com' %}{{path}}{% endif %}{{ path | lower }}",
            "[shop]({{ path | replace('http://', 'https://') }}) {{ list | join(', ') }}",
        ],
        &values,
    );
}

#[test]
fn a_link_that_begins_with_a_value_leads_where_that_value_says() {
    let page = |site: &str, path: &str| json!({ "site": site, "path": path });
    let links = [
        "[shop]({{site}}{{path}})",
        "[shop](<{{site}}{{path}}>)",
        "[shop][s]\n\n[s]: {{site}}{{path}}",
        "![i]( {{site}}{{path}} 'title')",
        "<a href=\"{{site}}{{path}}\">shop</a>",
        "<img src = '\n{{site}}{{path}}'>",
    ];
    for path in [EVIL, ".evil.example", "evil", ":1@evil.example/", "\\@evil.example/"] {
        for site in ["https://example.com", "HTTP://example.com", "https://", "https:"] {
            refused(&links, &page(site, path), "choose the website");
        }
    }
    refused(&links, &page("mailto:a@acme.example", ",b@evil.example"), "who is written to");
    refused(&links, &page("mailto:a@acme.example", "?bcc=b@evil.example"), "who is written to");
    for path in ["", "/x", "?a", "#a", "/@evil.example"] {
        fine(&links, &page("https://example.com", path));
    }
    fine(&links, &page("https://example.com/", EVIL));
    let begun = page("mailto:a@acme.example?subject=", "x&bcc=b@evil.example");
    for link in links {
        let text = filled(link, Format::Html, &begun).unwrap();
        assert!(text.contains("x%26bcc"), "{text}");
    }
    // A text is no link of the author's, and a person may be called anything.
    fine(&["{{site}}{{path}} <b title=\"{{site}}{{path}}\">a</b>"], &page("https://a", EVIL));
}

#[test]
fn in_a_link_only_what_ends_a_host_for_browsers_ends_it() {
    let values = json!({ "path": EVIL, "x": "b@evil.example" });
    refused(
        &[
            "<a href=\"https://example.com\n{{path}}\">a</a>",
            "<a href=\"https:/\t/example.com{{path}}\">a</a>",
            "<a href=\" https://example.com(x){{path}}\">a</a>",
            "<a href=\"https://example.com'{{path}}\">a</a>",
            "<a HREF = 'https://example.com\"{{path}}'>a</a>",
            "<a href=\"https://example.com {{path}}\">a</a>",
            "<a href=\"https://example.com&nbsp;{{path}}\">a</a>",
            "<a href=\"https://example.com&#64;{{path}}\">a</a>",
            "<a href=\"https:&#x2F;&#x2f;example.com{{path}}\">a</a>",
            "<a href=\"{% if path %}https://example.com {{path}}{% endif %}\">a</a>",
            "<mj-button background-url=\"https://example.com。{{path}}\">a</mj-button>",
            "<a href=\"{{none | default('')}}https://example.com {{path}}\">a</a>",
            "[a](https://example.com(x){{path}})",
            "[a](https://example.com'{{path}})",
            "[a]({{none | default('')}}{{'https://'}}example.com。{{path}})",
            "[a](https://example.com\\){{path}})",
            "[a](<https://example.com {{path}}>)",
            "[a](https://example.com\\{{path}})",
            "[a](https://example.com\\\\{{path}})",
            "[a][b]\n\n[b]: https://example.com|{{path}}",
            "https://example.com({{path}})",
        ],
        &values,
        "choose the website",
    );
    refused(
        &["<a href=\"mailto:a@acme.example ({{x}}\">a</a>", "[a](<mailto:a@acme.example, {{x}}>)"],
        &values,
        "who is written to",
    );
    fine(
        &[
            "<a href=\"https:&#x2F;&#x2F;example.com&#x2F;{{path}}\">a</a>",
            "<a href=\"https://example.com\" title=\"{{path}}\">a</a>",
            "<p title=\"See https://example.com or {{path}}\">a</p>",
            "[a](https://example.com(x)){{path}}",
            "[a](https://example.com \"for {{path}}\")",
        ],
        &values,
    );
    // Behind the ? of a letter too.
    let asked = "<a href=\"mailto:a@acme.example?subject=It's (nr {{x}})&body=&quot;{{x}}\">a</a>";
    let text = filled(asked, Format::Html, &json!({ "x": "1&bcc=c@d.example" })).unwrap();
    assert_eq!(text.matches("1%26bcc%3Dc%40d.example").count(), 2, "{text}");
}

#[test]
fn correct_texts_are_no_mistakes() {
    let values = json!({ "link": "https://example.com/a", "email": "ann@example.com" });
    fine(
        &[
            "[our shop]({% if not link %}https://example.com{% else %}{{link}}{% endif %})",
            "<a href=\"{% if not link %}https://example.com{% else %}{{link}}{% endif %}\">a</a>",
            "<a href=\"{% if link %}{{link}}{% elif email %}https://example.com{% endif %}\">a</a>",
            "[a]({% if not link %}https://example.com{% endif %}{% if link %}{{link}}{% endif %})",
            "[a]({% if link %}https://example.com/{% else %}https://example.org/{% endif %}{{email}})",
            "<p>https://example.com&nbsp;{{email}}</p>",
            "<p>https://example.com&#160;{{email}}, &lt;https://example.com&gt;{{email}}</p>",
            "詳しくはhttps://example.comをご覧ください。{{email}}さん",
            "（https://example.com）{{email}}, „https://example.com“{{email}}",
            "|https://example.com|{{email}}|",
            "(https://example.com){{email}} 'https://example.com'{{email}}",
            "see https://example.com: {{email}}; mailto:hello@example.com {{email}}",
        ],
        &values,
    );
    // One of the branches is enough.
    refused(
        &[
            "[a]({% if link %}https://example.com{% else %}https://example.org/{% endif %}{{email}})",
            "[a]({% if email %}https://example.com{% endif %}{% if link %}{{link}}{% endif %})",
            "[a](https://example.com{% if not link %}/{% else %}{{link}}{% endif %})",
        ],
        &values,
        "choose the website",
    );
}

#[test]
fn many_addresses_and_branches_take_no_longer_than_they_are_long() {
    for (part, count) in [
        ("https:x", 1_000),
        ("mailto:", 1_000),
        ("<a href=\"https:", 1_000),
        ("https://a(", 1_000),
        ("{{x}} ", 1_000),
        ("{% if x %}a{% endif %}", 100),
        ("{% if x %}https:{% endif %}b", 100),
        ("{% if x.y %}https:{% else %}http:{% endif %}", 100),
        ("{{ x | default('https:') }}", 100),
        ("{% set x = ['https:', x] | join %}", 100),
    ] {
        let taken = |count: usize| {
            let begun = now();
            let _ = filled(&part.repeat(count), Format::Html, &json!({ "x": "x" }));
            begun.elapsed()
        };
        // Ten times as much; a hundred times as long, if it began anew at each. Other work on
        // the machine only ever adds time.
        let is_good = |_| {
            let (short, long) = (taken(count).max(Duration::from_millis(10)), taken(count * 10));
            long < short * 40
        };
        assert!((0..5).any(is_good), "{part}");
    }
}

#[expect(clippy::disallowed_methods, reason = "what is measured here is the time itself")]
fn now() -> Instant {
    Instant::now()
}
